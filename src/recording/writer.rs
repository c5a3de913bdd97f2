//! Writing format 1: a header, events, states, one a line.

use super::{Header, header, input::LINE_MAX};
use crate::failover::{Event, State};
use serde::Serialize;
use std::{
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};
use tempfile::NamedTempFile;

/// Fast, and a recording is a fifteenth of its size already.
const LEVEL: i32 = 3;

/// Writes a recording, a line at a time.
#[derive(Debug)]
pub struct Writer<W: Write> {
    out: W,
}

#[derive(Serialize)]
struct Snapshot<'s> {
    at: i64,
    seq: u64,
    state: &'s State,
}

impl<W: Write> Writer<W> {
    /// Begins a recording with its header.
    ///
    /// # Errors
    /// As `out` says.
    pub fn new(mut out: W, header: &Header) -> io::Result<Self> {
        out.write_all(header::write(header)?.as_bytes())?;
        out.write_all(b"\n")?;
        Ok(Self { out })
    }

    /// Adds an event.
    ///
    /// # Errors
    /// As `out` says.
    pub fn event(&mut self, event: &Event) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, event)?;
        self.out.write_all(b"\n")
    }

    /// Adds everything that is known after the last event.
    ///
    /// # Errors
    /// As `out` says; also where it is more than a reader takes as a line.
    pub fn state(&mut self, state: &State) -> io::Result<()> {
        let world = state.world();
        let snapshot = Snapshot {
            at: world.at.0,
            seq: world.seq,
            state,
        };
        let mut line = serde_json::to_vec(&snapshot)?;
        line.push(b'\n');
        if line.len() > LINE_MAX {
            let (length, most) = (line.len() >> 20, LINE_MAX >> 20);
            return Err(io::Error::other(format!(
                "the state is a line of {length} MiB, and {most} can be read: take one service (--service), or the whole journal (without --since)"
            )));
        }
        self.out.write_all(&line)
    }

    /// Ends the recording; what it was written to.
    ///
    /// # Errors
    /// As `out` says.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }
}

/// A recording that takes its name once it is whole, in the place of what had that name before.
#[derive(Debug)]
pub struct RecordingFile {
    path: PathBuf,
    out: Out,
}

enum Out {
    Plain(BufWriter<NamedTempFile>),
    Zstd(zstd::stream::write::Encoder<'static, BufWriter<NamedTempFile>>),
}

impl std::fmt::Debug for Out {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "plain",
            Self::Zstd(_) => "zstd",
        })
    }
}

impl Writer<RecordingFile> {
    /// Begins a recording at `path`, as a zstd frame with a checksum where that ends in `.zst`.
    /// [`RecordingFile::keep`] gives it its name; dropped before, nothing of it stays. Only its
    /// owner can read it: a configuration may hold what the world should not know.
    ///
    /// # Errors
    /// As the folder of `path` says.
    pub fn create(path: &Path, header: &Header) -> io::Result<Self> {
        let folder = path.parent().filter(|folder| *folder != Path::new(""));
        let temporary = NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
        let plain = BufWriter::with_capacity(256 << 10, temporary);
        let out = if path.extension().is_some_and(|extension| extension == "zst") {
            let mut encoder = zstd::stream::write::Encoder::new(plain, LEVEL)?;
            encoder.include_checksum(true)?;
            Out::Zstd(encoder)
        } else {
            Out::Plain(plain)
        };
        let path = path.to_owned();
        Self::new(RecordingFile { path, out }, header)
    }
}

impl RecordingFile {
    /// Gives the file its name, once everything is on disk.
    ///
    /// # Errors
    /// As the disk says; what had the name before has it still.
    pub fn keep(self) -> io::Result<()> {
        let plain = match self.out {
            Out::Plain(plain) => plain,
            Out::Zstd(encoder) => encoder.finish()?,
        };
        let temporary = plain.into_inner().map_err(io::IntoInnerError::into_error)?;
        temporary.as_file().sync_all()?;
        temporary.persist(&self.path).map_err(|error| error.error)?;
        Ok(())
    }
}

impl Write for RecordingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.out {
            Out::Plain(out) => out.write(bytes),
            Out::Zstd(out) => out.write(bytes),
        }
    }

    /// Leaves blocks of the frame open: they end with the file.
    fn flush(&mut self) -> io::Result<()> {
        match &mut self.out {
            Out::Plain(out) => out.flush(),
            Out::Zstd(_) => Ok(()),
        }
    }
}
