//! The `sidestep` command: hands the arguments to `cli` and its result to the shell.

use std::process::ExitCode;

fn main() -> ExitCode {
    sidestep::cli::run()
}
