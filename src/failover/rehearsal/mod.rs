//! Rehearsals: synthetic worlds run through the same [`super::step`] that runs live, in memory.
//!
//! | module | question |
//! |---|---|
//! | [`runner`], [`lane`] | what is served when these probes end like that? |
//! | [`story`], [`stage`], [`chart`] | does a policy do what its test says, and what did it do instead? |
//! | [`recorded`] | the same, of what was recorded? |
//! | [`trials`] | does a policy fault in any world of a fixed matrix? |
//! | [`worst_case`] | how long does a failover take, at worst? |
//! | [`gate`] | what would a candidate do now, and with what happened lately? |
//! | [`outlook`] | what would change the present answer next? |
//! | [`what_if`] | what would follow if these targets failed from now on? |
//!
//! Nothing here decides: a rehearsal only makes up inputs. It has no clock; its time begins at
//! [`BEGIN`] or where a state stands.

pub mod chart;
pub mod gate;
pub mod lane;
mod onward;
pub mod outlook;
pub mod recorded;
pub mod runner;
mod stage;

pub mod story;
pub mod trials;
pub mod what_if;
mod worlds;
pub mod worst_case;

pub use lane::{Finding, Lane};
pub use outlook::{Outlook, outlook};
pub use recorded::RecordedStory;
pub use runner::{BEGIN, Change, Rehearsal};
pub use story::{StoryFailure, StoryOutcome, run_story};
pub use trials::{TrialReport, trials};
pub use what_if::{Course, Happened, Injected, settled, singles_and_doubles, what_if};
pub use worst_case::{FailoverTime, WorstCase, worst_case};
