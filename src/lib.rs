//! Sidestep: DNS failover decided by scripts.
//!
//! Facts come in, one function decides, one function applies, and what DNS answers is a
//! projection of the state. In reading order:
//!
//! | layer | modules | what they do |
//! |---|---|---|
//! | 1 | [`model`] | the nouns: plain values |
//! | 2 | [`failover`] | the fold: `step`, `apply`, `answers`; the guard; rehearsals |
//! | 3 | [`policy`] [`probe`] [`dns`] [`journal`] [`recording`] [`config`] [`control`] | adapters, none of which knows another |
//! | 4 | [`daemon`] [`replay`] | where the adapters meet: live, and over what was recorded |
//! | 5 | [`cli`] | arguments, printing, exit codes |
//!
//! A module names only lower layers; a test reads the table.

pub mod cli;
pub mod config;
pub mod control;
pub mod daemon;
pub mod dns;
pub mod failover;
pub mod journal;
pub mod model;
pub mod policy;
pub mod probe;
pub mod recording;
pub mod replay;
