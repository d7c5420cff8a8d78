//! One file of the spool: batches one after the other.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::Location;
use super::format::{FILE_HEADER, HeaderError, Parsed, Record, check_header, file_header, parse};

/// What its name ends in.
const EXTENSION: &str = "segment";

/// A file of the spool.
#[derive(Debug)]
pub struct Segment {
    /// Its name is a number: that of the first batch it was made for.
    pub name: u64,
    /// Number of the batch after its last one.
    pub end: u64,
    /// Bytes of its records.
    pub bytes: u64,
}

/// What a segment of before holds.
#[derive(Debug, Default)]
pub struct Found {
    /// Its records.
    pub records: Vec<Whole>,
    /// Behind the last one is something that is no record.
    pub damaged: bool,
}

impl Found {
    /// How long the file is up to the end of the last record.
    pub fn whole_len(&self) -> u64 {
        let last = self.records.last();
        last.map_or(0, |last| last.offset + last.record.len as u64)
    }
}

/// A record that was found whole.
#[derive(Clone, Copy, Debug)]
pub struct Whole {
    /// What it says.
    pub record: Record,
    /// Where it begins.
    pub offset: u64,
    /// Before it is something that is no record.
    pub after_damage: bool,
}

/// The path of a segment.
pub fn path(folder: &Path, name: u64) -> PathBuf {
    // Padded, so that a listing is in order.
    folder.join(format!("{name:020}.{EXTENSION}"))
}

/// The names of all segments in the folder, in order.
pub fn names(folder: &Path) -> io::Result<Vec<u64>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = PathBuf::from(entry?.file_name());
        if path.extension().is_some_and(|end| end == EXTENSION)
            && let Some(name) = path
                .file_stem()
                .and_then(|stem| stem.to_str()?.parse().ok())
        {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Makes a segment; what a try that failed left of it is written over.
pub fn create(folder: &Path, name: u64) -> io::Result<File> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path(folder, name))?;
    file.write_all_at(&file_header(), 0)?;
    Ok(file)
}

/// Reads all records of a segment. Where one is damaged, those behind it are
/// still looked for.
pub fn scan(bytes: &[u8]) -> Result<Found, HeaderError> {
    let mut found = Found::default();
    if bytes.is_empty() {
        // Made, and never written.
        return Ok(found);
    }
    match check_header(bytes) {
        Ok(()) => {}
        Err(HeaderError::Foreign) => {
            found.damaged = true;
            return Ok(found);
        }
        Err(error) => return Err(error),
    }
    let mut at = FILE_HEADER;
    while at < bytes.len() {
        match parse(&bytes[at..]) {
            Parsed::Whole(record) => {
                found.records.push(Whole {
                    record,
                    offset: at as u64,
                    after_damage: std::mem::take(&mut found.damaged),
                });
                at += record.len;
            }
            Parsed::Altered(len) => {
                found.damaged = true;
                at += len;
            }
            Parsed::Broken => {
                found.damaged = true;
                break;
            }
        }
    }
    Ok(found)
}

/// The bytes of a record.
pub fn read(folder: &Path, location: &Location) -> io::Result<Vec<u8>> {
    let file = File::open(path(folder, location.segment))?;
    let mut record = vec![0; location.len];
    file.read_exact_at(&mut record, location.offset)?;
    Ok(record)
}
