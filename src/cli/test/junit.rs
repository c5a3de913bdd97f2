//! `sidestep test --junit FILE`: the results as JUnit XML, for what runs tests elsewhere.
//!
//! A suite is a file of tests. Times are 0: stories take none, and the same tests give the same
//! file.

use super::{Failed, Tested};
use crate::{
    failover::rehearsal::StoryOutcome,
    model::{Diagnostic, story::Story},
};
use quick_xml::{
    Writer,
    events::{BytesDecl, BytesText, Event},
};
use std::io::Error;

/// The whole report.
pub(super) fn report(tested: &[Tested]) -> Result<Vec<u8>, Failed> {
    let mut text = Vec::new();
    let mut writer = Writer::new_with_indent(&mut text, b' ', 2);
    written(&mut writer, tested).map_err(|error| format!("the JUnit report: {error}"))?;
    text.push(b'\n');
    Ok(text)
}

type Xml<'a> = Writer<&'a mut Vec<u8>>;

fn written(writer: &mut Xml<'_>, tested: &[Tested]) -> Result<(), Error> {
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let suites = counts(tested);
    let element = writer.create_element("testsuites");
    let element = element.with_attribute(("name", "sidestep"));
    let suites: Vec<_> = suites.iter().map(|(key, count)| (*key, &**count)).collect();
    element
        .with_attributes(suites)
        .write_inner_content(|writer| tested.iter().try_for_each(|one| suite(writer, one)))?;
    Ok(())
}

/// `tests`, `failures`, `errors` and `time`, as attributes.
fn counts(tested: &[Tested]) -> [(&'static str, String); 4] {
    let (mut tests, mut failures, mut errors) = (0, 0, 0);
    for one in tested {
        let (passed, failed) = one.count();
        tests += passed + failed;
        match one.outcomes {
            Ok(_) => failures += failed,
            Err(_) => errors += failed,
        }
    }
    let count = |number: usize| number.to_string();
    [
        ("tests", count(tests)),
        ("failures", count(failures)),
        ("errors", count(errors)),
        ("time", count(0)),
    ]
}

fn suite(writer: &mut Xml<'_>, tested: &Tested) -> Result<(), Error> {
    let counts = counts(std::slice::from_ref(tested));
    let counts: Vec<_> = counts.iter().map(|(key, count)| (*key, &**count)).collect();
    let file = plain(&tested.file);
    let element = writer.create_element("testsuite");
    let element = element
        .with_attribute(("name", &*file))
        .with_attributes(counts);
    element.write_inner_content(|writer| match &tested.outcomes {
        Ok(outcomes) => {
            let mut outcomes = outcomes.iter();
            outcomes.try_for_each(|(story, outcome)| case(writer, &file, story, outcome))
        }
        Err(findings) => unread(writer, &file, findings),
    })?;
    Ok(())
}

/// A test: what went otherwise, and the chart of it.
fn case(
    writer: &mut Xml<'_>,
    file: &str,
    story: &Story,
    outcome: &StoryOutcome,
) -> Result<(), Error> {
    let line = story.line.to_string();
    let name = plain(&story.name);
    let element = writer.create_element("testcase").with_attributes([
        ("name", &*name),
        ("classname", file),
        ("file", file),
        ("line", &*line),
        ("time", "0"),
    ]);
    let Some(first) = outcome.failures.first() else {
        element.write_empty()?;
        return Ok(());
    };
    let (message, chart) = (plain(&first.message), plain(&outcome.report(story)));
    element.write_inner_content(|writer| said(writer, "failure", &message, &chart))?;
    Ok(())
}

/// A file whose tests could not be run is one case with an error.
fn unread(writer: &mut Xml<'_>, file: &str, findings: &[Diagnostic]) -> Result<(), Error> {
    let first = findings.first().map(Diagnostic::headline);
    let all: Vec<String> = findings.iter().map(Diagnostic::to_string).collect();
    let (message, text) = (plain(&first.unwrap_or_default()), plain(&all.join("\n")));
    let element = writer.create_element("testcase").with_attributes([
        ("name", file),
        ("classname", file),
        ("file", file),
        ("time", "0"),
    ]);
    element.write_inner_content(|writer| said(writer, "error", &message, &text))?;
    Ok(())
}

fn said(writer: &mut Xml<'_>, what: &str, message: &str, text: &str) -> Result<(), Error> {
    let element = writer.create_element(what);
    let element = element.with_attribute(("message", message));
    element.write_text_content(BytesText::new(text))?;
    Ok(())
}

/// What XML 1.0 may hold (section 2.2): no control characters but tab and line feed.
fn plain(text: &str) -> String {
    let allowed = |c: char| matches!(c, '\t' | '\n') || !c.is_control();
    let clean = text.chars().map(|c| match c {
        '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
        c if allowed(c) => c,
        _ => '\u{fffd}',
    });
    clean.collect()
}
