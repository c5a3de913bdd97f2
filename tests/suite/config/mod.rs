//! Configurations and policy tests as operators write them: taken, refused, pointed at.

mod bad;
mod files;
mod good;
mod hostile;
mod stories;
mod warnings;
