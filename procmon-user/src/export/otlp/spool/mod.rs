//! Batches on disk: what the collector has not taken yet, in order, bounded,
//! through crashes and restarts.
//!
//! A folder for each signal in `state_dir`, locked by the procmon that uses it. Every
//! batch is written, compressed, to the end of the newest segment before it is
//! sent first; a cursor says which is the next to be delivered, and whether it
//! was tried. Segments that were delivered are removed; where there is no room
//! the oldest one goes. An end of procmon, however sudden, loses nothing that
//! was written; one of the whole machine may lose what the kernel had not
//! brought to the disk yet, some 30 s: nothing is waited for.

mod cursor;
mod error;
mod format;
mod open;
mod segment;
mod size;

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use zstd::bulk::Compressor;

pub use self::error::SpoolError;
pub use self::open::{Found, Opened};
pub use self::size::{SpoolKeys, SpoolSize};

use self::cursor::{Cursor, Position};
use self::format::FILE_HEADER;
use self::segment::Segment;
use super::encode::Batch;
use crate::file_lock::FileLock;

/// No segment begins another batch behind so many bytes...
const SEGMENT: u64 = 1 << 20;
/// ... nor behind this part of all: what makes room is a whole segment.
const SEGMENTS: u64 = 8;

/// Where the spool is, and how large it may become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpoolSettings {
    /// The folder that survives restarts; the spool is a folder in it.
    pub state_dir: PathBuf,
    /// Most bytes of all batches of a signal, as they are on disk.
    pub max_size: u64,
}

/// Where a batch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location {
    /// Its number.
    pub number: u64,
    segment: u64,
    offset: u64,
    len: usize,
}

/// A spool that is open.
pub struct Spool {
    folder: PathBuf,
    limit: u64,
    /// The oldest first.
    segments: VecDeque<Segment>,
    /// The last of them, when it can be written to.
    newest: Option<File>,
    position: Position,
    /// Number of the next batch that comes.
    next: u64,
    bytes: u64,
    cursor: Cursor,
    compressor: Compressor<'static>,
    record: Vec<u8>,
    /// Holds the lock.
    _lock: FileLock,
}

/// A batch was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Where it is.
    pub location: Location,
    /// The first batch that is still there: those before made room.
    pub oldest: u64,
}

impl Spool {
    /// Writes a batch to the end; the oldest segments make room.
    pub fn append(&mut self, batch: &Batch) -> io::Result<Appended> {
        format::encode(self.next, batch, &mut self.compressor, &mut self.record)?;
        let len = self.record.len() as u64;
        if len > self.limit {
            let problem = format!("a batch of {len} bytes is larger than the whole spool");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, problem));
        }
        while self.bytes + len > self.limit {
            self.remove_oldest()?;
        }
        let full = SEGMENT.min(self.limit / SEGMENTS);
        let newest = self.segments.back();
        if newest.is_none_or(|newest| newest.bytes > 0 && newest.bytes + len > full) {
            self.newest = None;
        }
        self.need_newest()?;
        let (Some(file), Some(segment)) = (&self.newest, self.segments.back_mut()) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let offset = FILE_HEADER as u64 + segment.bytes;
        if let Err(error) = file.write_all_at(&self.record, offset) {
            // What is there of it is of no use; the next one is written over it.
            let _ = file.set_len(offset);
            return Err(error);
        }
        segment.bytes += len;
        segment.end = self.next + 1;
        let location = Location {
            number: self.next,
            segment: segment.name,
            offset,
            len: self.record.len(),
        };
        self.next += 1;
        self.bytes += len;
        Ok(Appended {
            location,
            oldest: self.oldest(),
        })
    }

    /// Notes that a batch is about to be sent, and reads it where that is
    /// needed.
    pub fn begin(&mut self, location: &Location, read: bool) -> io::Result<Option<Bytes>> {
        let position = Position {
            next: location.number,
            tried: true,
        };
        if self.position != position {
            self.cursor.write(position)?;
            self.position = position;
        }
        if !read {
            return Ok(None);
        }
        let record = segment::read(&self.folder, location)?;
        format::decode(&record, location.number).map(Some)
    }

    /// Notes that a batch is settled, and removes what is not needed any more.
    pub fn settle(&mut self, number: u64) -> io::Result<()> {
        self.position = Position {
            next: number + 1,
            tried: false,
        };
        let noted = self.cursor.write(self.position);
        let kept = usize::from(self.newest.is_some());
        while self.segments.len() > kept && self.segments[0].end <= self.position.next {
            self.remove_oldest()?;
        }
        // All is delivered: what is cut off before the kernel wrote it to the
        // disk never gets there.
        if let (Some(file), Some(newest)) = (&self.newest, self.segments.back_mut())
            && newest.end <= self.position.next
            && newest.bytes > 0
        {
            file.set_len(FILE_HEADER as u64)?;
            self.bytes -= std::mem::take(&mut newest.bytes);
        }
        noted
    }

    /// Bytes of all batches, as they are on disk.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many they may become.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Number of the first batch that is there.
    fn oldest(&self) -> u64 {
        // A segment that was emptied goes on under its old name.
        let first = self.segments.iter().find(|segment| segment.bytes > 0);
        first.map_or(self.next, |segment| segment.name.max(self.position.next))
    }

    fn remove_oldest(&mut self) -> io::Result<()> {
        let Some(oldest) = self.segments.front() else {
            return Ok(());
        };
        match fs::remove_file(segment::path(&self.folder, oldest.name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.bytes -= oldest.bytes;
        self.segments.pop_front();
        if self.segments.is_empty() {
            self.newest = None;
        }
        Ok(())
    }

    /// Makes the segment that is written to, if there is none.
    fn need_newest(&mut self) -> io::Result<()> {
        if self.newest.is_none() {
            self.newest = Some(segment::create(&self.folder, self.next)?);
            self.segments.push_back(Segment {
                name: self.next,
                end: self.next,
                bytes: 0,
            });
        }
        Ok(())
    }
}

impl std::fmt::Debug for Spool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Spool");
        shown.field("folder", &self.folder);
        shown.field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
