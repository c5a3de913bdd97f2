//! All tests that see the crate from outside, in one binary: it links once.
#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, as it should"
)]

mod cli;
mod config;
mod control;
mod daemon;
mod dns;
mod explain;
mod fold;
mod journal;
mod policies;
mod policy;
mod probe;
mod recording;
mod replay;
mod tidy;
