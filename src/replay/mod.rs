//! Replay: what was recorded, folded again under another policy, and what came of it compared.
//!
//! Holds no decision logic: every run is `failover::step` over the same inputs.

pub mod explain;
pub mod source;
