//! Where text goes: a file or standard output.
//!
//! A sink takes whole records (a block of the report, a line of JSON). A record
//! is written whole or not at all, into one file: what a failing write left of
//! one is taken back, or closed by a newline where it cannot be.

mod place;
mod rotation;
mod target;

use std::io::{self, ErrorKind};
use std::time::Duration;

use log::Level;

pub use place::{Place, SinkError};
pub use rotation::Rotation;
pub use target::Say;
use target::{NamedFile, Target, stdout};

/// How long a non-blocking standard output may keep us waiting.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long to wait before asking it again.
const PAUSE: Duration = Duration::from_millis(10);

/// A target for records of text, buffered between two calls of [`Sink::flush`].
pub struct Sink {
    target: Box<dyn Target>,
    name: String,
    /// What a record is called in messages: "lines", "blocks".
    records: &'static str,
    /// An empty line stands between two records.
    apart: bool,
    say: Say,
    buffer: Vec<u8>,
    /// Where each record in `buffer` ends.
    ends: Vec<usize>,
    /// A record has been written; a file tells by its length.
    begun: bool,
    /// The target ends in a piece of a record.
    torn: bool,
    /// Records lost since writing began to fail; `None` while it works.
    failing: Option<u64>,
    lost: u64,
}

impl Sink {
    /// Opens a place for appending, making the file but not its folder.
    /// `records` is what messages call a record.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(place: &Place, records: &'static str) -> Result<Self, SinkError> {
        Self::open_saying(place, records, |level, text| log::log!(level, "{text}"))
    }

    /// The same; trouble is told in another way than by the log.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open_saying(place: &Place, records: &'static str, say: Say) -> Result<Self, SinkError> {
        let (target, name): (Box<dyn Target>, _) = if place.is_stdout() {
            (Box::new(stdout()?), "standard output".to_owned())
        } else {
            let name = place.path.display().to_string();
            (Box::new(NamedFile::open(place, say)?), name)
        };
        let mut sink = Self::new(target, name, records);
        sink.say = say;
        Ok(sink)
    }

    fn new(target: Box<dyn Target>, name: String, records: &'static str) -> Self {
        Self {
            target,
            name,
            records,
            apart: false,
            say: |level, text| log::log!(level, "{text}"),
            buffer: Vec::new(),
            ends: Vec::new(),
            begun: false,
            torn: false,
            failing: None,
            lost: 0,
        }
    }

    /// The same with an empty line between two records.
    #[must_use]
    pub fn apart(mut self) -> Self {
        self.apart = true;
        self
    }

    /// Begins a record: where to append its bytes.
    pub fn begin_record(&mut self) -> &mut Vec<u8> {
        if self.apart {
            self.buffer.push(b'\n');
        }
        &mut self.buffer
    }

    /// Ends the record at hand.
    pub fn end_record(&mut self) {
        self.ends.push(self.buffer.len());
    }

    /// How many records could not be written so far.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Writes the records out. A full disk and its like are no error: what is
    /// lost is counted and said once, and the next flush tries again.
    ///
    /// # Errors
    /// Only [`SinkError::Closed`].
    pub fn flush(&mut self) -> Result<(), SinkError> {
        let (mut buffer, mut ends) = (
            std::mem::take(&mut self.buffer),
            std::mem::take(&mut self.ends),
        );
        let total = ends.len();
        let result = self.write_records(&buffer, &ends);
        buffer.clear();
        ends.clear();
        (self.buffer, self.ends) = (buffer, ends);
        match result {
            Ok(()) if total > 0 => self.recovered(),
            Ok(()) => {}
            Err((_, error)) if error.kind() == ErrorKind::BrokenPipe => {
                let name = self.name.clone();
                return Err(SinkError::Closed { name });
            }
            Err((written, error)) => self.failed((total - written) as u64, &error),
        }
        Ok(())
    }

    /// Writes records, as many at once as the target takes; on an error, how
    /// many have been written.
    fn write_records(&mut self, buffer: &[u8], ends: &[usize]) -> Result<(), (usize, io::Error)> {
        let mut done = 0;
        while done < ends.len() {
            let begin = done.checked_sub(1).map_or(0, |last| ends[last]);
            let next = (ends[done] - begin) as u64;
            let most = self.target.prepare(next).map_err(|error| (done, error))?;
            let fits = ends[done..].partition_point(|end| (end - begin) as u64 <= most);
            // The first has to be written wherever it is.
            let part = &ends[done..][..fits.max(1)];
            self.write_part(buffer, begin, part)
                .map_err(|(written, error)| (done + written, error))?;
            done += part.len();
        }
        Ok(())
    }

    /// Writes the records that begin at `begin` and end at `ends`.
    fn write_part(
        &mut self,
        buffer: &[u8],
        mut begin: usize,
        ends: &[usize],
    ) -> Result<(), (usize, io::Error)> {
        let is_empty = self
            .target
            .length()
            .map_or(!self.begun, |length| length == 0);
        if self.torn && !is_empty {
            self.write_from(&mut 0, b"\n").map_err(|error| (0, error))?;
        }
        self.torn = false;
        begin += usize::from(self.apart && is_empty);
        let end = ends.last().copied().unwrap_or(begin);
        let before = self.target.length();
        let mut written = 0;
        let result = self.write_from(&mut written, &buffer[begin..end]);
        self.begun |= written > 0;
        let Err(error) = result else {
            return Ok(());
        };
        let whole = ends.partition_point(|end| end - begin <= written);
        let kept = whole.checked_sub(1).map_or(0, |last| ends[last] - begin);
        if written > kept && error.kind() != ErrorKind::BrokenPipe {
            self.torn = !self.take_back(before, written, kept);
        }
        Err((whole, error))
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
                let (name, records) = (&self.name, self.records);
                (self.say)(
                    Level::Error,
                    format_args!(
                        "{name}: {error}; {records} are lost until it can be written again"
                    ),
                );
                self.failing = Some(lost);
            }
        }
    }

    fn recovered(&mut self) {
        if let Some(lost) = self.failing.take() {
            let (name, records) = (&self.name, self.records);
            (self.say)(
                Level::Error,
                format_args!("{name}: written again; {lost} {records} were lost"),
            );
        }
    }
}

impl Drop for Sink {
    /// What was lost to the end is said at the end.
    fn drop(&mut self) {
        if let Some(lost) = self.failing {
            let (name, records) = (&self.name, self.records);
            (self.say)(
                Level::Error,
                format_args!("{name}: {lost} {records} were lost"),
            );
        }
    }
}

#[cfg(test)]
mod tests;
