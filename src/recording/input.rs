//! Bytes of a recording by the line: plain or in a zstd frame, each of a bounded length.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

/// The longest line: a snapshot of some 20,000 targets.
pub(super) const LINE_MAX: usize = 16 << 20;

const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const GZIP: [u8; 2] = [0x1f, 0x8b];
const SQLITE: &[u8] = b"SQLite format 3\0";
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
const ROOM: usize = 256 << 10;

/// What a file is by its first bytes.
pub(super) enum Kind {
    /// Text, decompressed where it was not plain.
    Text(Input),
    /// A database.
    Sqlite,
    /// Compressed by a program that nobody here undoes.
    Gzip,
}

/// A text that is read by the line.
pub(super) struct Input {
    bytes: Box<dyn BufRead + Send>,
    compressed: bool,
    /// Lines read.
    pub(super) number: u64,
}

/// What came of reading a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Got {
    /// A whole one, or the last one without its end.
    Line {
        /// Whether its end is there.
        whole: bool,
    },
    /// Nothing more.
    End,
    /// Compressed, and the end of the frame is missing.
    Cut,
    /// More than [`LINE_MAX`] bytes.
    TooLong,
}

/// Opens a file and looks at its first bytes.
///
/// # Errors
/// As the file says.
pub(super) fn open(path: &Path) -> io::Result<Kind> {
    let mut file = BufReader::with_capacity(ROOM, File::open(path)?);
    let mut first = Vec::new();
    (&mut file).take(16).read_to_end(&mut first)?;
    if first == SQLITE {
        return Ok(Kind::Sqlite);
    }
    if first.starts_with(&GZIP) {
        return Ok(Kind::Gzip);
    }
    let compressed = first.starts_with(&ZSTD);
    let all = io::Cursor::new(first).chain(file);
    let mut bytes: Box<dyn BufRead + Send> = if compressed {
        let decoder = zstd::stream::read::Decoder::with_buffer(all)?;
        Box::new(BufReader::with_capacity(ROOM, decoder))
    } else {
        Box::new(BufReader::with_capacity(ROOM, all))
    };
    match bytes.fill_buf() {
        Ok(begin) if begin.starts_with(BYTE_ORDER_MARK) => bytes.consume(BYTE_ORDER_MARK.len()),
        // Whoever reads the first line meets it again.
        Ok(_) | Err(_) => {}
    }
    Ok(Kind::Text(Input {
        bytes,
        compressed,
        number: 0,
    }))
}

impl Input {
    /// Reads the next line into `line`, without its end.
    ///
    /// # Errors
    /// As the file says; also where what is compressed is damaged.
    pub(super) fn line(&mut self, line: &mut Vec<u8>) -> io::Result<Got> {
        line.clear();
        let mut bounded = (&mut self.bytes).take(LINE_MAX as u64 + 1);
        let read = bounded.read_until(b'\n', line);
        if !line.is_empty() {
            self.number += 1;
        }
        match read {
            Err(error) if self.compressed && error.kind() == io::ErrorKind::UnexpectedEof => {
                return Ok(Got::Cut);
            }
            Err(error) => return Err(error),
            Ok(_) => {}
        }
        if line.last() == Some(&b'\n') {
            line.pop();
            return Ok(Got::Line { whole: true });
        }
        Ok(match line.len() {
            0 => Got::End,
            length if length > LINE_MAX => Got::TooLong,
            _ => Got::Line { whole: false },
        })
    }

    /// All that was not read yet.
    pub(super) fn rest(self) -> Box<dyn BufRead + Send> {
        self.bytes
    }
}
