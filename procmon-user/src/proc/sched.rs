//! What the scheduler keeps of a thread: /proc/PID/task/TID/schedstat
//! (Documentation/scheduler/sched-stats.rst), .../sched (proc_sched_show_task of
//! kernel/sched/debug.c) and the CPU clock of a process.

use super::{Malformed, text};

/// /proc/PID/schedstat: of one thread alone, also when PID is a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Schedstat {
    /// Time on a CPU, ns.
    pub on_cpu_ns: u64,
    /// Time runnable but not running, ns.
    pub run_queue_ns: u64,
}

/// Reads /proc/PID/task/TID/schedstat.
pub fn parse_schedstat(text: &[u8]) -> Result<Schedstat, Malformed> {
    let mut values = text::fields(text).map(text::number);
    match (values.next(), values.next(), values.next()) {
        (Some(Some(on_cpu_ns)), Some(Some(run_queue_ns)), Some(Some(_))) => Ok(Schedstat {
            on_cpu_ns,
            run_queue_ns,
        }),
        _ => Err(Malformed::new("three numbers", text)),
    }
}

/// What procmon takes from /proc/PID/task/TID/sched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sched {
    /// Moves to another CPU.
    pub migrations: u64,
    /// Voluntary context switches.
    pub voluntary_switches: u64,
    /// Involuntary context switches.
    pub involuntary_switches: u64,
}

/// Reads /proc/PID/task/TID/sched. It begins with the thread's name, newlines
/// and all; a name is too short to hold one of these keys.
pub fn parse_sched(text: &[u8]) -> Result<Sched, Malformed> {
    let mut sched = Sched::default();
    let mut found = 0u8;
    for line in text::lines(text) {
        let Some((key, value)) = text::key_value(line) else {
            continue;
        };
        let (field, bit) = match key.trim_ascii_end() {
            b"se.nr_migrations" => (&mut sched.migrations, 1),
            b"nr_voluntary_switches" => (&mut sched.voluntary_switches, 2),
            b"nr_involuntary_switches" => (&mut sched.involuntary_switches, 4),
            _ => continue,
        };
        *field = text::number(value).ok_or_else(|| Malformed::new("a number", line))?;
        found |= bit;
        if found == 7 {
            return Ok(sched);
        }
    }
    Err(Malformed::new("migrations and switches", text))
}

/// Time on a CPU of all threads of a process, live and dead, ns: its CPU clock
/// (clock_getcpuclockid(3); thread_group_cputime of kernel/sched/cputime.c).
/// `None` when there is no such process. Anyone may read it of any process.
pub fn process_cpu_ns(pid: u32) -> Option<u64> {
    // MAKE_PROCESS_CPUCLOCK(pid, CPUCLOCK_SCHED) of
    // include/linux/posix-timers_types.h.
    const CPUCLOCK_SCHED: i32 = 2;
    // PID_MAX_LIMIT; a larger number would wrap around to another clock.
    const PID_MAX: i32 = 1 << 22;
    let pid = i32::try_from(pid).ok()?;
    if !(1..=PID_MAX).contains(&pid) {
        return None;
    }
    let clock = (!pid << 3) | CPUCLOCK_SCHED;
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a valid timespec for the length of the call; the
    // kernel refuses clocks it does not have.
    if unsafe { libc::clock_gettime(clock, &mut time) } != 0 {
        return None;
    }
    let seconds = u64::try_from(time.tv_sec).ok()?;
    let nanos = u64::try_from(time.tv_nsec).ok()?;
    seconds.checked_mul(1_000_000_000)?.checked_add(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn schedstat_is_three_numbers() {
        let expected = Schedstat {
            on_cpu_ns: 5,
            run_queue_ns: 6,
        };
        assert_eq!(parse_schedstat(b"5 6 7\n"), Ok(expected));
        assert!(parse_schedstat(b"5 6\n").is_err());
        assert!(parse_schedstat(b"5 x 7\n").is_err());
    }

    #[test]
    fn sched_has_a_name_before_its_lines() {
        let text = b"a:1\nb:2 (7, #threads: 1)\n-----\n\
            se.exec_start                                :       1196377.911734\n\
            se.nr_migrations                             :                    3\n\
            nr_switches                                  :                   12\n\
            nr_voluntary_switches                        :                    5\n\
            nr_involuntary_switches                      :                    7\n";
        let expected = Sched {
            migrations: 3,
            voluntary_switches: 5,
            involuntary_switches: 7,
        };
        assert_eq!(parse_sched(text), Ok(expected));
        assert!(parse_sched(b"").is_err());
    }

    #[test]
    fn the_cpu_clock_of_this_process_moves_with_it() {
        let before = process_cpu_ns(std::process::id()).unwrap();
        let own = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        let after = process_cpu_ns(std::process::id()).unwrap();
        let own = own.tv_sec as u64 * 1_000_000_000 + own.tv_nsec as u64;
        assert!(before <= own && own <= after, "{before} {own} {after}");
        assert_eq!(process_cpu_ns(0), None);
        assert_eq!(process_cpu_ns(u32::MAX), None);
        assert_eq!(process_cpu_ns((1 << 22) + 1), None);
        assert_eq!(process_cpu_ns(i32::MAX as u32), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = parse_schedstat(&bytes);
            let _ = parse_sched(&bytes);
            let mut text = b"se.nr_migrations : ".to_vec();
            text.extend_from_slice(&bytes);
            let _ = parse_sched(&text);
        }
    }
}
