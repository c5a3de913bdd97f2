//! A zone file from text to records with their places (RFC 1035 section 5, RFC 2308 section 4).
//!
//! Knows `$ORIGIN`, `$TTL`, `$GENERATE` and `$INCLUDE` (relative to the file that says it); how a
//! record is written is `record`'s, and what a zone may hold `load`'s. Reads included files
//! through a closure, so it does no I/O itself. Contract: records go to a sink one by one, in the
//! order of the text; every finding has file, line and column; all errors are reported, not only
//! the first; time and memory are bounded by the text's length and the limits below.

mod generate;
mod places;
pub(super) mod rdata;
mod record;
pub(super) mod text;
pub(super) mod word;

pub(super) use places::{MAX_FINDINGS, Place};

use crate::model::{Diagnostic, diagnostic::did_you_mean};
use generate::Series;
use hickory_proto::rr::RecordType;
use places::Places;
use record::Context;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};
use text::{Entries, Entry, Fault, Token};
use word::{name_into, shown, text_into};

/// How files are read: the text, or why not.
pub type ReadFile<'r> = dyn FnMut(&Path) -> std::io::Result<String> + 'r;

/// `$INCLUDE` may nest so deep.
const MAX_DEPTH: usize = 8;
/// No more files are read for one zone: ten includes of ten includes grow quickly.
const MAX_FILES: usize = 1_000;
/// All `$GENERATE` of one zone make no more octets of text: a million records of usual length.
const MAX_GENERATED: u64 = 64 << 20;

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

/// What was read so far, of all zones.
pub(super) struct Reader<'r> {
    read: &'r mut ReadFile<'r>,
    places: Places,
    /// The numbers of the texts that were read: a file that is included often is read and kept
    /// once.
    sources: BTreeMap<PathBuf, usize>,
    /// How many files were included for this zone, itself among them.
    reads: usize,
    /// How many octets of text were generated for this zone.
    generated: u64,
    /// All findings so far.
    pub(super) errors: Vec<Diagnostic>,
    /// What the operator should know, also where nothing is refused.
    pub(super) warnings: Vec<Diagnostic>,
    /// Every file that was asked for, found or not: what to watch.
    pub(super) files: BTreeSet<PathBuf>,
}

impl<'r> Reader<'r> {
    pub(super) fn new(read: &'r mut ReadFile<'r>) -> Self {
        Self {
            read,
            places: Places::default(),
            sources: BTreeMap::new(),
            reads: 0,
            generated: 0,
            errors: Vec::new(),
            warnings: Vec::new(),
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
        self.reads = 0;
        self.generated = 0;
        let source = match text {
            Some(text) => {
                self.files.insert(path.to_owned());
                Ok(self.places.add(path, text.into()))
            }
            None => self.source_of(path),
        };
        match source {
            Ok(source) => self.file(&[path], source, &mut Context::new(apex), sink),
            Err(message) => {
                let file = path.display().to_string();
                let found = Diagnostic::error(file, "", 0, 0, message);
                self.errors.push(found);
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

    /// Keeps a warning at a place.
    pub(super) fn warn(&mut self, place: Place, message: impl Into<String>) {
        if self.warnings.len() < MAX_FINDINGS {
            let found = self.error(place, message).warning();
            self.warnings.push(found);
        }
    }

    /// An error at a place.
    fn error(&self, place: Place, message: impl Into<String>) -> Diagnostic {
        self.places.error(place, message.into())
    }

    /// The place of records that no zone file holds: `file` as a whole.
    pub(super) fn nowhere(&mut self, file: &Path) -> Place {
        let source = self.places.add(file, "".into());
        Place::new(source, 0)
    }

    /// The number of a file's text, or why there is none.
    fn source_of(&mut self, path: &Path) -> Result<usize, String> {
        if self.reads == MAX_FILES {
            return Err(format!(
                "is not read: {MAX_FILES} files were, for this zone alone"
            ));
        }
        self.reads += 1;
        self.files.insert(path.to_owned());
        if let Some(source) = self.sources.get(path) {
            return Ok(*source);
        }
        match (self.read)(path) {
            Err(error) => Err(format!("cannot be read: {error}")),
            // Places are 32 bits, so that a record's costs little.
            Ok(text) if u32::try_from(text.len()).is_err() => {
                Err("is larger than 4 GiB: split it with $INCLUDE".to_owned())
            }
            Ok(text) => {
                let source = self.places.add(path, text.into());
                self.sources.insert(path.to_owned(), source);
                Ok(source)
            }
        }
    }

    /// One file; `paths` are those that led to it, itself the last.
    fn file(&mut self, paths: &[&Path], source: usize, context: &mut Context, sink: &mut Sink<'_>) {
        let text = self.places.text(source);
        let mut entries = Entries::new(&text);
        let mut entry = Entry::default();
        // What comes behind so many errors is not worth the time: the zone is refused.
        while self.errors.len() < MAX_FINDINGS
            && let Some(read) = entries.next(&mut entry)
        {
            let done = read.and_then(|()| match entry.tokens.first() {
                Some(first) if !entry.indented && first.raw.starts_with('$') => {
                    self.directive(source, paths, &entry, context, sink)
                }
                Some(first) => {
                    let place = Place::new(source, first.offset);
                    context.record(&entry, place, sink)
                }
                None => Ok(()),
            });
            let remarks = std::mem::take(&mut context.remarks);
            match done {
                Ok(()) => {
                    for (offset, message) in remarks {
                        self.warn(Place::new(source, offset), message);
                    }
                }
                Err((offset, message)) => self.fail(Place::new(source, offset), message),
            }
        }
    }

    fn directive(
        &mut self,
        source: usize,
        paths: &[&Path],
        entry: &Entry<'_>,
        context: &mut Context,
        sink: &mut Sink<'_>,
    ) -> Result<(), Fault> {
        let Some((word, tokens)) = entry.tokens.split_first() else {
            return Ok(());
        };
        let mut words = Words {
            directive: word.raw,
            tokens,
            end: entry.end,
        };
        match word.raw.to_ascii_uppercase().as_str() {
            "$ORIGIN" => {
                let origin = words.name("a name", context)?;
                words.finish()?;
                context.origin = origin;
            }
            "$TTL" => {
                let ttl_secs = context.ttl_of(words.next("a time")?)?;
                words.finish()?;
                context.default_ttl_secs = Some(ttl_secs);
            }
            "$INCLUDE" => {
                let file = words.next("a file name")?;
                let mut inner = context.clone();
                inner.owner.clear();
                if !words.tokens.is_empty() {
                    inner.origin = words.name("an origin", context)?;
                }
                words.finish()?;
                let path = path_of(paths, file)?;
                let source = self.included(paths, &path);
                let source = source.map_err(|message| (file.offset, message))?;
                self.file(&[paths, &[&path]].concat(), source, &mut inner, sink);
            }
            "$GENERATE" => {
                let series = Series::read(&mut words)?;
                let left = MAX_GENERATED - self.generated;
                let place = Place::new(source, word.offset);
                self.generated += series.records(left, context, place, sink)?;
            }
            _ => return Err((word.offset, unknown_directive(word.raw))),
        }
        Ok(())
    }

    /// The number of the text that an `$INCLUDE` names.
    fn included(&mut self, paths: &[&Path], path: &Path) -> Result<usize, String> {
        let shown = path.display();
        if paths.contains(&path) {
            return Err(format!("{shown} includes itself"));
        }
        if paths.len() > MAX_DEPTH {
            return Err(format!("$INCLUDE nests deeper than {MAX_DEPTH} files"));
        }
        let source = self.source_of(path);
        source.map_err(|message| format!("{shown} {message}"))
    }
}

/// Where an included file is: beside the one that names it, unless its path is absolute.
fn path_of(paths: &[&Path], file: &Token<'_>) -> Result<PathBuf, Fault> {
    let mut name = Vec::new();
    text_into(file.raw, &mut name).map_err(|fault| (file.offset, fault))?;
    let name = String::from_utf8(name);
    let name = name.map_err(|_| (file.offset, "this file name is not UTF-8".to_owned()))?;
    let folder = paths.last().and_then(|path| path.parent());
    Ok(folder.unwrap_or(Path::new("")).join(name))
}

fn unknown_directive(raw: &str) -> String {
    let words = ["$ORIGIN", "$TTL", "$INCLUDE", "$GENERATE"];
    let raw = shown(raw);
    match did_you_mean(&raw.to_ascii_uppercase(), words) {
        Some(near) => format!("unknown directive '{raw}', did you mean '{near}'?"),
        None => format!("unknown directive '{raw}'; there are {}", words.join(", ")),
    }
}

/// A cursor over the words of a directive.
struct Words<'e, 't> {
    directive: &'t str,
    tokens: &'e [Token<'t>],
    end: usize,
}

impl<'e, 't> Words<'e, 't> {
    fn next(&mut self, what: &str) -> Result<&'e Token<'t>, Fault> {
        let Some((token, rest)) = self.tokens.split_first() else {
            return Err((self.end, format!("{} lacks {what}", self.directive)));
        };
        self.tokens = rest;
        Ok(token)
    }

    fn name(&mut self, what: &str, context: &Context) -> Result<Vec<u8>, Fault> {
        let token = self.next(what)?;
        let mut name = Vec::new();
        name_into(token.raw, &context.origin, &mut name).map_err(|fault| (token.offset, fault))?;
        Ok(name)
    }

    fn finish(&self) -> Result<(), Fault> {
        self.tokens.first().map_or(Ok(()), |token| {
            let message = format!("unexpected '{}'", shown(token.raw));
            Err((token.offset, message))
        })
    }
}
