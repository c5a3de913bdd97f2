//! The daemon in this process: real files, real sockets, real time.

mod examples;
mod explain;
mod files;
mod kill;
mod memory;
mod orders;
mod reload;
mod site;
mod systemd;
mod ticks;
