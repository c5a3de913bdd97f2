//! `[[monitor]]`, inline monitors of services, and a target's own settings of a monitor.

use super::{
    dns,
    document::{Document, Field, shown},
    http,
    names::dns_name,
    table::{Entry, Table},
    v1::{self, Key},
};
use crate::model::{
    ExecProbe, Family, IcmpProbe, Monitor, MonitorPatch, ProbeKind, TcpProbe, TlsProbe,
    diagnostic::did_you_mean,
    duration::format_ms,
    time::{HOUR_MS, SECOND_MS},
};
use std::ops::RangeInclusive;
use toml::de::DeTable;

/// How often a monitor may probe.
pub(super) const INTERVALS_MS: RangeInclusive<i64> = 100..=HOUR_MS;
/// How long a probe may take; further bounded by the interval.
pub(super) const TIMEOUTS_MS: RangeInclusive<i64> = 1..=HOUR_MS;
const DEFAULT_INTERVAL_MS: i64 = 5 * SECOND_MS;
const DEFAULT_TIMEOUT_MS: i64 = 2 * SECOND_MS;

/// The kinds of monitors, what they are called in messages and the keys of each.
const KINDS: [(&str, (&str, &[Key])); 6] = [
    ("icmp", ("an icmp monitor", v1::ICMP)),
    ("tcp", ("a tcp monitor", v1::TCP)),
    ("http", ("an http monitor", v1::HTTP)),
    ("tls", ("a tls monitor", v1::TLS)),
    ("dns", ("a dns monitor", v1::DNS)),
    ("exec", ("an exec monitor", v1::EXEC)),
];

/// A monitor that was read, with its table and the name it was given.
pub(super) struct Read<'t> {
    pub(super) table: Table<'t>,
    /// Named after its kind; a `[[monitor]]` is renamed by its caller.
    pub(super) monitor: Monitor,
}

/// Reads a monitor: every finding is reported, `None` where its kind is not known.
pub(super) fn read<'t>(
    doc: &'t Document<'t>,
    table: Field<&'t DeTable<'t>>,
    inline: bool,
) -> Option<Read<'t>> {
    let (kind, what, keys) = kind(doc, table)?;
    let common: &[Key] = if inline {
        &v1::MONITOR[1..]
    } else {
        v1::MONITOR
    };
    let table = Table::open(doc, table, what, &[common, keys]);
    let interval_ms = table.duration("interval", INTERVALS_MS);
    let timeout_ms = table.duration("timeout", TIMEOUTS_MS);
    let suspect_ms = table.duration("interval_suspect", INTERVALS_MS);
    let monitor = Monitor {
        name: kind.into(),
        probe: probe(&table, kind, what),
        interval_ms: interval_ms.map_or(DEFAULT_INTERVAL_MS, |one| one.value),
        timeout_ms: timeout_ms.map_or(DEFAULT_TIMEOUT_MS, |one| one.value),
        interval_suspect_ms: suspect_ms.map(|one| one.value),
        family: table.word("family", &[("v4", Family::V4), ("v6", Family::V6)]),
    };
    // A duration that was refused is not held against the others.
    let is_read = |key: &str, ms: Option<Field<i64>>| !table.is_written(key) || ms.is_some();
    if is_read("interval", interval_ms) && is_read("timeout", timeout_ms) {
        rhythm(&table, &monitor, " (the default)");
    }
    Some(Read { table, monitor })
}

/// The kind of a monitor's table: as written, or http where there is a URL.
fn kind<'t>(
    doc: &'t Document<'t>,
    table: Field<&'t DeTable<'t>>,
) -> Option<(&'static str, &'static str, &'static [Key])> {
    let raw = Table::open_free(doc, table);
    let word = match raw.entry("kind") {
        Some(entry) => {
            if entry.text().is_none() {
                doc.error(
                    entry.value_at(),
                    "`kind` must be text in quotes, such as \"http\"",
                );
            }
            entry.text()?
        }
        None if raw.is_written("url") => Field {
            value: "http",
            at: table.at,
        },
        None => {
            let message = "a monitor needs a `url`, or a `kind`: icmp, tcp, http, tls, dns or exec";
            doc.error(table.at, message);
            return None;
        }
    };
    let found = KINDS.iter().find(|(kind, _)| *kind == word.value);
    if found.is_none() {
        doc.unknown("kind", word, KINDS.iter().map(|one| one.0), || {
            ": write one of icmp, tcp, http, tls, dns, exec".to_owned()
        });
    }
    found.map(|&(kind, (what, keys))| (kind, what, keys))
}

/// Reports a timeout that is not below its interval. What is not written in `table` comes from
/// `elsewhere`: ` (the default)`.
fn rhythm(table: &Table<'_>, monitor: &Monitor, elsewhere: &str) {
    let said = |key: &str, ms: i64| {
        let from = if table.is_written(key) { "" } else { elsewhere };
        format!("{key} {}{from}", format_ms(ms))
    };
    let report = |keys: &[&str], message: String| {
        let entry = keys.iter().find_map(|key| table.entry(key));
        let at = entry.map_or(table.at, |entry| entry.value_at());
        table.doc.error(at, message);
    };
    let timeout = said("timeout", monitor.timeout_ms);
    let interval = said("interval", monitor.interval_ms);
    if monitor.timeout_ms >= monitor.interval_ms {
        let message = format!("{timeout} is not below {interval}: set a shorter `timeout`");
        return report(&["timeout", "interval"], message);
    }
    let Some(suspect_ms) = monitor.interval_suspect_ms else {
        return;
    };
    let suspect = said("interval_suspect", suspect_ms);
    if suspect_ms > monitor.interval_ms {
        let message = format!("{suspect} is longer than {interval}: shorten `interval_suspect`");
        report(&["interval_suspect", "interval"], message);
    } else if monitor.timeout_ms >= suspect_ms {
        let message = format!("{timeout} is not below {suspect}: set a shorter `timeout`");
        report(&["interval_suspect", "timeout"], message);
    }
}

fn probe(table: &Table<'_>, kind: &str, what: &str) -> ProbeKind {
    match kind {
        "icmp" => ProbeKind::Icmp(IcmpProbe {
            count: table
                .integer("count", 1..=10)
                .and_then(|count| u32::try_from(count.value).ok())
                .unwrap_or(1),
        }),
        "tcp" => ProbeKind::Tcp(TcpProbe {
            port: needed_port(table, what),
            send: table.text("send").map(|text| text.value.to_owned()),
            expect: tcp_expect(table),
        }),
        "tls" => ProbeKind::Tls(TlsProbe {
            port: needed_port(table, what),
            sni: sni(table),
            verify: table.flag("verify").unwrap_or(true),
            ca: http::ca(table),
        }),
        "dns" => ProbeKind::Dns(dns::dns(table, port(table).unwrap_or(53))),
        "exec" => ProbeKind::Exec(ExecProbe {
            command: command(table),
        }),
        _ => ProbeKind::Http(http::http(table)),
    }
}

fn port(table: &Table<'_>) -> Option<u16> {
    let port = table.integer("port", 1..=65_535)?;
    u16::try_from(port.value).ok()
}

fn needed_port(table: &Table<'_>, what: &str) -> u16 {
    table.needs(&["port"], what);
    port(table).unwrap_or_default()
}

fn tcp_expect(table: &Table<'_>) -> Option<String> {
    let entry = table.entry("expect")?;
    match entry.text() {
        Some(text) if text.value.is_empty() => {
            let message = "`expect` is empty: write what the reply must contain, or leave it out";
            table.doc.error(text.at, message);
        }
        Some(text) => return Some(text.value.to_owned()),
        None => {
            let message = "`expect` of a tcp monitor must be text in quotes, not a table";
            table.doc.error(entry.value_at(), message);
        }
    }
    None
}

fn sni(table: &Table<'_>) -> String {
    let Some(text) = table.needed_text("sni", "a tls monitor") else {
        return String::new();
    };
    match dns_name(text.value) {
        Ok(name) => name.to_string(),
        Err(error) => {
            table.doc.error(text.at, error);
            String::new()
        }
    }
}

fn command(table: &Table<'_>) -> Vec<String> {
    let words = table.needed_texts("command", "an exec monitor", 256);
    if let Some(program) = words.first().filter(|word| word.value.is_empty()) {
        let message = "the program is empty: write its path, such as \"/usr/lib/check_thing\"";
        table.doc.error(program.at, message);
    }
    for word in &words {
        if word.value.contains('\0') {
            let message = "a word of a command cannot contain \\u0000: leave it out";
            table.doc.error(word.at, message);
        }
        if let Some(typo) = mistyped_address(word.value) {
            let message = format!("unknown '{{{typo}}}', did you mean '{{address}}'?");
            table.doc.error(word.at, message);
        }
    }
    words.iter().map(|word| word.value.to_owned()).collect()
}

/// A word in braces that is nearly `{address}`. Other braces are the program's own business,
/// a shell's `${word}` among them.
fn mistyped_address(text: &str) -> Option<&str> {
    let openings = text
        .match_indices('{')
        .filter(|&(at, _)| !text[..at].ends_with(['$', '%']));
    let mut words = openings.filter_map(|(at, _)| Some(text[at + 1..].split_once('}')?.0));
    words.find(|word| {
        let meant = did_you_mean(&word.trim().to_lowercase(), ["address"]);
        *word != "address" && meant.is_some()
    })
}

/// Reads a target's own settings of `monitor` and reports those that do not fit it.
pub(super) fn patch(
    doc: &Document<'_>,
    entry: Entry<'_>,
    monitor: &Monitor,
) -> Option<MonitorPatch> {
    let name = shown(entry.key.value);
    let Some(table) = entry.table() else {
        doc.error(
            entry.value_at(),
            format!("`monitor.{name}` must be a table, such as {{ port = 8443 }}"),
        );
        return None;
    };
    let kind = monitor.probe.word();
    let keys: Vec<Key> = v1::PATCH
        .iter()
        .copied()
        .filter(|key| match key.name {
            "url" => kind == "http",
            "port" => !matches!(kind, "icmp" | "exec"),
            _ => true,
        })
        .collect();
    let what = format!("a target's setting of the {kind} monitor '{name}'");
    let table = Table::open(doc, table, &what, &[&keys]);
    let patch = MonitorPatch {
        port: port(&table),
        url: table.text("url").map(|url| http::url(doc, url)),
        interval_ms: table
            .duration("interval", INTERVALS_MS)
            .map(|one| one.value),
        timeout_ms: table.duration("timeout", TIMEOUTS_MS).map(|one| one.value),
    };
    let is_read = |key: &str, ms: Option<i64>| !table.is_written(key) || ms.is_some();
    let changes = patch.interval_ms.or(patch.timeout_ms).is_some();
    if changes && is_read("interval", patch.interval_ms) && is_read("timeout", patch.timeout_ms) {
        let patched = monitor.patched(Some(&patch));
        rhythm(&table, &patched, &format!(" (of monitor '{name}')"));
    }
    Some(patch)
}
