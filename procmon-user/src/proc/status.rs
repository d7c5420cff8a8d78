//! /proc/PID/status (proc_pid_status(5); fs/proc/array.c and task_mmu.c).

use super::{Malformed, text};

/// What procmon takes from the file; sizes in bytes. Lines that are not there
/// (kernel threads and zombies have no `Vm` lines) are `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Thread group id.
    pub tgid: Option<u32>,
    /// Pid in the innermost namespace it is in.
    pub innermost_pid: Option<u32>,
    /// Real user id.
    pub user_id: Option<u32>,
    /// Largest resident set so far.
    pub vm_hwm: Option<u64>,
    /// Resident set.
    pub vm_rss: Option<u64>,
    /// Its anonymous part.
    pub rss_anon: Option<u64>,
    /// Its part from files.
    pub rss_file: Option<u64>,
    /// Its shared part: shmem and shared anonymous mappings.
    pub rss_shmem: Option<u64>,
    /// Page tables.
    pub vm_pte: Option<u64>,
    /// Swapped out.
    pub vm_swap: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
    /// Voluntary context switches of this thread alone.
    pub voluntary_switches: Option<u64>,
    /// Involuntary context switches of this thread alone.
    pub involuntary_switches: Option<u64>,
}

/// Reads the file. The kernel escapes newlines in the name, so no name can
/// pass for a line.
pub fn parse(text: &[u8]) -> Result<Status, Malformed> {
    let mut status = Status::default();
    for line in text::lines(text) {
        let Some((key, value)) = text::key_value(line) else {
            continue;
        };
        let bad = || Malformed::new("a value of /proc/PID/status", line);
        let plain = |value| text::number(value).ok_or_else(bad);
        let kilobytes = |value| text::kilobytes(value).ok_or_else(bad);
        let first = |value| text::fields(value).next().and_then(text::number32);
        let last = |value| text::fields(value).last().and_then(text::number32);
        match key {
            b"Tgid" => status.tgid = Some(first(value).ok_or_else(bad)?),
            b"NSpid" => status.innermost_pid = Some(last(value).ok_or_else(bad)?),
            b"Uid" => status.user_id = Some(first(value).ok_or_else(bad)?),
            b"VmHWM" => status.vm_hwm = Some(kilobytes(value)?),
            b"VmRSS" => status.vm_rss = Some(kilobytes(value)?),
            b"RssAnon" => status.rss_anon = Some(kilobytes(value)?),
            b"RssFile" => status.rss_file = Some(kilobytes(value)?),
            b"RssShmem" => status.rss_shmem = Some(kilobytes(value)?),
            b"VmPTE" => status.vm_pte = Some(kilobytes(value)?),
            b"VmSwap" => status.vm_swap = Some(kilobytes(value)?),
            b"Threads" => status.threads = Some(plain(value)?),
            b"voluntary_ctxt_switches" => status.voluntary_switches = Some(plain(value)?),
            b"nonvoluntary_ctxt_switches" => status.involuntary_switches = Some(plain(value)?),
            _ => {}
        }
    }
    if status.tgid.is_none() {
        return Err(Malformed::new("a line Tgid", text));
    }
    Ok(status)
}

/// The CPUs it may run on, as a list (cpuset(7)): its affinity within its
/// cpuset, what sched_getaffinity(2) tells.
pub fn cpus_allowed(text: &[u8]) -> Option<&[u8]> {
    text::lines(text)
        .filter_map(text::key_value)
        .find(|(key, _)| *key == b"Cpus_allowed_list")
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &[u8] = b"Name:\ta\\nTgid:\t9\nTgid:\t7\nPid:\t7\nUid:\t1000\t0\t0\t0\n\
        NSpid:\t7\t1\nVmHWM:\t    1620 kB\nVmRSS:\t    1616 kB\nRssAnon:\t     112 kB\n\
        RssFile:\t    1504 kB\nRssShmem:\t       0 kB\nVmPTE:\t      44 kB\n\
        VmSwap:\t       8 kB\nThreads:\t3\nCpus_allowed_list:\t0-1\n\
        voluntary_ctxt_switches:\t5\nnonvoluntary_ctxt_switches:\t6\n";

    #[test]
    fn lines_are_found_by_their_keys() {
        let status = parse(TEXT).unwrap();
        assert_eq!(
            status,
            Status {
                tgid: Some(7),
                innermost_pid: Some(1),
                user_id: Some(1000),
                vm_hwm: Some(1620 << 10),
                vm_rss: Some(1616 << 10),
                rss_anon: Some(112 << 10),
                rss_file: Some(1504 << 10),
                rss_shmem: Some(0),
                vm_pte: Some(44 << 10),
                vm_swap: Some(8 << 10),
                threads: Some(3),
                voluntary_switches: Some(5),
                involuntary_switches: Some(6),
            }
        );
        assert_eq!(cpus_allowed(TEXT), Some(&b"0-1"[..]));
    }

    #[test]
    fn a_zombie_has_no_memory_lines() {
        let status = parse(b"Name:\tx\nTgid:\t7\nThreads:\t1\n").unwrap();
        assert_eq!((status.rss_anon, status.threads), (None, Some(1)));
    }

    #[test]
    fn what_is_not_a_number_is_named() {
        let error = parse(b"Tgid:\t7\nVmHWM:\t12 MB\n").unwrap_err();
        assert!(error.found.contains("12 MB"));
        assert!(parse(b"").is_err());
    }

    #[test]
    fn our_own() {
        let text = std::fs::read("/proc/self/status").unwrap();
        let status = parse(&text).unwrap();
        assert_eq!(status.tgid, Some(std::process::id()));
        let kinds = [status.rss_anon, status.rss_file, status.rss_shmem];
        assert_eq!(
            status.vm_rss,
            Some(kinds.into_iter().map(Option::unwrap).sum())
        );
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, key in 0usize..17, value: Vec<u8>) {
            let _ = parse(&bytes);
            let mut text = text::lines(TEXT).nth(key).unwrap_or(b"").to_vec();
            text.extend_from_slice(&value);
            text.push(b'\n');
            let _ = (parse(&text), cpus_allowed(&text));
        }
    }
}
