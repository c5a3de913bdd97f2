//! Replays: what comes of recordings under other policies, and how it is said.

mod report;
