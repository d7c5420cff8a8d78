//! Opening the spool: taking it for oneself, and looking through what is there.

use std::collections::VecDeque;
use std::fs::{self, DirBuilder, OpenOptions};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use super::cursor::{Cursor, Position};
use super::format::{self, Record};
use super::segment::{self, Segment, Whole};
use super::{Location, Spool, SpoolError, SpoolSettings};
use crate::export::otlp::Signal;
use crate::file_lock::{FileLock, LockError};

/// A batch of before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where it is.
    pub location: Location,
    /// How long it is.
    pub len: usize,
    /// Points, log records or spans in it.
    pub items: u64,
}

/// A spool, and what was in it.
#[derive(Debug)]
pub struct Opened {
    /// The spool.
    pub spool: Spool,
    /// What was not settled, the oldest first.
    pub found: Vec<Found>,
    /// Batches that were there and cannot be read.
    pub lost: u64,
    /// The first was tried, and may have arrived.
    pub tried: bool,
}

impl Spool {
    /// Opens the spool of a signal, and makes it if it is not there.
    ///
    /// # Errors
    /// When it is another procmon's, of another version, or cannot be written.
    /// It is then left as it is.
    pub fn open(settings: &SpoolSettings, of: Signal) -> Result<Opened, SpoolError> {
        let folder = settings.state_dir.join(of.spool());
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(SpoolError::io("make", &folder))?;
        let lock = folder.join("lock");
        let lock = FileLock::take(&lock).map_err(|error| match error {
            LockError::Held { .. } => SpoolError::Shared {
                folder: folder.clone(),
                held: error,
            },
            LockError::Io(error) => SpoolError::io("write", &lock)(error),
        })?;
        let path = folder.join("cursor");
        let cursor = Cursor::open(&path).map_err(SpoolError::io("write", &path))?;
        let position = cursor.read().map_err(SpoolError::io("read", &path))?;
        let position = position.or_else(|error| match SpoolError::of_header(&path, error) {
            Some(error) => Err(error),
            None => Ok(Position::default()),
        })?;
        let looked = Looked::through(&folder, position)?;
        // Only now that nothing can be refused any more.
        cursor
            .write(position)
            .map_err(SpoolError::io("write", &path))?;
        for (name, len) in looked.damaged_ends {
            let path = segment::path(&folder, name);
            let file = OpenOptions::new().write(true).open(&path);
            file.and_then(|file| file.set_len(len))
                .map_err(SpoolError::io("write", &path))?;
        }
        for name in looked.useless {
            let path = segment::path(&folder, name);
            fs::remove_file(&path).map_err(SpoolError::io("remove", &path))?;
        }
        let first = looked.found.first();
        let tried =
            position.tried && first.is_some_and(|first| first.location.number == position.next);
        let compressor =
            format::compressor().map_err(SpoolError::io("compress what goes to", &folder))?;
        let spool = Self {
            limit: settings.max_size,
            bytes: looked.segments.iter().map(|segment| segment.bytes).sum(),
            segments: looked.segments,
            newest: None,
            position,
            next: looked.next,
            cursor,
            compressor,
            record: Vec::new(),
            folder,
            _lock: lock,
        };
        Ok(Opened {
            spool,
            found: looked.found,
            lost: looked.lost,
            tried,
        })
    }
}

/// What is in the segments.
#[derive(Debug, Default)]
struct Looked {
    segments: VecDeque<Segment>,
    found: Vec<Found>,
    /// Names of segments without anything to deliver.
    useless: Vec<u64>,
    /// Names of segments whose end is cut off, so that it is counted once, and
    /// how long they are without it.
    damaged_ends: Vec<(u64, u64)>,
    lost: u64,
    /// The number after the last one.
    next: u64,
    /// Something that is no record was seen, and no number since.
    damaged: bool,
}

impl Looked {
    fn through(folder: &Path, position: Position) -> Result<Self, SpoolError> {
        let mut looked = Self {
            next: position.next,
            ..Self::default()
        };
        let mut end = 0;
        for name in segment::names(folder).map_err(SpoolError::io("read", folder))? {
            let path = segment::path(folder, name);
            let bytes = fs::read(&path).map_err(SpoolError::io("read", &path))?;
            let found = match segment::scan(&bytes) {
                Ok(found) => found,
                Err(error) => match SpoolError::of_header(&path, error) {
                    Some(error) => return Err(error),
                    None => segment::Found::default(),
                },
            };
            looked.add(name, &found.records);
            if found.damaged {
                looked.damaged = true;
                looked.damaged_ends.push((name, found.whole_len()));
            }
            end = found
                .records
                .last()
                .map_or(end, |last| last.record.number + 1);
        }
        // No number behind it tells how many it cost; it may have been delivered.
        if looked.damaged && end >= position.next {
            looked.lost += 1;
            looked.next += 1;
        }
        Ok(looked)
    }

    fn add(&mut self, name: u64, records: &[Whole]) {
        let mut bytes = 0;
        let begun = self.found.len();
        for whole in records {
            let Record { number, len, .. } = whole.record;
            bytes += len as u64;
            // Batches are numbered: those behind a damage tell what it cost.
            if std::mem::take(&mut self.damaged) || whole.after_damage {
                self.lost += number.saturating_sub(self.next);
            }
            if number < self.next {
                continue;
            }
            self.next = number + 1;
            self.found.push(Found {
                location: Location {
                    number,
                    segment: name,
                    offset: whole.offset,
                    len,
                },
                len: whole.record.batch_len,
                items: whole.record.items,
            });
        }
        if self.found.len() == begun {
            self.useless.push(name);
            return;
        }
        self.segments.push_back(Segment {
            name,
            end: self.next,
            bytes,
        });
    }
}
