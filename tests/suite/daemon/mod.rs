//! The daemon in this process: real files, real sockets, real time.

mod examples;
mod files;
mod reload;
mod site;
