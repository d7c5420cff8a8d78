//! Threads that end while a pass goes by.
//!
//! A thread leaves the kernel's lists (release_task in kernel/exit.c) before its
//! last switch adds its totals to those of the dead: a pass that comes in
//! between, or a thread that ends between its leader's turn and its own, is in
//! neither sum. The process then shows fewer threads than the kernel half
//! counts in it, and is looked at again.

use std::collections::HashMap;
use std::thread;
use std::time::{Duration, Instant};

use crate::kernel::{Kernel, KernelError, Others, SnapshotProcess};

/// How long is waited before each further look: its last switch is microseconds
/// away, unless it must wait for a CPU.
const WAITS: [Duration; 4] = [
    Duration::from_micros(100),
    Duration::from_millis(1),
    Duration::from_millis(3),
    Duration::from_millis(6),
];

/// A process whose threads may not all be in its leader's record.
pub struct Threaded {
    /// Where it stands among the live.
    pub place: usize,
    /// As the last look saw it.
    pub process: SnapshotProcess,
    /// What its other threads add.
    pub others: Others,
    /// How many threads were missing in it at the last tick, after all looks:
    /// to look for those again would be in vain.
    pub missing_before: u64,
    seen_again: bool,
}

impl Threaded {
    /// A process as it was met; its other threads are yet to come.
    pub fn new(place: usize, process: &SnapshotProcess) -> Self {
        Self {
            place,
            process: process.clone(),
            others: Others::default(),
            missing_before: 0,
            seen_again: false,
        }
    }

    /// Whether a process may have other threads, or its only one is missing: dead
    /// for the kernel already, and not yet among the dead.
    pub fn is(process: &SnapshotProcess) -> bool {
        process.leader.threads > 1 || process.entry.threads > process.shows_leader().into()
    }

    /// How many of the threads that are counted in it were not met alive.
    pub fn missing(&self) -> u64 {
        missing(&self.process, &self.others)
    }

    /// Whether it was looked at again, so that all of it is newer.
    pub fn was_seen_again(&self) -> bool {
        self.seen_again
    }
}

/// How many of the threads that are counted in a process were not met alive, as
/// its leader or among its others.
pub fn missing(process: &SnapshotProcess, others: &Others) -> u64 {
    let met = u64::from(process.shows_leader()) + others.threads;
    process.entry.threads.saturating_sub(met)
}

/// Looks again at those of `processes` in which a thread is missing, a few times,
/// for about as long as the first pass `took`: on a great host each look is as
/// long, and some thread always ends.
///
/// # Errors
/// When the iterator cannot be read.
pub fn look_again(
    kernel: &mut Kernel,
    processes: &mut [Threaded],
    took: Duration,
) -> Result<(), KernelError> {
    let begin = Instant::now();
    let enough = took.max(WAITS.iter().sum());
    for wait in WAITS {
        if begin.elapsed() >= enough {
            break;
        }
        let short = processes
            .iter_mut()
            .filter(|process| process.missing() > process.missing_before);
        let mut short: HashMap<u32, &mut Threaded> = short
            .map(|process| (process.process.leader.pid, process))
            .collect();
        if short.is_empty() {
            break;
        }
        thread::sleep(wait);
        let mut pass = kernel.pass()?;
        let mut met = Vec::with_capacity(short.len());
        while let Some(process) = pass.next_process()? {
            let pid = process.leader.pid;
            if let Some(found) = short.get_mut(&pid)
                && found.process.leader.start_ns == process.leader.start_ns
                && process.is_whole()
            {
                found.process.clone_from(process);
                met.push(pid);
            }
        }
        for pid in met {
            if let Some(found) = short.get_mut(&pid) {
                found.others = pass.others(pid);
                found.seen_again = true;
            }
        }
    }
    Ok(())
}
