//! What a process has taken.

use std::fs;

use anyhow::{Context as _, Result, ensure};

/// CPU time of all its threads, live and dead, ns: the kernel's exact sums
/// (clock_getcpuclockid(3)), not those of /proc, which are in ticks.
pub fn cpu_ns(pid: u32) -> Result<u64> {
    let mut clock = 0;
    // SAFETY: it writes to our number.
    let failed = unsafe { libc::clock_getcpuclockid(pid.try_into()?, &mut clock) };
    ensure!(failed == 0, "no CPU clock of process {pid}: it has ended");
    clock_ns(clock).with_context(|| format!("process {pid} has ended"))
}

/// CPU time of this thread, ns.
pub fn thread_ns() -> Result<u64> {
    clock_ns(libc::CLOCK_THREAD_CPUTIME_ID)
}

fn clock_ns(clock: libc::clockid_t) -> Result<u64> {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: it writes to our timespec.
    let failed = unsafe { libc::clock_gettime(clock, &mut time) };
    ensure!(failed == 0, "the CPU clock cannot be read");
    Ok(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

/// Of its CPU time, the part (0 to 1) it spent in the kernel; by /proc, whose
/// ticks sum up over a while.
pub fn system_part(pid: u32) -> Result<f64> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).with_context(|| path.clone())?;
    let [user, system] = user_and_system(&stat).with_context(|| format!("{path}: {stat:?}"))?;
    Ok(system / (user + system).max(1.0))
}

/// utime and stime of a line of /proc/PID/stat (proc_pid_stat(5)), ticks.
fn user_and_system(stat: &str) -> Option<[f64; 2]> {
    // After the name, which may hold anything: state is field 3, utime 14.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse().ok();
    Some([next()?, next()?])
}

/// VmRSS, MiB.
pub fn rss_mib(pid: u32) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    Ok(kib.context("no VmRSS")?.parse::<f64>()? / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 2 3 4 56 78 9 10 20 0 1 0";
        assert_eq!(user_and_system(stat), Some([56.0, 78.0]));
        assert_eq!(user_and_system("7 (a) S 1"), None);
    }

    #[test]
    fn the_clock_of_a_process_goes_on_while_it_works() {
        let before = cpu_ns(std::process::id()).unwrap();
        let begin = thread_ns().unwrap();
        while thread_ns().unwrap() < begin + 2_000_000 {}
        assert!(cpu_ns(std::process::id()).unwrap() >= before + 2_000_000);
    }
}
