//! Limits: how much a policy may do. Each is counted, none is timed, and all are the same in
//! debug and release, so that a replay meets them where the live run did.
//!
//! Together they keep one evaluation below 16 MiB; `tests/hostile.rs` measures that.

/// Longest source that is parsed, bytes; the densest takes about 200 times as much as a tree.
pub const SOURCE_BYTES: usize = 64 * 1024;
/// Operations of one evaluation; about one for each node of the syntax tree that is evaluated.
pub const OPERATIONS: u64 = 20_000;
/// How many times as many operations a script may take that notes each of its statements.
pub(super) const COVERED: u64 = 8;
/// Results of a window that are charged as one operation.
pub const RESULTS_PER_OPERATION: u64 = 16;
/// Script functions that may be active at once.
pub const CALL_LEVELS: usize = 16;
/// Nesting of expressions and blocks.
pub const NESTING: usize = 64;
/// Variables that one function may have at once.
pub const VARIABLES: usize = 32;
/// Functions of a script.
pub const FUNCTIONS: usize = 64;
/// Bytes of a string, and of all strings in a list together.
pub const STRING_BYTES: usize = 1_024;
/// Elements of a list, nested ones included.
pub const LIST_ITEMS: usize = 256;
/// Entries of a map, nested ones included.
pub const MAP_ENTRIES: usize = 64;
/// Keys that one proposal remembers or forgets.
pub const REMEMBERED: usize = 32;
/// Bytes of a remembered key.
pub const KEY_BYTES: usize = 64;
/// Findings that are listed for one source.
pub const DIAGNOSTICS: usize = 32;
/// Characters of a finding's message.
pub const MESSAGE_CHARS: usize = 400;
