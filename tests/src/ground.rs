//! What /proc and the kernel's clocks say of a process: the word procmon is held to.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use crate::{program::SOON, watching::wait_asleep};

/// CPU time of all threads, live and dead, ns: the clock of clock_getcpuclockid(3).
pub fn cpu_ns(pid: u32) -> Result<u64> {
    let mut clock = 0;
    // SAFETY: all zeros is a valid value of this plain structure.
    let mut time: libc::timespec = unsafe { std::mem::zeroed() };
    // SAFETY: both calls fill in what they are given.
    let failed = unsafe {
        libc::clock_getcpuclockid(pid.cast_signed(), &raw mut clock) != 0
            || libc::clock_gettime(clock, &raw mut time) != 0
    };
    anyhow::ensure!(!failed, "no CPU clock of process {pid}");
    let ns = time.tv_sec * 1_000_000_000 + time.tv_nsec;
    u64::try_from(ns).context("a negative CPU time")
}

/// The same of a process that sleeps, once it has left its CPU: a sleeper says that it sleeps while
/// it still runs, and an emulated machine may let it stand there for a tenth of a second.
///
/// # Panics
/// When it does not rest.
pub fn cpu_ns_at_rest(pid: u32) -> Result<u64> {
    const LONGER: Duration = Duration::from_millis(250);
    wait_asleep(pid);
    let until = Instant::now() + SOON;
    loop {
        let before = cpu_ns(pid)?;
        thread::sleep(LONGER);
        if cpu_ns(pid)? == before {
            return Ok(before);
        }
        assert!(Instant::now() < until, "process {pid} does not rest");
    }
}

/// A field of /proc/PID/stat, by its number in proc_pid_stat(5), from the third on.
pub fn stat(pid: u32, field: usize) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, rest) = text.rsplit_once(") ").context("no name in stat")?;
    let value = rest.split(' ').nth(field - 3).context("a short stat")?;
    value.trim().parse().context("not a number")
}

/// A line of a file below /proc/PID: the number after `key:`; sizes in kB become bytes.
pub fn line(pid: u32, file: &str, key: &str) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}"))?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))
        .with_context(|| format!("no {key} in {file}"))?;
    let mut words = line.split_whitespace();
    let number: u64 = words.next().context("an empty line")?.parse()?;
    Ok(number * if words.next() == Some("kB") { 1024 } else { 1 })
}

/// How many entries a folder below /proc/PID has.
pub fn entries(pid: u32, folder: &str) -> Result<u64> {
    Ok(fs::read_dir(format!("/proc/{pid}/{folder}"))?.count() as u64)
}

/// The threads of a process.
pub fn threads(pid: u32) -> Result<Vec<u32>> {
    let entries = fs::read_dir(format!("/proc/{pid}/task"))?;
    let tids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    Ok(tids.collect())
}

/// The same, but for the leader.
pub fn other_threads(pid: u32) -> Result<Vec<u32>> {
    let threads = threads(pid)?.into_iter();
    Ok(threads.filter(|tid| *tid != pid).collect())
}

/// The children of a process, of whichever of its threads; one that ends meanwhile has none.
pub fn children(pid: u32) -> Result<Vec<u32>> {
    let mut children = Vec::new();
    for thread in threads(pid)? {
        let text = fs::read_to_string(format!("/proc/{pid}/task/{thread}/children"));
        for child in text.unwrap_or_default().split_whitespace() {
            children.push(child.parse()?);
        }
    }
    Ok(children)
}
