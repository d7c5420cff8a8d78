//! A history as bytes, to outlive the process that has kept it.
//!
//! The bytes are a mark, the version of the format, and a zstd frame whose
//! checksum is part of it: what is cut off or altered is found out. Only a
//! history of the same boot is of use, since start times count from there.

use std::borrow::Cow;
use std::io::{self, Read as _, Write as _};
use std::sync::Arc;

use thiserror::Error;

use super::{GroupKey, History, Metered};
use crate::analysis::history::ring::Ring;
use crate::analysis::history::series::Series;
use crate::process::ProcessId;

const MARK: &[u8] = b"procmon history ";
/// The format that is written, and the only one that is read.
const VERSION: u16 = 1;
/// The least work for the compressor: most of the bytes are small already.
const LEVEL: i32 = 1;

/// Why bytes are no history to go on with.
#[derive(Debug, Error)]
pub enum SnapshotError {
    /// Something else.
    #[error("this is not a history of procmon's")]
    Other,
    /// The format of another version.
    #[error("another version of procmon has written it, in format {0}; this one reads {VERSION}")]
    Version(u16),
    /// Of a time when other processes lived.
    #[error("it is of another boot of this host")]
    Boot,
    /// Not what was written.
    #[error("it is damaged: {0}")]
    Damaged(String),
}

/// A history as it is between two frames.
#[derive(Clone, Debug, Default)]
pub struct Snapshot(Vec<u8>);

impl History {
    /// What it holds, of this boot.
    pub fn snapshot(&self, boot_id: &str) -> Snapshot {
        let mut out = Vec::with_capacity(self.bytes());
        put_text(&mut out, boot_id);
        put_len(&mut out, self.times.len());
        for time in &self.times {
            out.extend(time.to_le_bytes());
        }
        put_len(&mut out, self.processes.len());
        for (id, series) in &self.processes {
            out.extend(id.pid.to_le_bytes());
            out.extend(id.start_ticks.to_le_bytes());
            series.ring().encode(&mut out);
        }
        put_len(&mut out, self.groups.len());
        for ((by, name), group) in &self.groups {
            put_text(&mut out, by);
            put_text(&mut out, name);
            group.series.ring().encode(&mut out);
        }
        self.host.series.ring().encode(&mut out);
        Snapshot(out)
    }

    /// Takes over what bytes hold; it has to be as new.
    ///
    /// # Errors
    /// When the bytes are not what a [`Snapshot`] of this boot has written.
    /// Nothing has been taken over then.
    pub fn restore(&mut self, bytes: &[u8], boot_id: &str) -> Result<(), SnapshotError> {
        let plain = plain(bytes)?;
        let mut rest = Reader(&plain);
        if rest.text()? != boot_id {
            return Err(SnapshotError::Boot);
        }
        let mut times = Vec::new();
        for _ in 0..rest.len()? {
            times.push(u64::from_le_bytes(rest.array()?));
        }
        let mut processes = Vec::new();
        for _ in 0..rest.len()? {
            let id = ProcessId {
                pid: u32::from_le_bytes(rest.array()?),
                start_ticks: u64::from_le_bytes(rest.array()?),
            };
            processes.push((id, rest.series()?));
        }
        let mut groups: Vec<(GroupKey, Series)> = Vec::new();
        for _ in 0..rest.len()? {
            let by = Cow::Owned(rest.text()?.to_owned());
            let name = Arc::from(rest.text()?);
            groups.push(((by, name), rest.series()?));
        }
        let host = rest.series()?;
        if !rest.0.is_empty() {
            return Err(damaged("there is more than belongs there"));
        }
        let metered = |series| Metered {
            series,
            ..Metered::default()
        };
        self.times.extend(times);
        self.processes.extend(processes);
        let groups = groups.into_iter();
        self.groups
            .extend(groups.map(|(key, series)| (key, metered(series))));
        self.host = metered(host);
        self.trim();
        Ok(())
    }
}

impl Snapshot {
    /// Writes it.
    ///
    /// # Errors
    /// What the writer says.
    pub fn write(&self, mut out: impl io::Write) -> io::Result<()> {
        out.write_all(MARK)?;
        out.write_all(&VERSION.to_le_bytes())?;
        let mut encoder = zstd::Encoder::new(out, LEVEL)?;
        encoder.include_checksum(true)?;
        encoder.write_all(&self.0)?;
        encoder.finish()?.flush()
    }
}

/// What stands in the frame.
fn plain(bytes: &[u8]) -> Result<Vec<u8>, SnapshotError> {
    let rest = bytes.strip_prefix(MARK).ok_or(SnapshotError::Other)?;
    let (version, frame) = rest.split_first_chunk().ok_or(SnapshotError::Other)?;
    let version = u16::from_le_bytes(*version);
    if version != VERSION {
        return Err(SnapshotError::Version(version));
    }
    let mut plain = Vec::new();
    zstd::Decoder::new(frame)
        .and_then(|mut decoder| decoder.read_to_end(&mut plain))
        .map_err(damaged)?;
    Ok(plain)
}

pub fn damaged(why: impl ToString) -> SnapshotError {
    SnapshotError::Damaged(why.to_string())
}

fn put_len(out: &mut Vec<u8>, len: usize) {
    // Bounded by the memory that a history may take.
    out.extend((len as u32).to_le_bytes());
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_len(out, text.len());
    out.extend(text.as_bytes());
}

/// Bytes that are yet to be read.
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub fn bytes(&mut self, len: usize) -> Result<&'a [u8], SnapshotError> {
        let split = self.0.split_at_checked(len);
        let (bytes, rest) = split.ok_or_else(|| damaged("it ends too early"))?;
        self.0 = rest;
        Ok(bytes)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], SnapshotError> {
        let bytes = self.bytes(N)?;
        bytes.try_into().map_err(damaged)
    }

    pub fn len(&mut self) -> Result<usize, SnapshotError> {
        Ok(u32::from_le_bytes(self.array()?) as usize)
    }

    fn text(&mut self) -> Result<&'a str, SnapshotError> {
        let len = self.len()?;
        std::str::from_utf8(self.bytes(len)?).map_err(damaged)
    }

    fn series(&mut self) -> Result<Series, SnapshotError> {
        Ok(Series::of(Ring::decode(self)?))
    }
}
