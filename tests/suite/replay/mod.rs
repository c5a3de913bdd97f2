//! Replays: what was recorded, folded again.
#![allow(clippy::unwrap_used)] // clippy knows only functions marked as tests for tests.

mod fidelity;
mod figures;
mod odd;
mod world;
