//! What has ended, by executable: with the live processes it makes the whole.

use std::collections::BTreeMap;

use procmon_common::{Counter, Operation};

use crate::process::{Histogram, ProcessSample, Switch, Switches};

/// How many executables are kept apart; those beyond are [`OTHER`].
const EXECUTABLES: usize = 1_000;
/// `process.executable.name` of executables beyond the number kept apart.
const OTHER: &str = "_OTHER";
/// The executable of a parent nobody knows any more.
const UNKNOWN: &str = "_UNKNOWN";

/// All ended processes since procmon started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exited {
    groups: BTreeMap<String, Group>,
    parents: BTreeMap<String, CpuTimes>,
    known: Switches,
}

/// User and system time, ns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTimes {
    /// User time.
    pub user_ns: u64,
    /// System time.
    pub system_ns: u64,
}

/// The ended processes of one executable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// Ended with code 0.
    pub ok: u64,
    /// Ended with another code.
    pub code: u64,
    /// Ended by a signal.
    pub signal: u64,
    /// Ended, nobody saw how.
    pub unknown: u64,
    /// CPU time.
    pub cpu: CpuTimes,
    /// Bytes from and to the storage layer.
    pub disk: [u64; 2],
    /// Bytes received and transmitted.
    pub network: [u64; 2],
    /// Operations by kind and, for those that failed, error.
    pub operations: BTreeMap<(Operation, Option<&'static str>), u64>,
    /// How long they lived.
    pub lifetime: Histogram,
}

impl Exited {
    /// Sums of what these switches govern.
    pub fn of(known: Switches) -> Self {
        Self {
            known,
            ..Self::default()
        }
    }

    /// Goes on with sums of what these switches govern.
    pub fn set_known(&mut self, known: Switches) {
        self.known = known;
    }

    /// Adds a process that has ended; `parent` is its parent's executable.
    pub fn add(&mut self, sample: &ProcessSample, parent: Option<&str>) {
        let totals = &sample.totals;
        let cpu = CpuTimes {
            user_ns: totals.user_ns.unwrap_or(0),
            system_ns: totals.system_ns.unwrap_or(0),
        };
        entry(&mut self.parents, parent.unwrap_or(UNKNOWN)).add(cpu);
        let group = entry(&mut self.groups, &sample.metadata.executable);
        match sample.exit.map(|exit| (exit.code, exit.signal)) {
            Some((Some(0), _)) => group.ok += 1,
            Some((Some(_), _)) => group.code += 1,
            Some((None, Some(_))) => group.signal += 1,
            _ => group.unknown += 1,
        }
        group.cpu.add(cpu);
        group.disk[0] += totals.disk_read_bytes.unwrap_or(0);
        group.disk[1] += totals.disk_write_bytes.unwrap_or(0);
        if let Some(ns) = totals.uptime_ns {
            group.lifetime.record(ns);
        }
        let Some(probes) = &sample.probes else {
            return;
        };
        group.network[0] += probes.get(Counter::NetworkReceived);
        group.network[1] += probes.get(Counter::NetworkTransmitted);
        for operation in Operation::ALL {
            let mut count = |error, count| {
                if count > 0 {
                    *group.operations.entry((*operation, error)).or_default() += count;
                }
            };
            count(None, probes.get(operation.succeeded()));
            probes.each_failure(*operation, |error, failed| count(Some(error), failed));
        }
    }

    /// By executable.
    pub fn groups(&self) -> impl Iterator<Item = (&str, &Group)> {
        self.groups_with(Switch::Always)
    }

    /// By executable, for what a switch governs; nobody where that is off.
    pub fn groups_with(&self, switch: Switch) -> impl Iterator<Item = (&str, &Group)> {
        let groups = self.known.has(switch).then(|| self.groups.iter());
        let groups = groups.into_iter().flatten();
        groups.map(|(name, group)| (&**name, group))
    }

    /// CPU time of the ended by their parents' executable, if it is known.
    pub fn parents(&self) -> impl Iterator<Item = (&str, &CpuTimes)> {
        let parents = self.known.has(Switch::Cpu).then(|| self.parents.iter());
        let parents = parents.into_iter().flatten();
        parents.map(|(name, times)| (&**name, times))
    }
}

impl CpuTimes {
    fn add(&mut self, more: Self) {
        self.user_ns += more.user_ns;
        self.system_ns += more.system_ns;
    }
}

fn entry<'a, T: Default>(map: &'a mut BTreeMap<String, T>, name: &str) -> &'a mut T {
    let name = if map.len() < EXECUTABLES || map.contains_key(name) {
        name
    } else {
        OTHER
    };
    map.entry(name.to_owned()).or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::fixture;

    #[test]
    fn what_has_ended_is_summed_by_executable_and_by_parent() {
        let mut exited = Exited::default();
        for (code, user) in [(0, 5), (0, 6), (3, 7)] {
            let mut sample = fixture::ended(fixture::sample(7, "true"), 11 * fixture::SECOND, code);
            sample.totals.user_ns = Some(user);
            sample.probes = Some(fixture::probes(&[
                (Counter::Open, 2),
                (Counter::OpenFailed, 3),
            ]));
            exited.add(&sample, Some("sh"));
        }
        let (name, group) = exited.groups().next().unwrap();
        assert_eq!(
            (name, group.ok, group.code, group.cpu.user_ns),
            ("true", 2, 1, 18)
        );
        assert_eq!(group.operations[&(Operation::Open, None)], 6);
        assert_eq!(group.operations[&(Operation::Open, Some("_OTHER"))], 9);
        assert_eq!(
            (group.lifetime.count(), group.lifetime.sum_ns),
            (3, 3 * fixture::SECOND)
        );
        assert_eq!(exited.parents().next().unwrap().1.user_ns, 18);
    }

    #[test]
    fn executables_beyond_those_kept_apart_are_one() {
        let mut exited = Exited::default();
        for n in 0..EXECUTABLES + 5 {
            exited.add(&fixture::sample(7, &format!("{n:05}")), None);
        }
        assert_eq!(exited.groups().count(), EXECUTABLES + 1);
        let other = exited.groups().find(|(name, _)| *name == OTHER).unwrap();
        assert_eq!(other.1.unknown, 5);
    }
}
