//! The settings of http monitors, and what other kinds share with them.

use super::{
    document::{Document, Field, shown},
    table::Table,
    v1,
};
use crate::model::{Body, HttpExpect, HttpProbe, StatusRange};
use std::collections::BTreeMap;
use toml::de::DeTable;
use url::Url;

/// Patterns are compiled at every reload: bounded as the policies are.
const MAX_REGEX_BYTES: usize = 1 << 20;

/// Reads the keys of an http monitor.
pub(super) fn http(table: &Table<'_>) -> HttpProbe {
    let doc = table.doc;
    HttpProbe {
        url: table
            .needed_text("url", "an http monitor")
            .map(|text| url(doc, text))
            .unwrap_or_default(),
        port: None,
        method: table
            .text("method")
            .map_or("GET", |text| method(doc, text))
            .to_owned(),
        headers: headers(table),
        follow: table.flag("follow").unwrap_or(false),
        verify: table.flag("verify").unwrap_or(true),
        ca: ca(table),
        expect: expect(table),
    }
}

/// Takes a URL as written; reports one that is none, of another scheme or without a host.
pub(super) fn url(doc: &Document<'_>, text: Field<&str>) -> String {
    let word = shown(text.value);
    let wrong = |why: &str| doc.error(text.at, format!("'{word}' cannot be probed: {why}"));
    let scheme = text.value.split_once("://");
    match Url::parse(text.value) {
        // The URL standard forgives "http:/x" and "http:///x"; an operator means something else.
        Ok(url) if matches!(url.scheme(), "http" | "https") => {
            if scheme.is_none_or(|(_, rest)| rest.starts_with(['/', '\\'])) {
                wrong("a URL has two slashes and a host, \"https://www.example.com/healthz\"");
            } else if url.port() == Some(0) {
                wrong("its port is 0: write 1 to 65535");
            }
        }
        Ok(_) if scheme.is_some() => wrong("its URL must begin with http:// or https://"),
        Err(url::ParseError::EmptyHost) => {
            wrong("its URL has no host: write \"https://www.example.com/healthz\"");
        }
        Err(url::ParseError::InvalidPort) => wrong("its port is none: write 1 to 65535"),
        Ok(_) | Err(_) => wrong("write a URL such as \"https://www.example.com/healthz\""),
    }
    text.value.to_owned()
}

/// A method or a header's name is a token (RFC 9110 section 5.6.2).
fn is_token(text: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(token)
}

fn method<'t>(doc: &Document<'_>, text: Field<&'t str>) -> &'t str {
    if !is_token(text.value) {
        let word = shown(text.value);
        doc.error(
            text.at,
            format!("'{word}' is no HTTP method: write one word, such as \"GET\" or \"HEAD\""),
        );
    }
    text.value
}

fn headers(table: &Table<'_>) -> BTreeMap<String, String> {
    let doc = table.doc;
    let mut headers = BTreeMap::new();
    for (name, value) in table.text_table("headers") {
        if !is_token(name.value) {
            let word = shown(name.value);
            doc.error(
                name.at,
                format!("'{word}' is no name of a header: use letters, digits and '-'"),
            );
        }
        // Field values: RFC 9110 section 5.5, without the obsolete bytes above ASCII.
        let visible = |byte: u8| byte == b'\t' || (b' '..=b'~').contains(&byte);
        if !value.value.bytes().all(visible) {
            let word = shown(name.value);
            doc.error(
                value.at,
                format!(
                    "the header '{word}' has characters that HTTP forbids: use printable ASCII"
                ),
            );
        }
        headers.insert(name.value.to_owned(), value.value.to_owned());
    }
    headers
}

/// Reads `ca`, a path that is kept as written.
pub(super) fn ca(table: &Table<'_>) -> Option<String> {
    let text = table.text("ca")?;
    if text.value.is_empty() {
        table.doc.error(text.at, "a path cannot be empty");
    }
    Some(text.value.to_owned())
}

/// The table `expect` of a monitor whose `expect` is one; reported where it is text.
pub(super) fn expect_table<'t>(table: &Table<'t>, example: &str) -> Option<Field<&'t DeTable<'t>>> {
    let entry = table.entry("expect")?;
    if entry.table().is_none() {
        let message = format!("`expect` must be a table, such as {example}, not text");
        table.doc.error(entry.value_at(), message);
    }
    entry.table()
}

fn expect(table: &Table<'_>) -> HttpExpect {
    let doc = table.doc;
    let Some(expect) = expect_table(table, "{ status = \"200-299\" }") else {
        return HttpExpect::default();
    };
    let expect = Table::open(doc, expect, "`expect`", &[v1::HTTP_EXPECT]);
    let status = expect.text("status").and_then(|text| {
        let status = StatusRange::try_from(text.value.to_owned()).ok();
        if status.is_none() {
            let word = shown(text.value);
            doc.error(
                text.at,
                format!("'{word}' is no range of status codes: write \"200-299\" or \"200,204\""),
            );
        }
        status
    });
    if expect.is_written("body") && expect.is_written("body_regex") {
        let message = "`body` and `body_regex` exclude each other: keep one";
        doc.error(expect.at_key("body_regex"), message);
    }
    HttpExpect {
        status: status.unwrap_or_default(),
        body: match expect.text("body") {
            Some(text) => Some(Body::Contains(contained(doc, text))),
            None => expect
                .text("body_regex")
                .map(|text| Body::Regex(pattern(doc, text))),
        },
    }
}

fn contained(doc: &Document<'_>, text: Field<&str>) -> String {
    if text.value.is_empty() {
        let message = "`body` is empty: write what the body must contain, or leave it out";
        doc.error(text.at, message);
    }
    text.value.to_owned()
}

fn pattern(doc: &Document<'_>, text: Field<&str>) -> String {
    let mut builder = regex::RegexBuilder::new(text.value);
    if let Err(error) = builder.size_limit(MAX_REGEX_BYTES).build() {
        let why = match error {
            regex::Error::CompiledTooBig(_) => "it is too large; write a simpler one".to_owned(),
            // Its last line says what is wrong; those before it draw the place.
            other => {
                let text = other.to_string();
                let last = text.lines().last().unwrap_or_default();
                last.trim_start_matches("error: ").to_owned()
            }
        };
        doc.error(
            text.at,
            format!("`body_regex` is no regular expression: {why}"),
        );
    }
    text.value.to_owned()
}
