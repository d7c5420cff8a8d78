//! /proc/stat and /proc/uptime (proc_stat(5), proc_uptime(5); fs/proc/stat.c).

use super::{Malformed, text};
use crate::process::identity::NS_PER_TICK;

/// Modes of the `cpu` line, in its order.
pub const CPU_MODES: [&str; 8] = [
    "user",
    "nice",
    "system",
    "idle",
    "iowait",
    "interrupt",
    "softirq",
    "steal",
];

/// What procmon takes from /proc/stat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SystemStat {
    /// Time of all CPUs by [`CPU_MODES`], ns. The time of guests is part of
    /// user and nice.
    pub cpu_ns: [u64; CPU_MODES.len()],
    /// Boot, seconds of Unix time.
    pub btime: u64,
    /// Forks and clones since boot.
    pub forks: u64,
    /// Threads running or runnable.
    pub running: u64,
    /// CPUs that have a line: those online.
    pub cpus: u64,
}

/// Reads /proc/stat.
pub fn parse(text: &[u8]) -> Result<SystemStat, Malformed> {
    let mut stat = SystemStat::default();
    let mut found = 0u8;
    for line in text::lines(text) {
        let mut fields = text::fields(line);
        let Some(key) = fields.next() else { continue };
        let bad = || Malformed::new("numbers", line);
        let bit = match key {
            b"cpu" => {
                for mode in &mut stat.cpu_ns {
                    let ticks = fields.next().and_then(text::number).ok_or_else(bad)?;
                    *mode = ticks.checked_mul(NS_PER_TICK).ok_or_else(bad)?;
                }
                1
            }
            b"btime" => {
                stat.btime = fields.next().and_then(text::number).ok_or_else(bad)?;
                2
            }
            b"processes" => {
                stat.forks = fields.next().and_then(text::number).ok_or_else(bad)?;
                4
            }
            b"procs_running" => {
                stat.running = fields.next().and_then(text::number).ok_or_else(bad)?;
                8
            }
            _ => {
                if key.starts_with(b"cpu") {
                    stat.cpus += 1;
                }
                0
            }
        };
        found |= bit;
    }
    if found != 15 {
        return Err(Malformed::new(
            "lines cpu, btime, processes and procs_running",
            text,
        ));
    }
    Ok(stat)
}

/// Time since boot, ns, to 1/100 s: the first number of /proc/uptime.
pub fn parse_uptime(text: &[u8]) -> Result<u64, Malformed> {
    let mut fields = text::fields(text);
    match (fields.next().and_then(text::nanos), fields.next()) {
        (Some(uptime), Some(_)) => Ok(uptime),
        _ => Err(Malformed::new("two numbers of seconds", text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &[u8] = b"cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1 2 3 4 5 6 7 8 9 10\n\
        cpu3 1 2 3 4 5 6 7 8 9 10\nintr 1 2 3\nctxt 9\nbtime 1700000000\n\
        processes 12681\nprocs_running 1\nprocs_blocked 0\n";

    #[test]
    fn times_are_nanoseconds() {
        let stat = parse(TEXT).unwrap();
        assert_eq!(
            stat.cpu_ns,
            [1, 2, 3, 4, 5, 6, 7, 8].map(|t| t * 10_000_000)
        );
        assert_eq!((stat.btime, stat.forks), (1_700_000_000, 12_681));
        assert_eq!((stat.running, stat.cpus), (1, 2));
        assert_eq!(parse_uptime(b"1197.05 1824.37\n"), Ok(1_197_050_000_000));
    }

    #[test]
    fn our_own() {
        let stat = parse(&std::fs::read("/proc/stat").unwrap()).unwrap();
        assert!(stat.cpus >= 1 && stat.forks >= 1 && stat.running >= 1);
        assert!(parse_uptime(&std::fs::read("/proc/uptime").unwrap()).unwrap() > 0);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, at in 0usize..TEXT.len()) {
            let _ = (parse(&bytes), parse_uptime(&bytes));
            let _ = parse(&TEXT[..at]);
        }
    }
}
