//! /proc/PID/smaps (proc_pid_smaps(5); show_smap of fs/proc/task_mmu.c): what
//! the mappings of each kind hold.
//!
//! Beside what smaps_rollup costs, the kernel writes 800 bytes a mapping: 5 us
//! each (measured on a kernel 6.18, 3,000 mappings: 29 ms, rollup 11).

use super::{Error, Malformed, ProcessDir, text};
use crate::process::MappingUsage;

/// Reads the file.
pub fn parse(text: &[u8]) -> Result<MappingUsage, Malformed> {
    let mut usage = MappingUsage::default();
    let mut lent = 0;
    let mut kind: Option<&mut u64> = None;
    for line in text::lines(text) {
        // Field names begin with a capital letter, addresses do not.
        if !line.first().is_some_and(u8::is_ascii_uppercase) {
            kind = Some(kind_of(line, &mut usage, &mut lent)?);
            continue;
        }
        let Some((b"Rss" | b"Shared_Hugetlb" | b"Private_Hugetlb", value)) = text::key_value(line)
        else {
            continue;
        };
        let sum = kind
            .as_deref_mut()
            .ok_or_else(|| Malformed::new("a mapping", line))?;
        *sum = text::kilobytes(value)
            .and_then(|bytes| sum.checked_add(bytes))
            .ok_or_else(|| Malformed::new("kilobytes", line))?;
    }
    if !text.is_empty() && !text.ends_with(b"\n") {
        return Err(Malformed::new("whole lines", text));
    }
    Ok(usage)
}

/// Where the mapping of a line such as
/// `7ffd1000-7ffd3000 rw-p 00000000 00:00 0    [stack]` belongs.
fn kind_of<'a>(
    line: &[u8],
    usage: &'a mut MappingUsage,
    lent: &'a mut u64,
) -> Result<&'a mut u64, Malformed> {
    let mut fields = text::fields(line);
    let permissions = fields.nth(1).filter(|field| field.len() == 4);
    let permissions = permissions.ok_or_else(|| Malformed::new("a mapping", line))?;
    let inode = fields.nth(2).and_then(text::number);
    let inode = inode.ok_or_else(|| Malformed::new("an inode", line))?;
    let name = fields.next().unwrap_or_default();
    Ok(if permissions[3] == b's' {
        &mut usage.shared
    } else if inode != 0 {
        &mut usage.file
    } else {
        match name {
            b"[heap]" => &mut usage.heap,
            b"[stack]" => &mut usage.stack,
            _ if name.starts_with(b"[v") => lent,
            _ => &mut usage.anonymous,
        }
    })
}

/// Reads it now, whatever it costs; below the process's directory it stands
/// behind `prefix`.
pub fn read(dir: &ProcessDir<'_>, prefix: &str, buf: &mut Vec<u8>) -> Result<MappingUsage, Error> {
    let name = format!("{prefix}smaps");
    dir.read(&name, buf)?;
    parse(buf).map_err(|malformed| malformed.at(dir.path(&name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proc::ProcRoot;
    use proptest::prelude::*;

    const TEXT: &[u8] = b"00400000-00452000 r-xp 00000000 08:02 173521 /usr/bin/a b\n\
        Size: 328 kB\nRss: 1 kB\nPss: 1 kB\nVmFlags: rd ex\n\
        01000000-01100000 rw-p 00000000 00:00 0 [heap]\nRss: 2 kB\n\
        7f000000-7f100000 rw-p 00000000 00:00 0\nRss: 4 kB\nPrivate_Hugetlb: 2048 kB\n\
        7f200000-7f300000 rw-p 00000000 00:00 0 [anon:arena]\nRss: 8 kB\n\
        7f300000-7f400000 rw-s 00000000 00:01 77 /dev/zero (deleted)\nRss: 16 kB\n\
        7f500000-7f600000 r--s 00000000 08:02 78 /data\nRss: 32 kB\n\
        7ffd0000-7ffd2000 rw-p 00000000 00:00 0 [stack]\nRss: 64 kB\n\
        7ffd3000-7ffd5000 r-xp 00000000 00:00 0 [vdso]\nRss: 128 kB\n";

    #[test]
    fn mappings_are_told_apart_by_kind() {
        let expected = MappingUsage {
            heap: 2 << 10,
            stack: 64 << 10,
            anonymous: (4 + 2048 + 8) << 10,
            file: 1 << 10,
            shared: (16 + 32) << 10,
        };
        assert_eq!(parse(TEXT), Ok(expected));
        assert!(parse(b"Rss: 1 kB\n").is_err());
        assert!(parse(b"400-500 r-xp 0 08:02 x /a\n").is_err());
    }

    #[test]
    fn our_own() {
        let root = ProcRoot::system();
        let dir = ProcessDir::open(&root, std::process::id()).unwrap();
        let usage = read(&dir, "", &mut Vec::new()).unwrap();
        assert!(usage.stack > 0 && usage.file > 0 && usage.anonymous > 0);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, at in 0usize..TEXT.len()) {
            let _ = parse(&bytes);
            let _ = parse(&TEXT[..at]);
        }
    }
}
