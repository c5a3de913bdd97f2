//! Recordings: every format read, ours written, and what is wrong with a file said.

mod bad;
mod exchange;
mod foreign;
mod format_one;
mod scenarios;

use sidestep::recording::{self, Item, Notes, Reading, Recording, RecordingError};
use std::{fs, path::Path};
use tempfile::TempDir;

/// The sample of the format's description, word by word.
const SAMPLE: &str = r#"{"recording":1,"by":"sidestep 0.1.0","targets":[{"name":"primary","addresses":["192.0.2.10"]},{"name":"backup","addresses":["198.51.100.20"]}],"monitors":[{"name":"https","kind":"http","interval_ms":5000,"timeout_ms":2000}],"services":[{"name":"www","names":["www.example.com"],"ttl_ms":30000,"targets":["primary","backup"],"monitors":["https"],"policy":"failover.rhai","params":{}}]}
{"at":1763800000123,"seq":1,"probe":{"target":"primary","monitor":"https","address":"192.0.2.10","vantage":"ns1","ok":true,"rtt_us":41200}}
{"at":1763800005125,"seq":2,"probe":{"target":"primary","monitor":"https","vantage":"ns1","ok":false,"error":"timeout"}}
{"at":1763800015131,"seq":9,"decision":{"service":"www","serve":["backup"],"reason":"primary is down: timeout","policy":"sha256:3f2a","line":18,"cause":8,"ttl_ms":30000}}
"#;

/// A file of a test, in a folder of its own.
struct Kept {
    folder: TempDir,
    name: &'static str,
}

impl Kept {
    fn new(name: &'static str, bytes: impl AsRef<[u8]>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(name), bytes).unwrap();
        Self { folder, name }
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join(self.name)
    }

    fn open(&self) -> Result<Recording, RecordingError> {
        recording::open(&self.path(), &Reading::default())
    }

    /// Everything in it, and what there was to note; or the error, without the folder.
    fn read(&self) -> Result<(Vec<Item>, Notes), String> {
        read(self.open()).map_err(|error| self.without_folder(&error))
    }

    fn without_folder(&self, error: &RecordingError) -> String {
        let folder = format!("{}/", self.folder.path().display());
        error.to_string().replace(&folder, "")
    }
}

fn read(opened: Result<Recording, RecordingError>) -> Result<(Vec<Item>, Notes), RecordingError> {
    let mut recording = opened?;
    let mut items = Vec::new();
    for item in recording.by_ref() {
        items.push(item?);
    }
    Ok((items, recording.notes().clone()))
}

fn open(path: &Path) -> Recording {
    recording::open(path, &Reading::default()).unwrap()
}

fn compressed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    encoder.include_checksum(true).unwrap();
    std::io::Write::write_all(&mut encoder, bytes).unwrap();
    encoder.finish().unwrap()
}
