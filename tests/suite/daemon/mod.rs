//! The daemon in this process: real files, real sockets, real time.

mod examples;
mod explain;
mod files;
mod hostnames;
mod kill;
mod memory;
mod orders;
mod reload;
mod reload_gate;
mod shadow;
mod site;
mod stories;
mod systemd;
mod ticks;
