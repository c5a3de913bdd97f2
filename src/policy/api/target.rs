//! What a script reads of a target: all of it, or what one vantage or one monitor knows.

use super::{
    Fallible, fault,
    registry::{On, Registry},
    service::text,
};
use crate::{
    failover::{NoFigure, TargetView},
    model::duration::format_ms,
    policy::ledger::Ledger,
};
use rhai::{Array, Dynamic, INT, ImmutableString, Map};

type T = TargetView;

pub(super) fn register(registry: &mut Registry<'_>, ledger: &Ledger) {
    registry.engine.register_type_with_name::<T>("target");
    identity(registry);
    streaks(registry);
    times(registry);
    windows(registry, ledger);
    quality(registry);
    scopes(registry);
    comparisons(registry);
}

fn identity(registry: &mut Registry<'_>) {
    use On::Target;
    registry.property(
        Target,
        "name",
        "string",
        "The name of the target.",
        |t: &mut T| text(t.name().as_str()),
    );
    registry.property(
        Target,
        "position",
        "int",
        "Its place in the service's order, from 0.",
        |t: &mut T| t.position(),
    );
    registry.property(
        Target,
        "addresses",
        "list",
        "What DNS answers for it, as strings.",
        |t: &mut T| {
            t.addresses()
                .iter()
                .map(|address| address.to_string().into())
                .collect::<Array>()
        },
    );
    registry.property(
        Target,
        "labels",
        "map",
        "The labels of the configuration, as strings.",
        |t: &mut T| {
            t.labels()
                .map(|(key, value)| (key.into(), text(value).into()))
                .collect::<Map>()
        },
    );
    registry.property(
        Target,
        "drained",
        "bool",
        "Whether it is withdrawn from answers.",
        |t: &mut T| t.drained(),
    );
}

fn streaks(registry: &mut Registry<'_>) {
    use On::Target;
    registry.property(
        Target,
        "failures",
        "int",
        "Bad probes in a row.",
        |t: &mut T| t.failures(),
    );
    registry.property(
        Target,
        "successes",
        "int",
        "Good probes in a row.",
        |t: &mut T| t.successes(),
    );
    registry.function(
        Target,
        "is_down",
        ("n: int", "bool"),
        "Whether `failures >= n`.",
        |t: &mut T, n: INT| t.is_down(n),
    );
    registry.function(
        Target,
        "is_up",
        ("n: int", "bool"),
        "Whether `successes >= n`.",
        |t: &mut T, n: INT| t.is_up(n),
    );
    registry.property(
        Target,
        "vantages",
        "int",
        "How many vantages have a fresh result.",
        |t: &mut T| t.vantages(),
    );
    registry.function(
        Target,
        "vantages_failing",
        ("n: int", "int"),
        "How many vantages have seen `n` bad probes in a row.",
        |t: &mut T, n: INT| t.vantages_failing(n),
    );
    registry.function(
        Target,
        "vantages_passing",
        ("n: int", "int"),
        "How many vantages have seen `n` good probes in a row.",
        |t: &mut T, n: INT| t.vantages_passing(n),
    );
}

fn times(registry: &mut Registry<'_>) {
    use On::Target;
    registry.property(
        Target,
        "clean_for",
        "int",
        "ms since the last bad result, or since the streaks began anew; 0 while nothing is fresh.",
        |t: &mut T| t.clean_for_ms(),
    );
    registry.property(
        Target,
        "dirty_for",
        "int",
        "ms since the last good result, or since the streaks began anew; 0 while nothing is fresh.",
        |t: &mut T| t.dirty_for_ms(),
    );
    registry.property(
        Target,
        "left_for",
        "int",
        "ms since it was last left; ms since 1970 where it never was.",
        |t: &mut T| t.left_for_ms(),
    );
    registry.property(
        Target,
        "age",
        "int",
        "ms since its last result; ms since 1970 where there was none.",
        |t: &mut T| t.age_ms(),
    );
}

fn windows(registry: &mut Registry<'_>, ledger: &Ledger) {
    use On::Target;
    let charge = |name: &'static str| {
        let ledger = ledger.clone();
        move |t: &T, window: INT| charged(&ledger, name, t, window)
    };
    let (loss, p50, p95) = (charge("loss"), charge("p50"), charge("p95"));
    registry.function(Target, "loss", ("window: int", "int"), "Failed probes per mille in the last `window` ms, rounded up; () while too few results are known.", move |t: &mut T, window: INT| {
        loss(t, window)?;
        figure("loss", window, t.loss(window))
    });
    registry.function(Target, "p50", ("window: int", "int"), "Median round-trip ms of good probes in the last `window` ms, rounded up; () while too few results are known.", move |t: &mut T, window: INT| {
        p50(t, window)?;
        figure("p50", window, t.percentile_ms(window, 50))
    });
    registry.function(Target, "p95", ("window: int", "int"), "95th percentile of the round-trip ms of good probes in the last `window` ms, rounded up; () while too few results are known.", move |t: &mut T, window: INT| {
        p95(t, window)?;
        figure("p95", window, t.percentile_ms(window, 95))
    });
}

/// Charges one operation for every 16 results that a window looks through.
fn charged(ledger: &Ledger, name: &str, t: &T, window: INT) -> Fallible<()> {
    if window <= 0 {
        return Err(fault(format!(
            "{name}({window}): a window is longer than 0 ms"
        )));
    }
    if ledger.charge(t.results_in(window)) {
        return Ok(());
    }
    Err(fault(crate::policy::fault::too_many_operations()))
}

fn figure(name: &str, window: INT, figure: Result<i64, NoFigure>) -> Fallible<Dynamic> {
    match figure {
        Ok(figure) => Ok(figure.into()),
        Err(NoFigure::TooFewResults) => Ok(Dynamic::UNIT),
        Err(NoFigure::LongerThanKept { kept_ms }) => Err(fault(format!(
            "{name} asks for {}, and results are kept for {}: set history of the service",
            format_ms(window),
            format_ms(kept_ms)
        ))),
    }
}

fn quality(registry: &mut Registry<'_>) {
    use On::Target;
    registry.property(
        Target,
        "error",
        "string",
        "The reason of the last bad result, \"\" where there was none.",
        |t: &mut T| text(t.error().map_or("", |reason| reason.word())),
    );
    registry.property(
        Target,
        "freshness",
        "string",
        "Whether its copy of the data is \"fresh\", \"stale\" or \"unknown\".",
        |t: &mut T| text(t.freshness().word()),
    );
    registry.property(
        Target,
        "data_age",
        "int",
        "ms that its copy of the data is behind; -1 unknown.",
        |t: &mut T| t.data_age_ms(),
    );
    registry.property(
        Target,
        "drift",
        "int",
        "Differences from the primary.",
        |t: &mut T| t.drift(),
    );
    registry.property(
        Target,
        "cert_days",
        "int",
        "Days until the first certificate expires; -1 unknown.",
        |t: &mut T| t.cert_days(),
    );
    registry.property(
        Target,
        "value",
        "int",
        "The largest number that an exec monitor gave; -1 none.",
        |t: &mut T| t.number(),
    );
}

fn scopes(registry: &mut Registry<'_>) {
    use On::Target;
    registry.function(
        Target,
        "at",
        ("vantage: string", "target"),
        "The target as one vantage sees it.",
        |t: &mut T, vantage: ImmutableString| t.at(&vantage),
    );
    registry.function(
        Target,
        "monitor",
        ("name: string", "target"),
        "The target as one monitor of the service sees it.",
        |t: &mut T, name: ImmutableString| {
            t.monitor(&name).ok_or_else(|| {
                fault(format!(
                    "no monitor '{name}' in the service of {}",
                    t.name()
                ))
            })
        },
    );
}

/// `==` and `!=` between targets and between a target and a name; a target in a text is its name.
fn comparisons(registry: &mut Registry<'_>) {
    let engine = &mut *registry.engine;
    engine.register_fn("==", |a: T, b: T| a.name() == b.name());
    engine.register_fn("!=", |a: T, b: T| a.name() != b.name());
    engine.register_fn("==", |a: T, b: ImmutableString| {
        a.name().as_str() == b.as_str()
    });
    engine.register_fn("!=", |a: T, b: ImmutableString| {
        a.name().as_str() != b.as_str()
    });
    engine.register_fn("==", |a: ImmutableString, b: T| {
        a.as_str() == b.name().as_str()
    });
    engine.register_fn("!=", |a: ImmutableString, b: T| {
        a.as_str() != b.name().as_str()
    });
    engine.register_fn("to_string", |t: &mut T| text(t.name().as_str()));
    engine.register_fn("to_debug", |t: &mut T| text(t.name().as_str()));
    engine.register_fn("+", |a: ImmutableString, b: T| -> ImmutableString {
        format!("{a}{}", b.name()).into()
    });
    engine.register_fn("+", |a: T, b: ImmutableString| -> ImmutableString {
        format!("{}{b}", a.name()).into()
    });
}
