//! The report as one HTML file that needs nothing else: to be opened, printed, attached.
//!
//! Whatever it says of a recording or a policy is escaped, and its own content policy keeps a
//! browser from running anything but the script that is part of this program. It can be read
//! without that script. It is well-formed XML as well, so that a strict reader can test it.

use super::{
    Divergence, Report, ServiceReport, Side,
    escape::{content_policy, escaped, isolated},
    picture::{Fineness, Palette, View, stretch},
    scale::Scale,
    summary::{self, Table},
    words,
};
use crate::model::{ServiceName, text::cut, time::MINUTE_MS};
use std::fmt::Write as _;

const STYLE: &str = include_str!("report.css");
const SCRIPT: &str = include_str!("report.js");

/// Divergences that are listed.
const LISTED_MAX: usize = 200;
/// Of these, those that have a picture of their own.
const PICTURED_MAX: usize = 12;
/// The longest text that is taken over, characters.
const TEXT_MAX: usize = 400;
/// The most notes on the input.
const NOTES_MAX: usize = 40;
/// How finely the pictures of all services together are drawn.
const WHOLE: Fineness = Fineness {
    answers: 1_024,
    columns: 720,
    facts: 180,
};
/// And that of one divergence.
const DETAIL: Fineness = Fineness {
    answers: 256,
    columns: 240,
    facts: 24,
};

/// What patterns and marks look like, for every picture.
const DEFINITIONS: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" class="definitions" width="0" height="0" aria-hidden="true"><defs><pattern id="many" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect class="hatch" width="2" height="6"/></pattern><path id="switch" class="switch" d="M0 6L-4 0H4Z"/></defs></svg>
"##;

/// The report as HTML: below 2 MB unless there are very many services or targets.
pub fn html(report: &Report) -> String {
    let title = format!("Replay of {}", cut(&report.input.source, TEXT_MAX));
    let mut page = format!(
        "<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\"><head><meta charset=\"utf-8\"/>\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{}\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <meta name=\"color-scheme\" content=\"light dark\"/>\n\
         <title>{}</title>\n<style>{STYLE}</style></head>\n<body>{DEFINITIONS}<main>\n",
        escaped(&content_policy(STYLE, SCRIPT)),
        escaped(&title),
    );
    page += &headline(report);
    page += &input(report);
    page += &measured(report);
    page += &figures(report);
    for (number, (name, service)) in (1..).zip(&report.services) {
        page += &picture(report, number, name, service);
    }
    page += &divergences(report);
    page += &sweep(report);
    page += &limits(report);
    let _ = write!(
        page,
        "<footer>Written by sidestep {}. All times in UTC.</footer>\n</main>\n<script>{SCRIPT}</script>\n</body></html>\n",
        env!("CARGO_PKG_VERSION")
    );
    page
}

fn said(text: &str) -> String {
    isolated(&cut(text, TEXT_MAX))
}

fn paragraph(text: &str) -> String {
    format!("<p>{}</p>\n", said(text))
}

fn headline(report: &Report) -> String {
    let verdict = words::verdict(report);
    let mut letters = verdict.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    let verdict: String = first.chain(letters).collect();
    format!(
        "<header><p class=\"kind\">Replay</p><h1>{}</h1>\n<p class=\"policy\">Policy: {}</p></header>\n",
        said(&verdict),
        said(&words::compared(report))
    )
}

fn input(report: &Report) -> String {
    let input = &report.input;
    let mut html = format!(
        "<section><h2>Input</h2>\n<p>{}, written by {}<br/>{}</p>\n",
        said(&input.source),
        said(&input.by),
        escaped(&words::stretch(report))
    );
    let mut table = Table {
        heads: ["target", "vantage", "good", "bad", "no result", "late"]
            .map(str::to_owned)
            .to_vec(),
        rows: Vec::new(),
    };
    for (target, vantages) in &input.targets {
        for (vantage, results) in vantages {
            let counts = [results.good, results.bad, results.none, results.late];
            let mut row = vec![target.to_string(), vantage.to_string()];
            row.extend(counts.map(words::grouped));
            table.rows.push(row);
        }
    }
    html += &table_html(&table, 2, |_| "");
    let notes = words::input_notes(report);
    if !notes.is_empty() {
        html += "<ul>";
        for note in notes.iter().take(NOTES_MAX) {
            let _ = write!(html, "<li>{}</li>", said(note));
        }
        if let Some(more) = notes.len().checked_sub(NOTES_MAX).filter(|more| *more > 0) {
            let _ = write!(html, "<li>{more} more: --format json has them</li>");
        }
        html += "</ul>\n";
    }
    html + "</section>\n"
}

/// Whether it can be believed, and what counts as down.
fn measured(report: &Report) -> String {
    let mut html = "<section><h2>Fidelity</h2>\n".to_owned();
    match &report.fidelity {
        None => html += "<p>no decisions are recorded: nothing to compare a replay with</p>\n",
        Some(fidelity) => {
            for said in words::fidelity(fidelity).iter().take(NOTES_MAX) {
                html += &paragraph(said);
            }
        }
    }
    html += "</section>\n<section><h2>What counts as down</h2>\n";
    html += &paragraph(&words::truth(report));
    html += "<ul>";
    for target in report.truth.outages.keys() {
        let outages = words::outages(report, target);
        let _ = write!(html, "<li>{} {outages}</li>", said(target));
    }
    html + "</ul></section>\n"
}

fn figures(report: &Report) -> String {
    let mut html = "<section class=\"summary\"><h2>Summary</h2>\n".to_owned();
    html += &table_html(&summary::summary(report), 1, |_| "");
    let services = summary::services(report);
    if !services.rows.is_empty() {
        html += &table_html(&services, 1, |_| "");
    }
    html + "</section>\n"
}

/// A table; the first columns are words, the others are numbers.
fn table_html(table: &Table, words: usize, class: impl Fn(&[String]) -> &'static str) -> String {
    let mut html = "<div class=\"scroll\"><table><thead><tr>".to_owned();
    let kind = |column: usize| if column < words { "word" } else { "number" };
    for (column, head) in table.heads.iter().enumerate() {
        let _ = write!(
            html,
            "<th class=\"{}\" scope=\"col\">{}</th>",
            kind(column),
            said(head)
        );
    }
    html += "</tr></thead><tbody>\n";
    for row in &table.rows {
        let _ = write!(html, "<tr class=\"{}\">", class(row));
        for (column, cell) in row.iter().enumerate() {
            let indented = if cell.starts_with("  ") { " inner" } else { "" };
            let _ = write!(
                html,
                "<td class=\"{}{indented}\">{}</td>",
                kind(column),
                said(cell.trim_start())
            );
        }
        html += "</tr>\n";
    }
    html + "</tbody></table></div>\n"
}

fn picture(report: &Report, number: usize, name: &ServiceName, service: &ServiceReport) -> String {
    let palette = Palette::of(service);
    let (from, to) = report.window();
    let services = i64::try_from(report.services.len())
        .unwrap_or(i64::MAX)
        .max(1);
    let lanes = i64::try_from(service.picture.lanes.bins.len()).unwrap_or(i64::MAX);
    let lanes = lanes.saturating_mul(services).max(1);
    let fineness = Fineness {
        answers: (WHOLE.answers / services).max(64),
        columns: (WHOLE.columns * 12 / lanes).clamp(48, WHOLE.columns),
        facts: (WHOLE.facts * 12 / lanes).clamp(12, WHOLE.facts),
    };
    let listed = (1..).zip(&report.divergences).take(LISTED_MAX);
    let marked = listed.filter(|(_, one)| one.service == *name).collect();
    let view = View {
        report,
        service,
        palette: &palette,
        scale: Scale::of(from, to),
        fineness,
        marked,
        whole: true,
    };
    let title = format!(
        "{}: what was observed and what was answered",
        cut(name, TEXT_MAX)
    );
    format!(
        "<section class=\"service\"><h2>{}</h2>\n<figure id=\"s{number}\" class=\"picture\">{}\n\
         <p class=\"readout\"></p>\n<figcaption>{LEGEND}</figcaption></figure></section>\n",
        said(name),
        view.svg(&title)
    )
}

/// How a picture is read.
const LEGEND: &str = "<span class=\"key seen\"></span> probed <span class=\"key bad\"></span> share \
of bad probes <span class=\"key line\"></span> slowest round trip, each doubling equally high \
<span class=\"key unseen\"></span> no results <span class=\"key down\"></span> down \
<span class=\"key slow\"></span> slow <span class=\"key parted\"></span> the runs part \
<span class=\"key many\"></span> too many answers to tell apart; \u{25be} a switch";

fn divergences(report: &Report) -> String {
    if report.recorded.is_none() {
        return String::new();
    }
    let all = report.divergences.len() as u64 + report.divergences_left_out;
    let mut html = format!(
        "<section><h2>Divergences</h2>\n<p>{}</p>\n",
        match all {
            0 => "none: both answer the same throughout".to_owned(),
            all =>
                words::counted(all, "stretch", "stretches") + " in which the two answer otherwise",
        }
    );
    for (number, one) in (1..).zip(report.divergences.iter().take(LISTED_MAX)) {
        html += &divergence(report, number, one);
    }
    let more = all.saturating_sub(LISTED_MAX as u64);
    if more > 0 {
        let more = words::counted(more, "divergence", "divergences");
        let _ = writeln!(html, "<p>{more} more: --format json has them</p>");
    }
    html + "</section>\n"
}

fn divergence(report: &Report, number: usize, one: &Divergence) -> String {
    let service = report.services.get(&one.service);
    let palette = service.map(Palette::of);
    let inferred = match one.inferred {
        true => ", latencies inferred",
        false => "",
    };
    let mut html = format!(
        "<article id=\"d{number}\"><h3><a href=\"#p{number}\" title=\"its place in the picture\">{number}</a> \
         {} <span>{}{inferred}</span></h3>\n<table class=\"sides\"><tbody>",
        said(&one.service),
        stretch(one.from, one.to)
    );
    let before = match words::recorded_head(report) {
        "no failover" => "primary",
        other => other,
    };
    let ttl = one.recorded.serve == one.candidate.serve;
    for (word, side) in [(before, &one.recorded), ("candidate", &one.candidate)] {
        let _ = write!(
            html,
            "<tr><th scope=\"row\">{word}</th><td>{}</td></tr>",
            side_html(side, palette.as_ref(), ttl)
        );
    }
    if !one.evidence.is_empty() {
        let _ = write!(
            html,
            "<tr><th scope=\"row\">evidence</th><td class=\"evidence\">{}</td></tr>",
            words::evidence(&one.evidence)
        );
    }
    html += "</tbody></table>\n";
    if let (Some(service), Some(palette)) = (service, &palette)
        && number <= PICTURED_MAX
    {
        html += &detail(report, number, one, service, palette);
    }
    html + "</article>\n"
}

fn side_html(side: &Side, palette: Option<&Palette>, ttl: bool) -> String {
    let mut html = String::new();
    for (index, target) in side.serve.iter().enumerate() {
        if index > 0 {
            html += " and ";
        }
        html += &palette.map_or_else(String::new, |palette| palette.swatch(target));
        let _ = write!(html, " <b>{}</b>", said(target));
    }
    if side.serve.is_empty() {
        html += "nothing";
    }
    if ttl {
        let _ = write!(html, ", TTL {}", words::format_ms(side.ttl_ms));
    }
    let _ = write!(html, ": {}", said(&side.reason));
    if side.line > 0 {
        let _ = write!(
            html,
            " <span class=\"line\">{}</span>",
            words::line(side.line)
        );
    }
    html
}

/// A divergence with a little of what was before and after it.
fn detail(
    report: &Report,
    number: usize,
    one: &Divergence,
    service: &ServiceReport,
    palette: &Palette,
) -> String {
    let around_ms = (one.to.since_ms(one.from) / 4).max(2 * MINUTE_MS);
    let (from, to) = report.window();
    let view = View {
        report,
        service,
        palette,
        scale: Scale::of(
            one.from.minus_ms(around_ms).max(from),
            one.to.plus_ms(around_ms).min(to),
        ),
        fineness: DETAIL,
        marked: vec![(number, one)],
        whole: false,
    };
    format!(
        "<figure class=\"picture\">{}\n<p class=\"readout\"></p></figure>\n",
        view.svg(&format!("divergence {number}"))
    )
}

fn sweep(report: &Report) -> String {
    let table = summary::sweep(&report.sweep);
    if table.rows.is_empty() {
        return String::new();
    }
    let best = |row: &[String]| match row.first().map(String::as_str) {
        Some("*") => "best",
        _ => "",
    };
    format!(
        "<section><h2>Sweep</h2>\n{}<p>* {}</p></section>\n",
        table_html(&table, 1, best),
        words::BEST
    )
}

fn limits(report: &Report) -> String {
    let mut html = "<section><h2>What a replay cannot know</h2>\n<ul>".to_owned();
    for limit in &report.limits {
        let _ = write!(html, "<li>{}</li>", said(limit));
    }
    html + "</ul></section>\n"
}
