//! The commands that give orders: `switch`, `hold`, `release`, `failback`, `drain`, `undrain`,
//! `freeze`, `thaw`. The plan, the question, the order, what it did.

use super::{
    Failed, Outcome,
    arguments::{
        DrainArguments, FailbackArguments, FreezeArguments, HoldArguments, Lasting, OrderArguments,
        ReleaseArguments, SwitchArguments, ThawArguments, UndrainArguments,
    },
    complain, print, show,
    status::control_of,
};
use crate::{
    control::{OrderRequest, Verb},
    model::{ServiceName, TargetName, Timestamp},
};
use std::{
    io::{self, BufRead as _, IsTerminal as _, Write as _},
    time::{SystemTime, UNIX_EPOCH},
};

pub(super) fn switch(arguments: &SwitchArguments) -> Outcome {
    let request = OrderRequest {
        service: Some(ServiceName::from(arguments.service.as_str())),
        target: Some(TargetName::from(arguments.target.as_str())),
        until: until(&arguments.lasting),
        ..request(Verb::Switch, &arguments.order)
    };
    give(&request, &arguments.order)
}

pub(super) fn hold(arguments: &HoldArguments) -> Outcome {
    let request = OrderRequest {
        service: Some(ServiceName::from(arguments.service.as_str())),
        until: until(&arguments.lasting),
        ..request(Verb::Hold, &arguments.order)
    };
    give(&request, &arguments.order)
}

pub(super) fn release(arguments: &ReleaseArguments) -> Outcome {
    let request = OrderRequest {
        service: Some(ServiceName::from(arguments.service.as_str())),
        ..request(Verb::Release, &arguments.order)
    };
    give(&request, &arguments.order)
}

pub(super) fn failback(arguments: &FailbackArguments) -> Outcome {
    let until = until(&arguments.lasting);
    if until.is_some() && !arguments.force {
        return Err(Failed::Usage(
            "nothing was done: --for and --until go with --force; without it the policy decides \
             when to return, and nothing stands"
                .to_owned(),
        ));
    }
    let request = OrderRequest {
        service: Some(ServiceName::from(arguments.service.as_str())),
        until,
        force: arguments.force,
        ..request(Verb::Failback, &arguments.order)
    };
    give(&request, &arguments.order)
}

pub(super) fn drain(arguments: &DrainArguments) -> Outcome {
    let request = OrderRequest {
        target: Some(TargetName::from(arguments.target.as_str())),
        until: until(&arguments.lasting),
        ..request(Verb::Drain, &arguments.order)
    };
    give(&request, &arguments.order)
}

pub(super) fn undrain(arguments: &UndrainArguments) -> Outcome {
    let request = OrderRequest {
        target: Some(TargetName::from(arguments.target.as_str())),
        ..request(Verb::Undrain, &arguments.order)
    };
    give(&request, &arguments.order)
}

pub(super) fn freeze(arguments: &FreezeArguments) -> Outcome {
    let request = OrderRequest {
        until: until(&arguments.lasting),
        ..request(Verb::Freeze, &arguments.order)
    };
    give(&request, &arguments.order)
}

pub(super) fn thaw(arguments: &ThawArguments) -> Outcome {
    give(&request(Verb::Thaw, &arguments.order), &arguments.order)
}

fn request(command: Verb, order: &OrderArguments) -> OrderRequest {
    OrderRequest {
        command,
        reason: order.reason.clone(),
        service: None,
        target: None,
        until: None,
        force: false,
    }
}

/// The end of an order: what the plan shows is what is ordered, however long the question waits.
fn until(lasting: &Lasting) -> Option<Timestamp> {
    let now = || {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        let ms = since_epoch.map_or(0, |since| since.as_millis());
        Timestamp(i64::try_from(ms).unwrap_or(i64::MAX))
    };
    lasting
        .until
        .or_else(|| lasting.for_ms.map(|ms| now().plus_ms(ms)))
}

/// Shows the plan and asks, where that is wanted; orders; says what it did.
fn give(request: &OrderRequest, arguments: &OrderArguments) -> Outcome {
    can_ask(arguments)?;
    let daemon = control_of(&arguments.config)?;
    let look = show::Look::of_stdout();
    if !arguments.yes {
        let (json, plan) = daemon.plan(request)?;
        let text = show::plan(&plan, look);
        if !wanted(arguments, &json, &text)? {
            return Ok(());
        }
    }
    let (json, ordered) = daemon.order(request)?;
    if arguments.json {
        return print(&format!("{}\n", json.trim_end()));
    }
    print(&show::ordered(&ordered, look))
}

/// Shows a plan; whether it is to be done. Where the answer is no, that is an error.
pub(super) fn wanted(arguments: &OrderArguments, json: &str, text: &str) -> Result<bool, Failed> {
    match (arguments.json, arguments.dry_run) {
        (true, true) => print(&format!("{}\n", json.trim_end()))?,
        // Standard output belongs to the JSON of what was done.
        (true, false) => complain(text.trim_end()),
        (false, _) => print(text)?,
    }
    if arguments.dry_run {
        return Ok(false);
    }
    if !proceed()? {
        return Err(Failed::Because("nothing was done".to_owned()));
    }
    Ok(true)
}

/// That there is a terminal, where one is needed to ask on.
pub(super) fn can_ask(arguments: &OrderArguments) -> Outcome {
    let asks = !arguments.yes && !arguments.dry_run;
    if asks && !io::stdin().is_terminal() {
        return Err(Failed::Usage(
            "nothing was done: there is no terminal to ask on; --yes orders without asking, \
             --dry-run shows what it would do"
                .to_owned(),
        ));
    }
    Ok(())
}

/// Asks on the terminal; anything but yes is no.
fn proceed() -> Result<bool, Failed> {
    let mut terminal = io::stderr().lock();
    let asked = terminal
        .write_all(b"Proceed? [y/N] ")
        .and_then(|()| terminal.flush());
    asked.map_err(|error| format!("nothing was done: cannot ask: {error}"))?;
    let mut answer = String::new();
    io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|error| format!("nothing was done: cannot read the answer: {error}"))?;
    let answer = answer.trim().to_ascii_lowercase();
    Ok(answer == "y" || answer == "yes")
}
