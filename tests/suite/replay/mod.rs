//! Replays: what was recorded, folded again, what comes of it, and how it is said.
#![allow(clippy::unwrap_used)] // clippy knows only functions marked as tests for tests.

mod fidelity;
mod figures;
mod odd;
mod report;
mod scenarios;
mod world;
