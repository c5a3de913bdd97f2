//! A zone file from text to records with their places (RFC 1035 section 5, RFC 2308 section 4).
//!
//! Knows owners, TTLs, classes, `$ORIGIN`, `$TTL` and `$INCLUDE` (relative to the file that
//! says it); does not know what a zone may hold, that is `load`'s. Reads included files through
//! a closure, so it does no I/O itself. Contract: records go to a sink one by one, in the order
//! of the text; every finding has file, line and column; all errors are reported, not only the
//! first.

use super::rdata;
use super::zone_text::{Entries, Entry, Token, domain_name};
use crate::model::{Diagnostic, diagnostic::did_you_mean};
use hickory_proto::{
    rr::{Name, RData, RecordType},
    serialize::{
        binary::{BinDecodable, BinEncodable, BinEncoder, NameEncoding},
        txt::parse_ttl,
    },
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
    source: u32,
    offset: u32,
}

/// A record as written. What it borrows holds until the sink returns.
#[derive(Clone, Copy, Debug)]
pub(super) struct WrittenRecord<'w> {
    /// Wire form, in lower case, absolute.
    pub(super) owner: &'w [u8],
    /// At most 2^31 - 1 (RFC 2181 section 8).
    pub(super) ttl_secs: u32,
    /// Never a type that exists in messages only.
    pub(super) kind: RecordType,
    /// Wire form, well-formed for its type; names uncompressed, their case as written.
    pub(super) rdata: &'w [u8],
    pub(super) place: Place,
}

/// Takes the records of a zone file, one by one.
pub(super) type Sink<'s> = dyn FnMut(WrittenRecord<'_>) + 's;

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

    /// Reads a zone file; what is wrong is in `errors`. `apex` in wire form.
    pub(super) fn zone(
        &mut self,
        apex: &[u8],
        path: &Path,
        text: Option<&str>,
        sink: &mut Sink<'_>,
    ) {
        let Ok(apex) = Name::from_bytes(apex) else {
            return;
        };
        let mut context = Context {
            origin: apex,
            owner: None,
            default_ttl: None,
            last_ttl: None,
        };
        self.reads = 0;
        let text = match text {
            Some(text) => {
                self.files.insert(path.to_owned());
                Ok(text.to_owned())
            }
            None => self.text_of(path),
        };
        match text {
            Ok(text) => self.file(&[path], &text, &mut context, sink),
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
        match self.sources.get(place.source as usize) {
            Some(source) if !source.text.is_empty() => Diagnostic::error_at(
                source.file.as_str(),
                &source.text,
                place.offset as usize,
                message,
            ),
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
            source: small(self.sources.len() - 1),
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
    fn file(&mut self, paths: &[&Path], text: &str, context: &mut Context, sink: &mut Sink<'_>) {
        let Some(&path) = paths.last() else { return };
        let source = small(self.sources.len());
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
                        offset: small(first.offset),
                    };
                    sink(WrittenRecord {
                        owner: &wire_of(&owner.to_lowercase()),
                        ttl_secs: ttl,
                        kind: data.record_type(),
                        rdata: &wire_of(&data),
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
                        self.file(&[paths, &[&path]].concat(), &text, &mut inner, sink);
                        Ok(())
                    }
                }
            });
            if let Err((offset, message)) = done {
                let offset = small(offset);
                self.fail(Place { source, offset }, message);
            }
        }
    }
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Wire form, names uncompressed.
fn wire_of(value: &impl BinEncodable) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut encoder = BinEncoder::new(&mut octets);
    encoder.set_name_encoding(NameEncoding::Uncompressed);
    let _ = value.emit(&mut encoder);
    octets
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
