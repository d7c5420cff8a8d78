//! /proc/PID/smaps_rollup (proc_pid_smaps(5); fs/proc/task_mmu.c).
//!
//! Reading it walks every page table under the process's mmap lock: an 8 GiB
//! process takes 48 ms, and its own mmap calls wait meanwhile. See
//! [`super::uss`] for who may be read when.

use super::{Error, Malformed, ProcessDir, text};

/// Memory by how it is shared, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rollup {
    /// Unique set size: what would come free if it ended.
    pub uss: u64,
    /// Proportional set size: every page divided by who shares it.
    pub pss: u64,
}

/// Reads the file. USS is Private_Clean + Private_Dirty + Private_Hugetlb.
pub fn parse(text: &[u8]) -> Result<Rollup, Malformed> {
    let mut rollup = Rollup::default();
    let mut found = 0u8;
    for line in text::lines(text) {
        let Some((key, value)) = text::key_value(line) else {
            continue;
        };
        let (sum, bit) = match key {
            b"Pss" => (&mut rollup.pss, 1),
            b"Private_Clean" => (&mut rollup.uss, 2),
            b"Private_Dirty" => (&mut rollup.uss, 4),
            b"Private_Hugetlb" => (&mut rollup.uss, 0),
            _ => continue,
        };
        *sum = text::kilobytes(value)
            .and_then(|bytes| sum.checked_add(bytes))
            .ok_or_else(|| Malformed::new("kilobytes", line))?;
        found |= bit;
    }
    if found != 7 {
        return Err(Malformed::new("Pss, Private_Clean, Private_Dirty", text));
    }
    Ok(rollup)
}

/// Reads it now, whatever it costs; below the process's directory it stands
/// behind `prefix`.
pub fn read(dir: &ProcessDir<'_>, prefix: &str, buf: &mut Vec<u8>) -> Result<Rollup, Error> {
    let name = format!("{prefix}smaps_rollup");
    dir.read(&name, buf)?;
    parse(buf).map_err(|malformed| malformed.at(dir.path(&name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proc::ProcRoot;
    use proptest::prelude::*;

    const TEXT: &[u8] = b"5591e3565000-7ffdbcc68000 ---p 00000000 00:00 0     [rollup]\n\
        Rss:                1764 kB\nPss:                 447 kB\nPss_Dirty:           112 kB\n\
        Private_Clean:        92 kB\nPrivate_Dirty:       112 kB\nPrivate_Hugetlb:    2048 kB\n";

    #[test]
    fn unique_is_private() {
        let expected = Rollup {
            uss: (92 + 112 + 2048) << 10,
            pss: 447 << 10,
        };
        assert_eq!(parse(TEXT), Ok(expected));
        assert!(parse(b"Pss:  1 kB\n").is_err());
    }

    #[test]
    fn our_own() {
        let root = ProcRoot::system();
        let dir = ProcessDir::open(&root, std::process::id()).unwrap();
        let rollup = read(&dir, "", &mut Vec::new()).unwrap();
        assert!(rollup.uss > 0 && rollup.pss >= rollup.uss);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, at in 0usize..TEXT.len()) {
            let _ = parse(&bytes);
            let _ = parse(&TEXT[..at]);
        }
    }
}
