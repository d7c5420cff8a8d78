//! /proc/meminfo (proc_meminfo(5); fs/proc/meminfo.c).

use super::{Malformed, text};
use crate::frame::HostMemory;

/// Reads the file. A line that is missing is an error: 0 would be a lie.
pub fn parse(text: &[u8]) -> Result<HostMemory, Malformed> {
    let mut memory = HostMemory::default();
    let mut found = 0u16;
    for line in text::lines(text) {
        let Some((key, value)) = text::key_value(line) else {
            continue;
        };
        let (index, field) = match key {
            b"MemTotal" => (0, &mut memory.total),
            b"MemFree" => (1, &mut memory.free),
            b"MemAvailable" => (2, &mut memory.available),
            b"Buffers" => (3, &mut memory.buffers),
            b"Cached" => (4, &mut memory.cached),
            b"Active" => (5, &mut memory.active),
            b"Inactive" => (6, &mut memory.inactive),
            b"Shmem" => (7, &mut memory.shared),
            b"SReclaimable" => (8, &mut memory.slab_reclaimable),
            b"SUnreclaim" => (9, &mut memory.slab_unreclaimable),
            b"SwapTotal" => (10, &mut memory.swap_total),
            b"SwapFree" => (11, &mut memory.swap_free),
            _ => continue,
        };
        *field = text::kilobytes(value).ok_or_else(|| Malformed::new("kilobytes", line))?;
        found |= 1 << index;
    }
    const NAMES: [&str; 12] = [
        "a line MemTotal",
        "a line MemFree",
        "a line MemAvailable",
        "a line Buffers",
        "a line Cached",
        "a line Active",
        "a line Inactive",
        "a line Shmem",
        "a line SReclaimable",
        "a line SUnreclaim",
        "a line SwapTotal",
        "a line SwapFree",
    ];
    match NAMES.get(found.trailing_ones() as usize) {
        Some(missing) => Err(Malformed::new(missing, text)),
        None => Ok(memory),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &[u8] = b"MemTotal:  100 kB\nMemFree: 1 kB\nMemAvailable: 2 kB\nBuffers: 3 kB\n\
        Cached: 4 kB\nSwapCached: 99 kB\nActive: 5 kB\nInactive: 6 kB\nActive(anon): 99 kB\n\
        SwapTotal: 10 kB\nSwapFree: 11 kB\nShmem: 7 kB\nSReclaimable: 8 kB\nSUnreclaim: 9 kB\n\
        HugePages_Total:       0\n";

    #[test]
    fn sizes_are_bytes() {
        let memory = parse(TEXT).unwrap();
        assert_eq!(
            memory,
            HostMemory {
                total: 100 << 10,
                free: 1 << 10,
                available: 2 << 10,
                buffers: 3 << 10,
                cached: 4 << 10,
                active: 5 << 10,
                inactive: 6 << 10,
                shared: 7 << 10,
                slab_reclaimable: 8 << 10,
                slab_unreclaimable: 9 << 10,
                swap_total: 10 << 10,
                swap_free: 11 << 10,
            }
        );
    }

    #[test]
    fn the_missing_line_is_named() {
        let error = parse(b"MemTotal:  100 kB\nBuffers: 3 kB\n").unwrap_err();
        assert_eq!(error.expected, "a line MemFree");
    }

    #[test]
    fn our_own() {
        let memory = parse(&std::fs::read("/proc/meminfo").unwrap()).unwrap();
        assert!(memory.free <= memory.available.max(memory.free) && memory.free < memory.total);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, at in 0usize..TEXT.len()) {
            let _ = parse(&bytes);
            let _ = parse(&TEXT[..at]);
        }
    }
}
