//! Unique and proportional set size and the use of mappings, read within
//! [`Budget`]s that come to 100 ms a minute.

use std::time::{Duration, Instant};

use super::clock::now_boot_ns;
use super::mappings;
use super::schedule::Schedule;
pub use super::schedule::{Budget, Candidate};
use super::smaps::{self, Rollup};
use super::{Error, ProcRoot, ProcessDir, ReadErrors, stat, tasks};
use crate::process::{MappingUsage, ProcessId, Totals};

/// What is spent on set sizes.
fn rollups() -> Budget {
    Budget {
        per_window: Duration::from_millis(60),
        ..Budget::default()
    }
}

/// What is spent on mappings, which cost several times as much: few have more
/// than some hundred of 5 us each.
fn usages() -> Budget {
    Budget {
        guess: |resident| 1_000_000 + resident / 179,
        renew: Duration::from_secs(10),
        per_window: Duration::from_millis(40),
        ..Budget::default()
    }
}

/// Reads USS, PSS and the use of mappings of some processes on each tick, and
/// remembers them.
#[derive(Debug)]
pub struct UssReader {
    rollups: Schedule<Rollup>,
    usages: Schedule<MappingUsage>,
    buf: Vec<u8>,
}

impl Default for UssReader {
    fn default() -> Self {
        Self {
            rollups: Schedule::new(rollups()),
            usages: Schedule::new(usages()),
            buf: Vec::new(),
        }
    }
}

impl UssReader {
    /// Reads as many of the living processes as the budgets allow, the oldest
    /// value first. Kernel threads and zombies have none: leave them out. The
    /// size of a candidate is its resident set.
    pub fn round(&mut self, root: &ProcRoot, candidates: &[Candidate], errors: &mut ReadErrors) {
        let buf = &mut self.buf;
        round(&mut self.rollups, candidates, |id| {
            let read = read(root, id, buf);
            // One that has gone since is no error.
            errors.keep("smaps_rollup", read).unwrap_or(None)
        });
        round(&mut self.usages, candidates, |id| {
            let read = open(root, id, buf, mappings::read);
            errors.keep("smaps", read).unwrap_or(None)
        });
    }

    /// Fills in `uss`, `pss`, `mappings` and `uss_age_ns`, where there is a
    /// value that is not too old.
    pub fn fill(&self, id: ProcessId, at_boot_ns: u64, totals: &mut Totals) {
        let rollup = self.rollups.get(id, at_boot_ns);
        let usage = self.usages.get(id, at_boot_ns);
        let ages = [rollup.map(|(_, age)| age), usage.map(|(_, age)| age)];
        totals.uss = rollup.map(|(value, _)| value.uss);
        totals.pss = rollup.map(|(value, _)| value.pss);
        totals.mappings = usage.map(|(value, _)| value);
        totals.uss_age_ns = ages.into_iter().flatten().max();
    }
}

/// A round of a schedule whose reading takes as long as `read` does.
pub(super) fn round<V: Clone>(
    schedule: &mut Schedule<V>,
    candidates: &[Candidate],
    mut read: impl FnMut(ProcessId) -> Option<V>,
) {
    schedule.begin_round(candidates);
    while let Some(id) = schedule.next(now_boot_ns()) {
        let start = Instant::now();
        let value = read(id);
        let cost = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        schedule.record(id, now_boot_ns(), cost, value);
    }
}

/// Reads one process now, whatever its size.
pub fn read(root: &ProcRoot, id: ProcessId, buf: &mut Vec<u8>) -> Result<Rollup, Error> {
    open(root, id, buf, smaps::read)
}

/// Reads a file of a process that is still this one.
pub(super) fn open<V>(
    root: &ProcRoot,
    id: ProcessId,
    buf: &mut Vec<u8>,
    read: impl FnOnce(&ProcessDir<'_>, &str, &mut Vec<u8>) -> Result<V, Error>,
) -> Result<V, Error> {
    let dir = ProcessDir::open(root, id.pid)?;
    dir.read("stat", buf)?;
    let stat = stat::parse(buf).map_err(|malformed| malformed.at(dir.path("stat")))?;
    if stat.start_ticks != id.start_ticks {
        return Err(Error::Gone { pid: id.pid });
    }
    let prefix = tasks::prefix(&dir, stat.has_dead_leader(), buf);
    read(&dir, &prefix, buf)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proc::read_totals;

    #[test]
    fn this_process_has_a_value_of_its_own() {
        let (root, mut errors) = (ProcRoot::system(), ReadErrors::default());
        let own = read_totals(&root, std::process::id(), &mut errors).unwrap();
        let (mut totals, mut reader) = (own.totals, UssReader::default());
        let candidate = Candidate {
            id: own.id,
            size: totals.rss.unwrap(),
        };
        reader.round(&root, &[candidate], &mut errors);
        reader.fill(own.id, now_boot_ns(), &mut totals);
        assert!(totals.uss.unwrap() > 0 && totals.pss >= totals.uss);
        assert!(totals.mappings.unwrap().file > 0);
        assert!(totals.uss_age_ns.unwrap() < 1_000_000_000);
        assert_eq!(errors.as_slice(), []);

        let another = ProcessId {
            start_ticks: own.id.start_ticks + 1,
            ..own.id
        };
        assert!(read(&root, another, &mut Vec::new()).unwrap_err().is_gone());
    }
}
