//! Sums that do not fall when threads end.

use std::collections::HashMap;

use super::tasks::TaskTotals;
use crate::process::ProcessId;

/// Keeps the sums of a process from falling when its threads end.
///
/// /proc shows these values of living threads only. What a thread had when it
/// was last seen stays in its process's sum; what it did afterwards, and what
/// threads did that ended before procmon came, is not known on this road.
#[derive(Debug, Default)]
pub struct ThreadLedger {
    processes: HashMap<ProcessId, Entry>,
    round: u64,
}

#[derive(Debug, Default)]
struct Entry {
    living: Vec<(u32, TaskTotals)>,
    ended: TaskTotals,
    round: u64,
}

impl ThreadLedger {
    /// The sums of a process whose living threads are `tasks`, by ascending id.
    pub fn sum(&mut self, id: ProcessId, tasks: &[(u32, TaskTotals)]) -> TaskTotals {
        let entry = self.processes.entry(id).or_default();
        entry.round = self.round;
        for (tid, before) in &entry.living {
            let now = tasks
                .binary_search_by_key(tid, |(tid, _)| *tid)
                .map(|index| &tasks[index].1);
            // A value that fell is that of another thread with the same id.
            if now.is_err() || now.is_ok_and(|now| now.fell_below(before)) {
                entry.ended.add(before);
            }
        }
        entry.living.clear();
        entry.living.extend_from_slice(tasks);
        let mut sum = entry.ended;
        for (_, task) in tasks {
            sum.add(task);
        }
        sum
    }

    /// Ends a round: processes that were not summed in it are forgotten.
    pub fn end_round(&mut self) {
        let round = self.round;
        self.processes.retain(|_, entry| entry.round == round);
        self.round += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: ProcessId = ProcessId {
        pid: 7,
        start_ticks: 1,
    };

    fn task(tid: u32, on_cpu_ns: u64) -> (u32, TaskTotals) {
        let totals = TaskTotals {
            on_cpu_ns,
            voluntary_switches: 1,
            ..TaskTotals::default()
        };
        (tid, totals)
    }

    #[test]
    fn threads_that_end_stay_in_the_sum() {
        let mut ledger = ThreadLedger::default();
        let both = ledger.sum(ID, &[task(7, 10), task(8, 5)]);
        assert_eq!((both.on_cpu_ns, both.voluntary_switches), (15, 2));
        assert_eq!(ledger.sum(ID, &[task(7, 11)]).on_cpu_ns, 16);
        assert_eq!(ledger.sum(ID, &[task(7, 12), task(8, 2)]).on_cpu_ns, 19);
        assert_eq!(ledger.sum(ID, &[task(7, 12), task(8, 1)]).on_cpu_ns, 20);
    }

    #[test]
    fn processes_that_end_are_forgotten() {
        let mut ledger = ThreadLedger::default();
        ledger.sum(ID, &[task(7, 10)]);
        ledger.end_round();
        ledger.end_round();
        assert!(ledger.processes.is_empty());
    }
}
