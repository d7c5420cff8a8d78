//! From the kernel's records to a process's totals.

use std::array;
use std::num::NonZeroU64;

use procmon_common::config::ABSENT;
use procmon_common::probes::{Family, Hook};
use procmon_common::{Feature, OomStat, Operation, ProcessEntry, ThreadStat};

use super::load::Kernel;
use super::task_iter::{SnapshotProcess, Sums};
use crate::process::{Histogram, ProbeCounters, Seen, Totals};

/// What must be remembered of a process from one tick to the next, so that
/// its totals never fall.
///
/// A pass over the tasks is not atomic: a thread that dies while it runs may be
/// neither among the live any more nor among the dead yet. The sum is then
/// short by that thread until the next pass; it is never shown smaller than
/// before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accounts {
    sums: [u64; ThreadStat::COUNT],
    shown: Shown,
}

/// A split of CPU time that was shown, neither part of which may fall.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Shown {
    user_ns: u64,
    system_ns: u64,
}

impl Shown {
    fn sum(self) -> u64 {
        self.user_ns + self.system_ns
    }

    /// So much in all, which is no less than this sum; as much of it in the kernel
    /// as is told, but for what keeps both parts from falling.
    fn raised_to(self, total: u64, system_ns: u64) -> Self {
        let system_ns = system_ns.clamp(self.system_ns, total - self.user_ns);
        Self {
            user_ns: total - system_ns,
            system_ns,
        }
    }
}

impl Accounts {
    /// Takes in sums; `kernel` is what the kernel has shown before
    /// (`signal_struct.prev_cputime`), in /proc or to a parent.
    fn settle(&mut self, sums: impl IntoIterator<Item = u64>, kernel: Shown) {
        for (kept, new) in self.sums.iter_mut().zip(sums) {
            *kept = new.max(*kept);
        }
        let of = |stat: ThreadStat| self.sums[stat.index()];
        let samples = Shown {
            user_ns: of(ThreadStat::UserTime),
            system_ns: of(ThreadStat::SystemTime),
        };
        self.shown = adjust(samples, of(ThreadStat::Runtime), kernel, self.shown);
    }
}

/// The kernel's `cputime_adjust` (kernel/sched/cputime.c): the tick samples
/// which mode a thread is in, the scheduler knows exactly how long it ran; the
/// exact time is split as the samples say, and neither part ever falls below
/// what the kernel has shown, nor then below what we have. The kernel may have
/// split what there was otherwise than we: the sum is the exact time all the
/// same.
fn adjust(samples: Shown, runtime: u64, kernel: Shown, ours: Shown) -> Shown {
    // Of a thread that runs just now the kernel may have known more than is in
    // its record.
    let total = runtime.max(kernel.sum());
    if ours.sum() >= total {
        return ours;
    }
    let system_ns = match samples {
        Shown { system_ns: 0, .. } => 0,
        Shown { user_ns: 0, .. } => total,
        Shown { system_ns, .. } => {
            let part = u128::from(system_ns) * u128::from(total) / u128::from(samples.sum());
            u64::try_from(part).unwrap_or(total).min(total)
        }
    };
    let split = kernel.raised_to(total, system_ns);
    ours.raised_to(total, split.system_ns)
}

impl Kernel {
    /// The totals of a live process; `others` are the sums over its live threads
    /// but for the leader.
    pub fn live_totals(
        &self,
        process: &SnapshotProcess,
        others: &Sums,
        accounts: &mut Accounts,
    ) -> Totals {
        let leader = &process.leader;
        let live = leader.stats.iter().zip(others);
        let sums = process.entry.dead.iter().zip(live);
        accounts.settle(
            sums.map(|(dead, (leader, others))| dead.wrapping_add(*leader).wrapping_add(*others)),
            Shown {
                user_ns: leader.prev_utime,
                system_ns: leader.prev_stime,
            },
        );
        let mut totals = self.totals(accounts);
        totals.threads = Some(u64::from(leader.threads));
        totals.descriptors = (leader.descriptors != u64::MAX).then_some(leader.descriptors);
        totals.descriptor_soft_limit = Some(leader.descriptor_limit[0]);
        totals.descriptor_hard_limit = Some(leader.descriptor_limit[1]);
        totals.virtual_memory_limit = Some(leader.virtual_memory_limit);
        if leader.has_mm == 1 {
            let page = self.page_size();
            let bytes = |pages: i64| u64::try_from(pages).unwrap_or(0) * page;
            // enum in include/linux/mm_types_task.h: file, anon, swap, shmem.
            let [file, anon, swap, shmem] = leader.rss_pages.map(bytes);
            totals.rss_file = Some(file);
            totals.rss_anon = Some(anon);
            totals.rss_shmem = Some(shmem);
            totals.rss = Some(file + anon + shmem);
            totals.swap = Some(swap);
            totals.virtual_memory = Some(leader.total_vm_pages * page);
            totals.page_tables = Some(leader.page_table_bytes);
            totals.peak_rss = Some((leader.hiwater_rss_pages * page).max(file + anon + shmem));
        }
        totals
    }

    /// The final totals of a process, from its exit record.
    pub fn final_totals(&self, entry: &ProcessEntry, accounts: &mut Accounts) -> Totals {
        accounts.settle(
            entry.dead,
            Shown {
                user_ns: entry.prev_utime,
                system_ns: entry.prev_stime,
            },
        );
        let mut totals = self.totals(accounts);
        totals.peak_rss = (entry.max_rss_pages > entry.max_rss_before)
            .then(|| entry.max_rss_pages * self.page_size());
        hold(&mut totals, entry);
        totals
    }

    /// The probes' counters of an entry; when they began is for the caller to say.
    pub fn probe_counters(&self, entry: &ProcessEntry) -> ProbeCounters {
        let mut failures: Vec<_> = entry
            .failures
            .iter()
            .filter(|slot| slot.key != 0)
            .filter_map(|slot| {
                let operation = (slot.key >> 16).checked_sub(1)?;
                let operation = *Operation::ALL.get(usize::try_from(operation).ok()?)?;
                Some((operation, (slot.key & 0xffff) as u32, slot.count))
            })
            .collect();
        failures.sort_unstable();
        ProbeCounters {
            since_unix_ns: 0,
            counters: entry.counters,
            failures,
            waits: Histogram {
                buckets: entry.waits,
                sum_ns: entry.counters[procmon_common::Counter::RunQueueWait.index()],
            },
            features: array::from_fn(|feature| {
                let asked = self.programs.has_feature(Feature::ALL[feature]);
                asked.then_some(0)
            }),
            seen: self.seen,
            executed_boot_ns: NonZeroU64::new(entry.exec_ns),
            oom_killed_boot_ns: NonZeroU64::new(entry.oom_ns),
        }
    }

    /// What the probes see, as they are attached now.
    pub(super) fn what_is_seen(&self) -> Seen {
        Seen {
            memory: self.sees(Family::Memory),
            files: self.sees(Family::Files),
            network: self.sees(Family::Network),
            oom: self.sees(Family::Oom),
        }
    }

    /// Whether what the probes of a family count is known.
    fn sees(&self, family: Family) -> bool {
        let part = |hook| matches!(hook, Hook::Part { .. });
        let probes = self.probes().iter();
        probes
            .filter(|status| status.probe.family == family && !part(status.probe.hook))
            .all(|status| status.state.works())
    }

    fn page_size(&self) -> u64 {
        // SAFETY: sysconf(3) cannot fail for this name.
        unsafe { libc::sysconf(libc::_SC_PAGESIZE) }.cast_unsigned()
    }

    fn totals(&self, accounts: &Accounts) -> Totals {
        let kept = |stat: ThreadStat| {
            (self.offsets.task_stats[stat.index()] != ABSENT).then_some(accounts.sums[stat.index()])
        };
        Totals {
            user_ns: Some(accounts.shown.user_ns),
            system_ns: Some(accounts.shown.system_ns),
            on_cpu_ns: kept(ThreadStat::Runtime),
            run_queue_ns: kept(ThreadStat::RunDelay),
            migrations: kept(ThreadStat::Migrations),
            voluntary_switches: kept(ThreadStat::VoluntarySwitches),
            involuntary_switches: kept(ThreadStat::InvoluntarySwitches),
            minor_faults: kept(ThreadStat::MinorFaults),
            major_faults: kept(ThreadStat::MajorFaults),
            disk_read_bytes: kept(ThreadStat::ReadBytes),
            disk_write_bytes: kept(ThreadStat::WriteBytes),
            read_calls: kept(ThreadStat::ReadCalls),
            write_calls: kept(ThreadStat::WriteCalls),
            read_chars: kept(ThreadStat::ReadChars),
            write_chars: kept(ThreadStat::WriteChars),
            ..Totals::default()
        }
    }
}

/// Of one that was killed for want of memory: what it held then.
fn hold(totals: &mut Totals, entry: &ProcessEntry) {
    let held = |stat: OomStat| entry.held[stat.index()] << 10;
    // Whoever is killed for its memory has some: 0 is what was not said.
    if held(OomStat::VirtualMemory) == 0 {
        return;
    }
    let kinds = [OomStat::Anonymous, OomStat::File, OomStat::Shared].map(held);
    let rss = kinds.iter().sum();
    [totals.rss_anon, totals.rss_file, totals.rss_shmem] = kinds.map(Some);
    totals.rss = Some(rss);
    totals.virtual_memory = Some(held(OomStat::VirtualMemory));
    totals.page_tables = Some(held(OomStat::PageTables));
    // The kernel may have taken the memory back before it could note the mark.
    totals.peak_rss = totals.peak_rss.max(Some(rss));
}

/// The executable's name in a record.
pub fn executable(name: &[u8]) -> String {
    let end = name
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(name.len());
    String::from_utf8_lossy(&name[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Parts = (u64, u64);

    fn shown((user_ns, system_ns): Parts) -> Shown {
        Shown { user_ns, system_ns }
    }

    fn split(samples: Parts, runtime: u64, kernel: Parts, ours: Parts) -> Parts {
        let split = adjust(shown(samples), runtime, shown(kernel), shown(ours));
        (split.user_ns, split.system_ns)
    }

    #[test]
    fn the_exact_time_is_split_as_the_samples_say() {
        let none = (0, 0);
        assert_eq!(split((30, 10), 80, none, none), (60, 20));
        assert_eq!(split((0, 10), 80, none, none), (0, 80));
        assert_eq!(split((10, 0), 80, none, none), (80, 0));
        assert_eq!(split(none, 80, none, none), (80, 0));
    }

    #[test]
    fn neither_part_falls() {
        let none = (0, 0);
        for (kernel, ours) in [((50, 25), none), (none, (50, 25)), ((50, 25), (50, 25))] {
            assert_eq!(split((30, 10), 80, kernel, ours), (55, 25));
            assert_eq!(split((10, 30), 80, kernel, ours), (50, 30));
            assert_eq!(split((30, 10), 70, kernel, ours), (50, 25));
        }
    }

    #[test]
    fn the_sum_is_exact_though_the_kernel_has_shown_another_split() {
        // A parent that waited for it was told 8 and 7 of the 15 there were.
        assert_eq!(split((20, 10), 15, (8, 7), (10, 5)), (10, 5));
        assert_eq!(split((20, 10), 16, (8, 7), (10, 5)), (10, 6));
        // And of a thread that was running, more than its record has.
        assert_eq!(split((20, 10), 15, (9, 8), (10, 5)), (10, 7));
    }

    #[test]
    fn totals_do_not_fall_while_a_thread_is_between_live_and_dead() {
        let mut accounts = Accounts::default();
        accounts.settle([100; ThreadStat::COUNT], Shown::default());
        accounts.settle([60; ThreadStat::COUNT], Shown::default());
        assert_eq!(accounts.sums, [100; ThreadStat::COUNT]);
        accounts.settle([110; ThreadStat::COUNT], Shown::default());
        assert_eq!(accounts.sums, [110; ThreadStat::COUNT]);
    }
}
