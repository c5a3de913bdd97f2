//! The commands as a user runs them: the binary, its output, its exit codes.

mod bad_configurations;
mod commands;
mod probe;
mod recordings;
mod replay;
mod tests;

use std::{
    path::Path,
    process::{Command, Output},
};

/// What a command came to.
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Said {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code().expect("it was not killed"),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Runs `sidestep` in a folder.
fn sidestep(folder: &Path, arguments: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidestep"));
    command
        .current_dir(folder)
        .args(arguments)
        .env("NO_COLOR", "1");
    Said::of(command.output().unwrap())
}

/// The repository.
fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
