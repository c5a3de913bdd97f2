//! Watching folders: a burst of file events becomes one "something changed".
//!
//! Editors save in steps (a new file renamed over the old, truncate and write, a backup first);
//! a burst ends when it was quiet for [`QUIET`]. What changed is not said: the reader compares.

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::{Duration, Instant},
};

/// A burst of events is over after this much silence ...
pub const QUIET: Duration = Duration::from_millis(30);
/// ... or after this long, whatever happens: someone who writes without pause is not waited for.
pub const BURST_MAX: Duration = Duration::from_millis(500);

/// The folders that are watched.
pub struct Watcher {
    inner: RecommendedWatcher,
    folders: BTreeMap<PathBuf, Identity>,
}

/// Device and inode. A watch stays on the folder that it was put on, also where that is moved
/// away and another takes its path.
type Identity = (u64, u64);

fn identity(folder: &Path) -> Option<Identity> {
    let found = fs::metadata(folder).ok()?;
    Some((found.dev(), found.ino()))
}

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watcher")
            .field("folders", &self.folders)
            .finish_non_exhaustive()
    }
}

impl Watcher {
    /// Calls `changed` from a thread of its own for every event that may have changed a file.
    ///
    /// # Errors
    /// The system gives no watch, in words.
    pub fn start(changed: impl Fn() + Send + 'static) -> Result<Self, String> {
        let on_event = move |event: notify::Result<notify::Event>| {
            // Reading a file is an event too, and the loader reads all of them.
            let matters = event.map_or(true, |event| !matches!(event.kind, EventKind::Access(_)));
            if matters {
                changed();
            }
        };
        let inner = notify::recommended_watcher(on_event)
            .map_err(|error| format!("files cannot be watched: {error}"))?;
        Ok(Self {
            inner,
            folders: BTreeMap::new(),
        })
    }

    /// Watches these folders and no others; whether there is one that was not watched until now.
    /// What cannot be watched is said and tried again at the next call.
    pub fn watch(&mut self, folders: &BTreeSet<PathBuf>) -> bool {
        let gone = |(folder, seen): (&PathBuf, &Identity)| {
            let stays = folders.contains(folder) && identity(folder) == Some(*seen);
            (!stays).then(|| folder.clone())
        };
        let gone: Vec<_> = self.folders.iter().filter_map(gone).collect();
        for folder in gone {
            // It may have been deleted, and its watch with it.
            let _ = self.inner.unwatch(&folder);
            self.folders.remove(&folder);
        }
        let mut added = false;
        for folder in folders {
            if self.folders.contains_key(folder) {
                continue;
            }
            // Before the watch: replaced in between, it is watched anew at the next call.
            let Some(seen) = identity(folder) else {
                continue;
            };
            match self.inner.watch(folder, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.folders.insert(folder.clone(), seen);
                    added = true;
                }
                Err(error) => tracing::warn!(folder = %folder.display(), %error, "not watched"),
            }
        }
        added
    }
}

/// Waits until a burst that has begun is over; other messages than "changed" end it at once.
pub fn settle<T>(inbox: &Receiver<T>, is_change: impl Fn(&T) -> bool) -> Option<T> {
    let began = Instant::now();
    while began.elapsed() < BURST_MAX {
        match inbox.recv_timeout(QUIET) {
            Ok(message) if is_change(&message) => {}
            Ok(message) => return Some(message),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return None,
        }
    }
    None
}
