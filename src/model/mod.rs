//! The nouns: plain values that every other layer speaks.
//!
//! No clock, no I/O, no hash order, no floats, no `async`: a value here is the same on every
//! machine and in every replay. Time is a [`Timestamp`], a length of time is integer
//! milliseconds with `_ms` at the end of its name, a round-trip time integer microseconds.
//!
//! Everything that can be journaled or recorded derives `serde`; the JSON of these types is the
//! format of recordings, so a rename here is a change of format.
#![deny(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::float_arithmetic,
    clippy::iter_over_hash_type
)]

mod apexes;
pub mod config;
pub mod diagnostic;
pub mod duration;
pub mod monitor;
pub mod name;
pub mod observation;
pub mod params;
pub mod policy;
pub mod scenario;
mod server;
pub mod service;
pub mod story;
pub mod target;
pub mod text;
pub mod time;

pub use apexes::Apexes;
pub use config::{Config, ServerConfig, WitnessConfig, ZoneConfig, ZoneSource};
pub use diagnostic::{Diagnostic, Severity};
pub use monitor::{
    Body, DnsExpect, DnsProbe, ExecProbe, Family, HttpExpect, HttpProbe, IcmpProbe, Monitor,
    MonitorPatch, ProbeKind, StatusRange, TcpProbe, TlsProbe,
};
pub use name::{DnsName, MonitorName, PolicyName, ServiceName, TargetName, VantageName};
pub use observation::{FailureReason, Observation};
pub use params::{Param, Params};
pub use policy::{PolicyText, PolicyVersion};
pub use server::{CookieSecret, Network, RateLimit, TcpLimits};
pub use service::{OnFault, OnReload, Service, Shadow, SwitchBudget};
pub use target::{ProbeAddress, Require, Target};
pub use time::Timestamp;
