//! One daemon for a folder: a lock that ends with the process that holds it.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// How long a lock is waited for. A daemon that was killed may have been starting a program, and
/// what is to become that program holds all that was open until then.
const WAITS: Duration = Duration::from_millis(500);
const TRIED_EVERY: Duration = Duration::from_millis(10);

/// Why a journal was not opened. Never because of what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// Another daemon has the folder.
    Locked {
        /// The folder.
        folder: PathBuf,
        /// Its process, where it could be read.
        pid: Option<u32>,
    },
    /// The folder cannot be made or used: a sentence for operators.
    Folder(String),
}

impl std::fmt::Display for OpenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Locked { folder, pid } => {
                let folder = folder.display();
                let whose = pid.map_or(String::new(), |pid| format!(" (process {pid})"));
                write!(
                    f,
                    "another sidestep{whose} works in {folder}: stop it, or give this one another 'data' folder"
                )
            }
            Self::Folder(sentence) => f.write_str(sentence),
        }
    }
}

impl std::error::Error for OpenError {}

/// What keeps other daemons off a folder as long as it lives.
#[derive(Debug)]
pub(super) struct Lock {
    _held: Vec<File>,
    /// Why nothing does, in words.
    pub(super) alarm: Option<String>,
}

/// Makes the folder where it is missing (mode 0700) and locks it: the folder itself and the file
/// `lock` in it, each where that is possible. A disk that is full or read-only still takes one of
/// them, and one that takes neither keeps no daemon from starting.
pub(super) fn take(folder: &Path) -> Result<Lock, OpenError> {
    if !folder.is_dir() {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|error| {
            let folder = folder.display();
            OpenError::Folder(format!(
                "the data folder {folder} cannot be made: {error}; make it writable for this user, or set 'data' to another folder"
            ))
        })?;
    }
    let path = folder.join("lock");
    let written = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path);
    let (mut held, mut why) = (Vec::new(), None);
    for file in [written.or_else(|_| File::open(&path)), File::open(folder)] {
        match file.map_err(TryLockError::Error).and_then(|file| {
            locked(&file)?;
            Ok(file)
        }) {
            Ok(file) => held.push(file),
            Err(TryLockError::WouldBlock) => {
                let pid = fs::read_to_string(&path).ok();
                return Err(OpenError::Locked {
                    folder: folder.to_owned(),
                    pid: pid.and_then(|text| text.trim().parse().ok()),
                });
            }
            Err(TryLockError::Error(error)) => why = Some(error),
        }
    }
    // Only for the message above: without it the lock holds all the same.
    let _ = fs::write(&path, format!("{}\n", std::process::id()));
    let unlocked = why.filter(|_| held.is_empty()).map(|error| {
        format!(
            "the data folder {} cannot be locked: {error}; nothing keeps another sidestep off it until it is mended",
            folder.display()
        )
    });
    Ok(Lock {
        _held: held,
        alarm: unlocked,
    })
}

fn locked(file: &File) -> Result<(), TryLockError> {
    let until = Instant::now() + WAITS;
    loop {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if Instant::now() < until => thread::sleep(TRIED_EVERY),
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_for_a_moment_is_waited_for_and_what_is_held_for_good_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let held = take(folder.path()).unwrap();
        let refused = take(folder.path()).unwrap_err();
        assert!(matches!(refused, OpenError::Locked { .. }), "{refused:?}");
        let ends = thread::spawn(move || {
            thread::sleep(WAITS / 10);
            drop(held);
        });
        take(folder.path()).unwrap();
        ends.join().unwrap();
    }
}
