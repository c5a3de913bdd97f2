//! Control as its users see it: what is shown of a state, over HTTP, as metrics, on a terminal.

mod exposition;
mod http;
mod log;
mod orders;
mod overview;
mod screens;
mod socket;
mod story;
