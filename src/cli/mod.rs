//! The command line: arguments in, text and an exit code out.
//!
//! Exit codes: 0 as asked, 1 it failed or `check` found errors, 2 usage, 3 a replay decides
//! otherwise. What is asked for goes to stdout, logs and complaints to stderr.

mod arguments;
mod check;
mod demo;
mod explain;
mod hostnames;
mod init;
pub mod log;
mod order;
mod probe_once;
mod promote;
mod recordings;
mod replay;
mod serve;
pub mod show;
mod status;
mod test;
mod whatif;

use arguments::{Arguments, Command};
use clap::{CommandFactory as _, Parser as _};
use std::{io::Write as _, process::ExitCode};

/// What a command comes to: text for stderr and exit code 1 where it failed.
type Outcome = Result<(), Failed>;

/// A command did not do as asked.
#[derive(Debug)]
pub(crate) enum Failed {
    /// Why, for stderr.
    Because(String),
    /// What was asked for is printed already, and it is bad news.
    Said,
    /// What was asked for makes no sense as it was asked: exit code 2.
    Usage(String),
    /// What was compared differs, and is printed: exit code 3.
    Differs,
}

impl From<String> for Failed {
    fn from(why: String) -> Self {
        Self::Because(why)
    }
}

/// Runs the command of this process's arguments.
pub fn run() -> ExitCode {
    // Usage errors end here, with exit code 2.
    let arguments = Arguments::parse();
    let outcome = match arguments.command {
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Init(arguments) => init::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Probe(arguments) => probe_once::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        Command::Replay(arguments) => replay::run(&arguments),
        Command::Status(arguments) => status::run(&arguments),
        Command::Log(arguments) => log::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Whatif(arguments) => whatif::run(&arguments),
        Command::Reload(arguments) => status::reload(&arguments),
        Command::Promote(arguments) => promote::run(&arguments),
        Command::Switch(arguments) => order::switch(&arguments),
        Command::Hold(arguments) => order::hold(&arguments),
        Command::Release(arguments) => order::release(&arguments),
        Command::Failback(arguments) => order::failback(&arguments),
        Command::Drain(arguments) => order::drain(&arguments),
        Command::Undrain(arguments) => order::undrain(&arguments),
        Command::Freeze(arguments) => order::freeze(&arguments),
        Command::Thaw(arguments) => order::thaw(&arguments),
        Command::Export(arguments) => recordings::export(&arguments),
        Command::Import(arguments) => recordings::import(&arguments),
        Command::Synth(arguments) => recordings::synth(&arguments),
        Command::Completions { shell } => {
            let mut command = Arguments::command();
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut command, "sidestep", &mut text);
            print(&String::from_utf8_lossy(&text))
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed::Said) => ExitCode::FAILURE,
        Err(Failed::Differs) => ExitCode::from(3),
        Err(Failed::Usage(why)) => {
            complain(&why);
            ExitCode::from(2)
        }
        Err(Failed::Because(why)) => {
            complain(&why);
            ExitCode::FAILURE
        }
    }
}

/// Prints what was asked for. A reader that went away (`| head`) is no failure.
fn print(text: &str) -> Outcome {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(format!("stdout: {error}").into())
        }
        _ => Ok(()),
    }
}

/// Says something on stderr; where nobody can be told, nobody is.
fn complain(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
