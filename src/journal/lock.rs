//! One daemon for a folder: a lock that ends with the process that holds it.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

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

/// Makes the folder where it is missing (mode 0700) and takes its lock, which goes with the file.
pub(super) fn take(folder: &Path) -> Result<File, OpenError> {
    let refused = |what: &str, error: &std::io::Error| {
        let folder = folder.display();
        OpenError::Folder(format!(
            "the data folder {folder} {what}: {error}; make it writable for this user, or set 'data' to another folder"
        ))
    };
    if !folder.is_dir() {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|error| refused("cannot be made", &error))?;
    }
    let path = folder.join("lock");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(|error| refused("cannot be written", &error))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let pid = fs::read_to_string(&path).ok();
            return Err(OpenError::Locked {
                folder: folder.to_owned(),
                pid: pid.and_then(|text| text.trim().parse().ok()),
            });
        }
        Err(TryLockError::Error(error)) => return Err(refused("cannot be locked", &error)),
    }
    // Only for the message above: without it the lock holds all the same.
    let _ = file
        .set_len(0)
        .and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(file)
}
