//! Replay: what was recorded, folded again under another policy, and what came of it compared.
//!
//! Holds no decision logic: every run is `failover::step` over the same inputs.

mod cut;
pub mod explain;
pub mod export;
pub mod import;
pub mod source;
pub mod synth;
