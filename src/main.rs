//! The `sidestep` command: hands the arguments to `cli` and its result to the shell.

use mimalloc::MiMalloc;
use std::process::ExitCode;

/// Probes allocate a lot; ARCHITECTURE.md has what this one saves them.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    sidestep::cli::run()
}
