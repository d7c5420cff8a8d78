//! How far the spool has been delivered, in a file of its own that is written
//! over in place.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use super::format::{FILE_HEADER, HeaderError, check_header, file_header};

/// Number of the batch, whether it was tried, and the CRC-32 of both.
const LEN: usize = FILE_HEADER + 8 + 1 + 4;

/// How far the spool has been delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Number of the first batch that is not settled.
    pub next: u64,
    /// It was sent, and may have arrived.
    pub tried: bool,
}

/// The file.
#[derive(Debug)]
pub struct Cursor(File);

impl Cursor {
    /// Opens the file; makes it if it is not there.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path);
        file.map(Self)
    }

    /// What it says; the beginning where it says nothing, or nothing of use.
    pub fn read(&self) -> io::Result<Result<Position, HeaderError>> {
        let mut bytes = [0; LEN];
        match self.0.read_exact_at(&mut bytes, 0) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Ok(Ok(Position::default()));
            }
            Err(error) => return Err(error),
        }
        if let Err(HeaderError::Version(version)) = check_header(&bytes) {
            return Ok(Err(HeaderError::Version(version)));
        }
        let (content, checksum) = bytes.split_at(LEN - 4);
        if checksum != crc32fast::hash(content).to_le_bytes() {
            return Ok(Ok(Position::default()));
        }
        let next: [u8; 8] = content[FILE_HEADER..][..8].try_into().expect("eight bytes");
        Ok(Ok(Position {
            next: u64::from_le_bytes(next),
            tried: content[FILE_HEADER + 8] != 0,
        }))
    }

    /// Says so from now on.
    pub fn write(&self, position: Position) -> io::Result<()> {
        let mut bytes = [0; LEN];
        bytes[..FILE_HEADER].copy_from_slice(&file_header());
        bytes[FILE_HEADER..][..8].copy_from_slice(&position.next.to_le_bytes());
        bytes[FILE_HEADER + 8] = position.tried.into();
        let checksum = crc32fast::hash(&bytes[..LEN - 4]);
        bytes[LEN - 4..].copy_from_slice(&checksum.to_le_bytes());
        self.0.write_all_at(&bytes, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_as_it_was_written_and_a_damaged_one_is_none() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let cursor = Cursor::open(file.path()).unwrap();
        assert_eq!(cursor.read().unwrap(), Ok(Position::default()));
        let position = Position {
            next: 1 << 40,
            tried: true,
        };
        cursor.write(position).unwrap();
        assert_eq!(cursor.read().unwrap(), Ok(position));
        cursor.0.write_all_at(&[9], 20).unwrap();
        assert_eq!(cursor.read().unwrap(), Ok(Position::default()));
        cursor.0.write_all_at(&[9], 14).unwrap();
        assert_eq!(cursor.read().unwrap(), Err(HeaderError::Version(9)));
    }
}
