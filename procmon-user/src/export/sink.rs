//! Where text goes: a file or standard output.
//!
//! A sink takes whole records (a block of the report, a line of JSON). A record
//! is written whole or not at all: what a failing write left of one is taken
//! back, or closed by a newline where it cannot be.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a non-blocking standard output may keep us waiting.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long to wait before asking it again.
const PAUSE: Duration = Duration::from_millis(10);

/// Why a sink takes nothing.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The folder the file should stand in does not exist.
    #[error("cannot write {}: there is no folder {}", path.display(), folder.display())]
    NoFolder {
        /// The file.
        path: PathBuf,
        /// The folder.
        folder: PathBuf,
    },
    /// The file cannot be opened.
    #[error("cannot open {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Whoever read it has gone: the normal end of this consumer.
    #[error("the reader of {name} has gone")]
    Closed {
        /// The target.
        name: String,
    },
}

/// What a sink needs of its target; a file, but for tests.
trait Target: Write + Send {
    /// The length, if it is a file that can be cut.
    fn length(&self) -> Option<u64>;
    /// Cuts it to `length`, and goes on there.
    fn cut(&mut self, length: u64) -> io::Result<()>;
}

impl Target for File {
    fn length(&self) -> Option<u64> {
        let metadata = self.metadata().ok()?;
        metadata.is_file().then_some(metadata.len())
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)?;
        self.seek(SeekFrom::Start(length)).map(drop)
    }
}

/// A target for records of text, buffered between two calls of [`Sink::flush`].
pub struct Sink {
    target: Box<dyn Target>,
    name: String,
    /// What a record is called in messages: "lines", "blocks".
    records: &'static str,
    buffer: Vec<u8>,
    /// Where each record in `buffer` ends.
    ends: Vec<usize>,
    /// The target ends in a piece of a record.
    torn: bool,
    /// Records lost since writing began to fail; `None` while it works.
    failing: Option<u64>,
    lost: u64,
}

impl Sink {
    /// Opens `path` for appending, making the file but not its folder; `-` is
    /// standard output. `records` is what messages call a record.
    pub fn open(path: &Path, records: &'static str) -> Result<Self, SinkError> {
        if path == Path::new("-") {
            let file = io::stdout()
                .as_fd()
                .try_clone_to_owned()
                .map_err(|source| SinkError::Open {
                    path: PathBuf::from("standard output"),
                    source,
                })?;
            let name = "standard output".to_owned();
            return Ok(Self::new(Box::new(File::from(file)), name, records));
        }
        let file = OpenOptions::new().append(true).create(true).open(path);
        let file = file.map_err(|source| match path.parent() {
            Some(folder)
                if source.kind() == ErrorKind::NotFound
                    && !folder.as_os_str().is_empty()
                    && !folder.exists() =>
            {
                SinkError::NoFolder {
                    path: path.to_owned(),
                    folder: folder.to_owned(),
                }
            }
            _ => SinkError::Open {
                path: path.to_owned(),
                source,
            },
        })?;
        let name = path.display().to_string();
        Ok(Self::new(Box::new(file), name, records))
    }

    fn new(target: Box<dyn Target>, name: String, records: &'static str) -> Self {
        Self {
            target,
            name,
            records,
            buffer: Vec::new(),
            ends: Vec::new(),
            torn: false,
            failing: None,
            lost: 0,
        }
    }

    /// Where to append the bytes of the record at hand.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Ends the record at hand.
    pub fn end_record(&mut self) {
        self.ends.push(self.buffer.len());
    }

    /// Whether anything stands before the first record.
    pub fn is_empty(&self) -> bool {
        self.target.length().unwrap_or(0) == 0
    }

    /// How many records could not be written so far.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Writes the records out. A full disk and its like are no error: what is
    /// lost is counted and said once, and the next flush tries again. The only
    /// error is [`SinkError::Closed`].
    pub fn flush(&mut self) -> Result<(), SinkError> {
        let before = self.target.length();
        let result = self.write_all();
        let total = self.ends.len();
        self.buffer.clear();
        let (written, error) = match result {
            Ok(()) => {
                if total > 0 {
                    self.recovered();
                }
                self.ends.clear();
                return Ok(());
            }
            Err(failure) => failure,
        };
        let whole = self.ends.partition_point(|end| *end <= written);
        let kept = whole.checked_sub(1).map_or(0, |last| self.ends[last]);
        self.ends.clear();
        if error.kind() == ErrorKind::BrokenPipe {
            let name = self.name.clone();
            return Err(SinkError::Closed { name });
        }
        if written > kept {
            self.torn = !self.take_back(before, written, kept);
        }
        self.failed((total - whole) as u64, &error);
        Ok(())
    }

    /// Writes the buffer; on an error, how much of it has been written.
    fn write_all(&mut self) -> Result<(), (usize, io::Error)> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        if self.torn {
            self.write_from(&mut 0, b"\n").map_err(|error| (0, error))?;
            self.torn = false;
        }
        let buffer = std::mem::take(&mut self.buffer);
        let mut written = 0;
        let result = self.write_from(&mut written, &buffer);
        self.buffer = buffer;
        result.map_err(|error| (written, error))
    }

    fn write_from(&mut self, written: &mut usize, bytes: &[u8]) -> io::Result<()> {
        let mut waited = Duration::ZERO;
        while *written < bytes.len() {
            match self.target.write(&bytes[*written..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => {
                    *written += count;
                    waited = Duration::ZERO;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock && waited < PATIENCE => {
                    std::thread::sleep(PAUSE);
                    waited += PAUSE;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Cuts off the piece of a record behind the `kept` bytes of whole ones;
    /// not where somebody else has written to the file meanwhile.
    fn take_back(&mut self, before: Option<u64>, written: usize, kept: usize) -> bool {
        let Some(before) = before else {
            return false;
        };
        self.target.length() == Some(before + written as u64)
            && self.target.cut(before + kept as u64).is_ok()
    }

    fn failed(&mut self, lost: u64, error: &io::Error) {
        self.lost += lost;
        match &mut self.failing {
            Some(since) => *since += lost,
            None => {
                log::error!(
                    "{}: {error}; {} are lost until it can be written again",
                    self.name,
                    self.records
                );
                self.failing = Some(lost);
            }
        }
    }

    fn recovered(&mut self) {
        if let Some(lost) = self.failing.take() {
            log::error!(
                "{}: written again; {lost} {} were lost",
                self.name,
                self.records
            );
        }
    }
}

impl Drop for Sink {
    /// What was lost to the end is said at the end.
    fn drop(&mut self) {
        if let Some(lost) = self.failing {
            log::error!("{}: {lost} {} were lost", self.name, self.records);
        }
    }
}

#[cfg(test)]
mod tests;
