//! A zone file from text to records with their places (RFC 1035 section 5, RFC 2308 section 4).
//!
//! Knows owners, TTLs, classes, `$ORIGIN`, `$TTL` and `$INCLUDE` (relative to the file that
//! says it); does not know what a zone may hold, that is `load`'s. Reads included files through
//! a closure, so it does no I/O itself. Contract: every finding has file, line and column; all
//! errors are reported, not only the first.

use super::rdata;
use super::zone_text::{Entries, Entry, Token, domain_name};
use crate::model::{Diagnostic, diagnostic::did_you_mean};
use hickory_proto::{
    rr::{Name, RData, RecordType},
    serialize::txt::parse_ttl,
};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

/// How files are read: the text, or why not.
pub type ReadFile<'r> = dyn FnMut(&Path) -> std::io::Result<String> + 'r;

/// `$INCLUDE` may nest so deep.
const MAX_DEPTH: usize = 8;
/// No more files are read for one zone: ten includes of ten includes grow quickly.
const MAX_FILES: usize = 1_000;
/// No more findings are made: each costs a look through its file.
pub(super) const MAX_FINDINGS: usize = 1_000;
/// RFC 2181 section 8.
const MAX_TTL: u32 = i32::MAX.unsigned_abs();

/// Where a record was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    source: usize,
    offset: usize,
}

/// A record as written.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub(super) owner: Name,
    pub(super) ttl: u32,
    pub(super) data: RData,
    pub(super) place: Place,
}

struct Source {
    file: String,
    text: Arc<str>,
}

/// What was read so far, of all zones.
pub(super) struct Reader<'r> {
    read: &'r mut ReadFile<'r>,
    sources: Vec<Source>,
    /// How many files were read for this zone.
    reads: usize,
    /// All findings so far.
    pub(super) errors: Vec<Diagnostic>,
    /// Every file that was asked for, found or not: what to watch.
    pub(super) files: BTreeSet<PathBuf>,
}

/// What holds from one entry to the next.
#[derive(Clone)]
struct Context {
    origin: Name,
    owner: Option<Name>,
    default_ttl: Option<u32>,
    last_ttl: Option<u32>,
}

impl<'r> Reader<'r> {
    pub(super) fn new(read: &'r mut ReadFile<'r>) -> Self {
        Self {
            read,
            sources: Vec::new(),
            reads: 0,
            errors: Vec::new(),
            files: BTreeSet::new(),
        }
    }

    /// The records of a zone file; what is wrong is in `errors`.
    pub(super) fn zone(&mut self, apex: &Name, path: &Path, text: Option<&str>) -> Vec<Written> {
        let mut context = Context {
            origin: apex.clone(),
            owner: None,
            default_ttl: None,
            last_ttl: None,
        };
        let mut records = Vec::new();
        self.reads = 0;
        let text = match text {
            Some(text) => {
                self.files.insert(path.to_owned());
                Ok(text.to_owned())
            }
            None => self.text_of(path),
        };
        match text {
            Ok(text) => self.file(&[path], &text, &mut context, &mut records),
            Err(message) => {
                self.errors.push(Diagnostic::error(
                    path.display().to_string(),
                    "",
                    0,
                    0,
                    message,
                ));
            }
        }
        records
    }

    /// Keeps an error at a place.
    pub(super) fn fail(&mut self, place: Place, message: impl Into<String>) {
        if self.errors.len() < MAX_FINDINGS {
            let found = self.error(place, message);
            self.errors.push(found);
        }
    }

    /// An error at a place.
    pub(super) fn error(&self, place: Place, message: impl Into<String>) -> Diagnostic {
        match self.sources.get(place.source) {
            Some(source) if !source.text.is_empty() => {
                Diagnostic::error_at(source.file.as_str(), &source.text, place.offset, message)
            }
            Some(source) => Diagnostic::error(source.file.as_str(), "", 0, 0, message),
            None => Diagnostic::error("", "", 0, 0, message),
        }
    }

    /// The place of records that no zone file holds: `file` as a whole.
    pub(super) fn nowhere(&mut self, file: &Path) -> Place {
        let file = file.display().to_string();
        self.sources.push(Source {
            file,
            text: "".into(),
        });
        Place {
            source: self.sources.len() - 1,
            offset: 0,
        }
    }

    fn text_of(&mut self, path: &Path) -> Result<String, String> {
        if self.reads == MAX_FILES {
            return Err(format!(
                "is not read: {MAX_FILES} files were, for this zone alone"
            ));
        }
        self.reads += 1;
        self.files.insert(path.to_owned());
        (self.read)(path).map_err(|error| format!("cannot be read: {error}"))
    }

    /// One file; `paths` are those that led to it, itself the last.
    fn file(
        &mut self,
        paths: &[&Path],
        text: &str,
        context: &mut Context,
        records: &mut Vec<Written>,
    ) {
        let Some(&path) = paths.last() else { return };
        let source = self.sources.len();
        let file = path.display().to_string();
        self.sources.push(Source {
            file,
            text: text.into(),
        });
        for entry in Entries::new(text) {
            let done = entry.and_then(|entry| {
                let Some(first) = entry.tokens.first() else {
                    return Ok(());
                };
                if entry.indented || !first.raw.starts_with('$') {
                    let (owner, ttl, data) = record(&entry, context)?;
                    let place = Place {
                        source,
                        offset: first.offset,
                    };
                    records.push(Written {
                        owner,
                        ttl,
                        data,
                        place,
                    });
                    return Ok(());
                }
                match directive(&entry, context)? {
                    None => Ok(()),
                    Some((file, origin)) => {
                        let mut inner = Context {
                            origin,
                            owner: None,
                            ..context.clone()
                        };
                        let path = path.parent().unwrap_or(Path::new("")).join(file);
                        let shown = path.display();
                        if paths.contains(&path.as_path()) {
                            return Err((first.offset, format!("{shown} includes itself")));
                        }
                        if paths.len() > MAX_DEPTH {
                            let message = format!("$INCLUDE nests deeper than {MAX_DEPTH} files");
                            return Err((first.offset, message));
                        }
                        let text = self.text_of(&path);
                        let text =
                            text.map_err(|message| (first.offset, format!("{shown} {message}")))?;
                        self.file(&[paths, &[&path]].concat(), &text, &mut inner, records);
                        Ok(())
                    }
                }
            });
            if let Err((offset, message)) = done {
                self.fail(Place { source, offset }, message);
            }
        }
    }
}

type Fault = super::zone_text::Fault;

/// `$ORIGIN`, `$TTL`, or the file and origin of an `$INCLUDE`.
fn directive<'t>(
    entry: &Entry<'t>,
    context: &mut Context,
) -> Result<Option<(&'t str, Name)>, Fault> {
    let word = entry.tokens[0];
    let argument = |index: usize, what: &str| {
        let token = entry.tokens.get(index);
        token.ok_or_else(|| (entry.end, format!("{} lacks {what}", word.raw)))
    };
    let name = |token: &Token<'_>, context: &Context| {
        domain_name(token.raw, &context.origin).map_err(|message| (token.offset, message))
    };
    let known = match word.raw.to_ascii_uppercase().as_str() {
        "$ORIGIN" => {
            context.origin = name(argument(1, "a name")?, context)?;
            2
        }
        "$TTL" => {
            let token = argument(1, "a time")?;
            context.default_ttl = Some(ttl_of(token)?);
            2
        }
        "$INCLUDE" => {
            let file = argument(1, "a file name")?;
            let origin = match entry.tokens.get(2) {
                Some(token) => name(token, context)?,
                None => context.origin.clone(),
            };
            return match entry.tokens.get(3) {
                None => Ok(Some((file.raw.trim_matches('"'), origin))),
                Some(token) => Err((token.offset, format!("unexpected '{}'", token.raw))),
            };
        }
        _ => {
            let words = ["$ORIGIN", "$TTL", "$INCLUDE"];
            let near = did_you_mean(word.raw, words)
                .map_or(String::new(), |near| format!(", did you mean '{near}'?"));
            return Err((
                word.offset,
                format!("unknown directive '{}'{near}", word.raw),
            ));
        }
    };
    match entry.tokens.get(known) {
        None => Ok(None),
        Some(token) => Err((token.offset, format!("unexpected '{}'", token.raw))),
    }
}

fn ttl_of(token: &Token<'_>) -> Result<u32, Fault> {
    let ttl = parse_ttl(token.raw).ok().filter(|&ttl| ttl <= MAX_TTL);
    ttl.ok_or_else(|| {
        (
            token.offset,
            format!("'{}' is no TTL in seconds", token.raw),
        )
    })
}

/// `[OWNER] [TTL] [CLASS] TYPE DATA…`, TTL and class in any order.
fn record(entry: &Entry<'_>, context: &mut Context) -> Result<(Name, u32, RData), Fault> {
    let mut tokens = entry.tokens.as_slice();
    let first = tokens[0];
    if !entry.indented {
        let owner = domain_name(first.raw, &context.origin);
        context.owner = Some(owner.map_err(|message| (first.offset, message))?);
        tokens = &tokens[1..];
    }
    let owner = context.owner.clone().ok_or_else(|| {
        (
            first.offset,
            "this record has no owner: no record stands before it".to_owned(),
        )
    })?;
    let mut ttl = None;
    let (kind, rest) = loop {
        let Some((token, rest)) = tokens.split_first() else {
            return Err((entry.end, "this record lacks a type".into()));
        };
        let begins_with_digit = token.raw.starts_with(|first: char| first.is_ascii_digit());
        match token.raw.to_ascii_uppercase().as_str() {
            "IN" => {}
            class @ ("CH" | "HS" | "CS") => {
                return Err((
                    token.offset,
                    format!("class {class} is not served; write IN"),
                ));
            }
            _ if begins_with_digit && ttl.is_none() => ttl = Some(ttl_of(token)?),
            _ => break (kind_of(token)?, rest),
        }
        tokens = rest;
    };
    let data = rdata::read(kind, rest, &context.origin, entry.end)?;
    // Without a TTL anywhere, the SOA's MINIMUM is the default, as it was before RFC 2308.
    let fallback = context.default_ttl.or(context.last_ttl).or(match &data {
        RData::SOA(soa) => Some(soa.minimum),
        _ => None,
    });
    let ttl = ttl.or(fallback).ok_or_else(|| {
        (
            first.offset,
            "this record has no TTL; put '$TTL 3600' at the top of the file".to_owned(),
        )
    })?;
    context.last_ttl = Some(ttl);
    Ok((owner, ttl, data))
}

fn kind_of(token: &Token<'_>) -> Result<RecordType, Fault> {
    rdata::type_of(token.raw).ok_or_else(|| {
        let near = did_you_mean(&token.raw.to_ascii_uppercase(), rdata::TYPES)
            .map_or(String::new(), |near| format!(", did you mean '{near}'?"));
        (
            token.offset,
            format!("unknown record type '{}'{near}", token.raw),
        )
    })
}
