//! What goes wrong with SQLite, sorted: the file is damaged, or the machine is in the way.

use rusqlite::ErrorCode;
use std::fmt;

/// Why the journal could not be read or written.
#[derive(Debug)]
pub(super) enum Trouble {
    /// What is in the file cannot be right. Set it aside.
    Damaged(String),
    /// Somebody else holds it. Wait.
    Busy,
    /// The disk is full. Wait.
    Full,
    /// The disk, its rights or the kernel refuse. Wait, and trust no page that was not written anew.
    Refused(String),
}

/// What the parts of the journal return.
pub(super) type Attempt<T> = Result<T, Trouble>;

impl Trouble {
    /// What is in the file cannot be right.
    pub(super) fn damaged(what: impl fmt::Display) -> Self {
        Self::Damaged(what.to_string())
    }

    /// Whether pages may be lost that were said to be written.
    pub(super) fn taints(&self) -> bool {
        !matches!(self, Self::Busy)
    }
}

/// For operators: what is the matter, in words.
impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(what) => write!(f, "the journal is damaged: {what}"),
            Self::Busy => f.write_str(
                "another program holds the journal: end the sqlite3 or backup that has it open",
            ),
            Self::Full => f.write_str("the disk is full"),
            Self::Refused(what) => write!(f, "the journal cannot be written: {what}"),
        }
    }
}

/// Short reads and broken file systems: the bytes are not there, however often they are asked for.
const IOERR_SHORT_READ: i32 = 522;
const IOERR_CORRUPTFS: i32 = 8458;

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        let rusqlite::Error::SqliteFailure(code, message) = &error else {
            return Self::damaged(error); // A value of another type, a row that is missing.
        };
        match code.code {
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::FileLockingProtocolFailed => Self::Busy,
            ErrorCode::DiskFull => Self::Full,
            ErrorCode::SystemIoFailure
                if [IOERR_SHORT_READ, IOERR_CORRUPTFS].contains(&code.extended_code) =>
            {
                Self::damaged(code)
            }
            ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::PermissionDenied
            | ErrorCode::ReadOnly
            | ErrorCode::OutOfMemory
            | ErrorCode::AuthorizationForStatementDenied
            | ErrorCode::OperationAborted
            | ErrorCode::OperationInterrupted
            | ErrorCode::NoLargeFileSupport => Self::Refused(match message {
                Some(message) => format!("{message} ({})", code.extended_code),
                None => format!("{code} ({})", code.extended_code),
            }),
            _ => Self::damaged(error),
        }
    }
}
