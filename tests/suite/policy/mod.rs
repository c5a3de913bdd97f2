//! Policies from outside: scripts in, proposals, diagnostics and faults out.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

pub(crate) mod world;

mod api;
mod coverage;
mod default_policy;
mod errors;
mod faults;
mod library;
mod params;
