//! /proc/PID/io (proc_pid_io(5); do_io_accounting of fs/proc/base.c): all
//! threads of the process, live and dead.

use super::{Malformed, text};

/// The file's counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Io {
    /// Bytes read by system calls.
    pub read_chars: u64,
    /// Bytes written by system calls.
    pub write_chars: u64,
    /// Read system calls.
    pub read_calls: u64,
    /// Write system calls.
    pub write_calls: u64,
    /// Bytes fetched from the storage layer.
    pub read_bytes: u64,
    /// Bytes sent to the storage layer.
    pub write_bytes: u64,
}

/// Reads the file.
pub fn parse(text: &[u8]) -> Result<Io, Malformed> {
    let mut io = Io::default();
    let mut found = 0u8;
    for line in text::lines(text) {
        let Some((key, value)) = text::key_value(line) else {
            continue;
        };
        let (field, bit) = match key {
            b"rchar" => (&mut io.read_chars, 1),
            b"wchar" => (&mut io.write_chars, 2),
            b"syscr" => (&mut io.read_calls, 4),
            b"syscw" => (&mut io.write_calls, 8),
            b"read_bytes" => (&mut io.read_bytes, 16),
            b"write_bytes" => (&mut io.write_bytes, 32),
            _ => continue,
        };
        *field = text::number(value).ok_or_else(|| Malformed::new("a number", line))?;
        found |= bit;
    }
    if found != 63 {
        return Err(Malformed::new("six counters", text));
    }
    Ok(io)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &[u8] = b"rchar: 6976\nwchar: 1\nsyscr: 10\nsyscw: 2\nread_bytes: 4096\n\
        write_bytes: 8192\ncancelled_write_bytes: 0\n";

    #[test]
    fn six_counters() {
        assert_eq!(
            parse(TEXT).unwrap(),
            Io {
                read_chars: 6976,
                write_chars: 1,
                read_calls: 10,
                write_calls: 2,
                read_bytes: 4096,
                write_bytes: 8192,
            }
        );
    }

    #[test]
    fn five_are_not_enough() {
        assert!(parse(b"rchar: 1\nwchar: 1\nsyscr: 1\nsyscw: 1\nread_bytes: 1\n").is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, at in 0usize..TEXT.len()) {
            let _ = parse(&bytes);
            let _ = parse(&TEXT[..at]);
        }
    }
}
