//! Files that an operator writes in TOML: the configuration and the policies' tests.
//!
//! The only module that knows `toml`. A file becomes a checked value of the model or a list of
//! everything that is wrong with it, each finding with file, line and column and what to do. What
//! a policy, a zone file or a socket will say is not known here: [`Places`] points into the file
//! for those who find out. [`v1`] lists every key of the format.

mod address;
mod advice;
mod dns;
mod document;
mod http;
mod load;
mod monitor;
mod names;
mod paths;
mod places;
mod policy_tests;
mod scenario;
mod server;
mod service;
mod table;
mod target;
mod timeline;
pub mod v1;
mod zone;

pub use address::{data_folder, http_address};
pub use load::{Loaded, parse};
pub use paths::{MAX_FILE_BYTES, MAX_ZONE_BYTES, Paths, load, read, read_zone};
pub use places::Places;
pub use policy_tests::parse_stories;
pub use scenario::scenario;
