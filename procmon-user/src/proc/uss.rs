//! Unique and proportional set size, read within a [`Budget`].

use std::time::Instant;

use super::clock::now_boot_ns;
use super::schedule::Schedule;
pub use super::schedule::{Budget, Candidate};
use super::{Error, ProcRoot, ProcessDir, ReadErrors, smaps, stat, tasks};
use crate::process::{ProcessId, Totals};

/// Reads USS and PSS of some processes on each tick, and remembers them.
#[derive(Debug, Default)]
pub struct UssReader {
    schedule: Schedule,
    buf: Vec<u8>,
}

impl UssReader {
    /// A reader that spends no more than `budget`.
    pub fn new(budget: Budget) -> Self {
        Self {
            schedule: Schedule::new(budget),
            buf: Vec::new(),
        }
    }

    /// Reads as many of the living processes as the budget allows, the oldest
    /// value first. Kernel threads and zombies have none: leave them out.
    pub fn round(&mut self, root: &ProcRoot, candidates: &[Candidate], errors: &mut ReadErrors) {
        self.schedule.begin_round(candidates);
        while let Some(id) = self.schedule.next(now_boot_ns()) {
            let start = Instant::now();
            let read = read(root, id, &mut self.buf);
            let cost = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
            // One that has gone since is no error.
            let value = errors.keep("smaps_rollup", read).unwrap_or(None);
            self.schedule.record(id, now_boot_ns(), cost, value);
        }
    }

    /// Fills in `uss`, `pss` and `uss_age_ns`, where there is a value that is
    /// not too old.
    pub fn fill(&self, id: ProcessId, at_boot_ns: u64, totals: &mut Totals) {
        if let Some((value, age)) = self.schedule.get(id, at_boot_ns) {
            totals.uss = Some(value.uss);
            totals.pss = Some(value.pss);
            totals.uss_age_ns = Some(age);
        }
    }
}

/// Reads one process now, whatever its size.
pub fn read(root: &ProcRoot, id: ProcessId, buf: &mut Vec<u8>) -> Result<smaps::Rollup, Error> {
    let dir = ProcessDir::open(root, id.pid)?;
    dir.read("stat", buf)?;
    let stat = stat::parse(buf).map_err(|malformed| malformed.at(dir.path("stat")))?;
    if stat.start_ticks != id.start_ticks {
        return Err(Error::Gone { pid: id.pid });
    }
    let prefix = tasks::prefix(&dir, stat.has_dead_leader(), buf);
    smaps::read(&dir, &prefix, buf)
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
            resident: totals.rss.unwrap(),
        };
        reader.round(&root, &[candidate], &mut errors);
        reader.fill(own.id, now_boot_ns(), &mut totals);
        assert!(totals.uss.unwrap() > 0 && totals.pss >= totals.uss);
        assert!(totals.uss_age_ns.unwrap() < 1_000_000_000);
        assert_eq!(errors.as_slice(), []);

        let another = ProcessId {
            start_ticks: own.id.start_ticks + 1,
            ..own.id
        };
        assert!(read(&root, another, &mut Vec::new()).unwrap_err().is_gone());
    }
}
