//! The bytes of the spool's files.
//!
//! Each file begins with a header of [`FILE_HEADER`] bytes: [`MAGIC`] and the
//! format's version. A segment then has one record after the other; numbers
//! are little-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 4 | how long the content is |
//! | 4 | CRC-32 (IEEE) of all that follows, the content too |
//! | 8 | number of the batch; each is one more than that before |
//! | 4 | how long the batch is |
//! | 4 | points, log records or spans in it |
//! | | content: the batch, a request of the spool's signal, compressed by zstd |

use std::io;

use bytes::Bytes;
use thiserror::Error;
use zstd::bulk::Compressor;

use crate::export::otlp::encode::Batch;

const MAGIC: &[u8; 14] = b"procmon spool\n";
/// The version that is written, and the only one that is read.
pub const VERSION: u16 = 1;
/// Bytes before the first record.
pub const FILE_HEADER: usize = 16;
/// Bytes of a record before its content.
pub const RECORD_HEADER: usize = 24;
/// No batch is as long: what says so is damaged.
const MOST: u32 = 256 << 20;
/// The fastest: metrics of many processes still shrink to a tenth.
const LEVEL: i32 = 1;

/// Why a file's header is not ours.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum HeaderError {
    /// Another program's file, or damaged.
    #[error("it is no spool file")]
    Foreign,
    /// Written by another version of procmon.
    #[error("it is in format {0}, and this procmon reads format {VERSION}")]
    Version(u16),
}

/// The first bytes of each file.
pub fn file_header() -> [u8; FILE_HEADER] {
    let mut header = [0; FILE_HEADER];
    header[..MAGIC.len()].copy_from_slice(MAGIC);
    header[MAGIC.len()..].copy_from_slice(&VERSION.to_le_bytes());
    header
}

/// Checks the first bytes of a file.
pub fn check_header(bytes: &[u8]) -> Result<(), HeaderError> {
    let version = bytes
        .get(..FILE_HEADER)
        .and_then(|header| header.strip_prefix(MAGIC))
        .ok_or(HeaderError::Foreign)?;
    match u16::from_le_bytes([version[0], version[1]]) {
        VERSION => Ok(()),
        other => Err(HeaderError::Version(other)),
    }
}

/// What a record's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Number of the batch.
    pub number: u64,
    /// Bytes of the whole record.
    pub len: usize,
    /// Bytes of the batch.
    pub batch_len: usize,
    /// Points, log records or spans in it.
    pub items: u64,
}

/// Makes the record of a batch.
pub fn encode(
    number: u64,
    batch: &Batch,
    compressor: &mut Compressor<'_>,
    record: &mut Vec<u8>,
) -> io::Result<()> {
    let content = compressor.compress(&batch.body)?;
    let field = |n: usize| {
        let n = u32::try_from(n).ok().filter(|n| *n <= MOST);
        n.ok_or(io::ErrorKind::FileTooLarge)
    };
    record.clear();
    record.extend_from_slice(&field(content.len())?.to_le_bytes());
    record.extend_from_slice(&[0; 4]);
    record.extend_from_slice(&number.to_le_bytes());
    record.extend_from_slice(&field(batch.body.len())?.to_le_bytes());
    let items = u32::try_from(batch.items).unwrap_or(u32::MAX);
    record.extend_from_slice(&items.to_le_bytes());
    record.extend_from_slice(&content);
    let checksum = crc32fast::hash(&record[8..]);
    record[4..8].copy_from_slice(&checksum.to_le_bytes());
    Ok(())
}

/// What the bytes at a place are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// A record.
    Whole(Record),
    /// So many bytes that are none, but are as long as one says it is.
    Altered(usize),
    /// The rest of the file is of no use.
    Broken,
}

/// Looks at the record that begins here.
pub fn parse(bytes: &[u8]) -> Parsed {
    let number = |at: usize| {
        let field = bytes.get(at..at + 4)?;
        Some(u32::from_le_bytes(field.try_into().ok()?))
    };
    let Some(len) = number(0).filter(|len| *len <= MOST) else {
        return Parsed::Broken;
    };
    let len = RECORD_HEADER + len as usize;
    let Some(record) = bytes.get(..len) else {
        return Parsed::Broken;
    };
    let fields = (number(4), number(16), number(20));
    let (Some(checksum), Some(batch_len), Some(items)) = fields else {
        return Parsed::Broken;
    };
    if crc32fast::hash(&record[8..]) != checksum {
        return Parsed::Altered(len);
    }
    let count: [u8; 8] = record[8..16].try_into().expect("eight bytes");
    Parsed::Whole(Record {
        number: u64::from_le_bytes(count),
        len,
        batch_len: batch_len as usize,
        items: items.into(),
    })
}

/// The batch in a record, as it was.
pub fn decode(record: &[u8], number: u64) -> io::Result<Bytes> {
    let altered = || io::Error::new(io::ErrorKind::InvalidData, "the record is damaged");
    match parse(record) {
        Parsed::Whole(found) if found.number == number && found.len == record.len() => {
            let content = &record[RECORD_HEADER..];
            let batch = zstd::bulk::decompress(content, found.batch_len)?;
            let whole = batch.len() == found.batch_len;
            whole.then(|| batch.into()).ok_or_else(altered)
        }
        _ => Err(altered()),
    }
}

/// A compressor for [`encode`].
pub fn compressor() -> io::Result<Compressor<'static>> {
    Compressor::new(LEVEL)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(number: u64, text: &'static str) -> Vec<u8> {
        let batch = Batch {
            body: Bytes::from_static(text.as_bytes()),
            items: 3,
        };
        let mut record = Vec::new();
        let mut compressor = Compressor::new(LEVEL).unwrap();
        encode(number, &batch, &mut compressor, &mut record).unwrap();
        record
    }

    #[test]
    fn a_record_gives_back_what_it_was_made_of() {
        let record = record(7, "a batch");
        let found = Record {
            number: 7,
            len: record.len(),
            batch_len: 7,
            items: 3,
        };
        assert_eq!(parse(&record), Parsed::Whole(found));
        assert_eq!(decode(&record, 7).unwrap(), "a batch");
        assert!(decode(&record, 8).is_err());
    }

    #[test]
    fn every_byte_that_is_altered_is_noticed() {
        let good = record(7, "a batch");
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            let parsed = parse(&bad);
            assert!(!matches!(parsed, Parsed::Whole(_)), "byte {at}: {parsed:?}");
        }
        for len in 0..good.len() {
            assert_eq!(parse(&good[..len]), Parsed::Broken, "{len} bytes");
        }
    }

    #[test]
    fn a_header_tells_other_versions_and_other_files() {
        let mut header = file_header();
        assert_eq!(check_header(&header), Ok(()));
        header[14] = 2;
        assert_eq!(check_header(&header), Err(HeaderError::Version(2)));
        assert_eq!(check_header(&header[..15]), Err(HeaderError::Foreign));
        assert_eq!(
            check_header(b"something else, longer"),
            Err(HeaderError::Foreign)
        );
    }
}
