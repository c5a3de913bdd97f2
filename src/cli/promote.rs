//! `sidestep promote`: a shadow takes the place of its policy, or what waits is taken.

use super::{
    Failed, Outcome,
    arguments::{OrderArguments, PromoteArguments},
    order::{can_ask, wanted},
    print, show,
    status::control_of,
};
use crate::{control::PromoteRequest, failover::overview::ReloadReport};

/// Shows what it would do and asks, where that is wanted; does it; says what it did.
pub(super) fn run(arguments: &PromoteArguments) -> Outcome {
    let order = &arguments.order;
    can_ask(order)?;
    match &arguments.service {
        Some(service) => shadow(service, order),
        None => pending(order),
    }
}

fn shadow(service: &str, order: &OrderArguments) -> Outcome {
    let daemon = control_of(&order.config)?;
    let look = show::Look::of_stdout();
    let request = |dry_run| PromoteRequest {
        service: service.into(),
        reason: order.reason.clone(),
        dry_run,
    };
    if !order.yes {
        let (json, plan) = daemon.promote(&request(true))?;
        if !wanted(order, &json, &show::promotion(&plan, look))? {
            return Ok(());
        }
    }
    let (json, done) = daemon.promote(&request(false))?;
    said(order, &json, &show::promoted(&done, look))?;
    whole(done.report.as_ref())
}

/// Takes the reload that waits.
fn pending(order: &OrderArguments) -> Outcome {
    let daemon = control_of(&order.config)?;
    let look = show::Look::of_stdout();
    if !order.yes {
        let (_, overview) = daemon.status()?;
        let waits = overview.daemon.and_then(|daemon| daemon.pending);
        let Some(waits) = waits else {
            let why = "no reload waits: name the service whose shadow is to be promoted";
            return Err(Failed::Because(why.to_owned()));
        };
        let json = serde_json::to_string(&waits).map_err(|error| error.to_string())?;
        let report = ReloadReport {
            pending: Some(waits),
            ..ReloadReport::default()
        };
        if !wanted(order, &json, &show::reload(&report, look))? {
            return Ok(());
        }
    }
    let (json, report) = daemon.apply_pending(&order.reason)?;
    said(order, &json, &show::reload(&report, look))?;
    whole(Some(&report))
}

fn said(order: &OrderArguments, json: &str, text: &str) -> Outcome {
    if order.json {
        print(&format!("{}\n", json.trim_end()))
    } else {
        print(text)
    }
}

/// Whether nothing was refused; what was is said already.
fn whole(report: Option<&ReloadReport>) -> Outcome {
    match report {
        Some(report) if !report.refused.is_empty() => Err(Failed::Said),
        _ => Ok(()),
    }
}
