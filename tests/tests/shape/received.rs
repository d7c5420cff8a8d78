//! What a collector got, tick by tick.

use std::collections::{BTreeMap, BTreeSet};

use procmon_tests::{Attribute, Point, time};

/// A process by pid and creation time.
pub type Process = (u32, String);
/// Values by key as JSON lines write it; times in ns.
pub type Values = BTreeMap<String, i128>;

/// The values that arrived, by time in ms.
#[derive(Default)]
pub struct Received {
    processes: BTreeMap<u64, BTreeMap<Process, Values>>,
    groups: BTreeMap<u64, BTreeMap<(String, String), Values>>,
}

impl Received {
    /// Sorts points. Ends of series are left out.
    pub fn of(points: &[Point]) -> Self {
        let mut received = Self::default();
        for point in points {
            let Some(value) = point.value else { continue };
            let at_ms = point.time / 1_000_000;
            let resource = |name: &str| match point.resource.get(name) {
                Some(Attribute::Str(text)) => Some(text.clone()),
                _ => None,
            };
            let values = if let Some(pid) = point.pid() {
                let process = (pid as u32, resource("process.creation.time").unwrap());
                received
                    .processes
                    .entry(at_ms)
                    .or_default()
                    .entry(process)
                    .or_default()
            } else if let Some(by) = resource("procmon.group.by") {
                let group = (by, resource("procmon.group.name").unwrap());
                received
                    .groups
                    .entry(at_ms)
                    .or_default()
                    .entry(group)
                    .or_default()
            } else {
                continue;
            };
            let before = values.insert(key(point), number(&point.unit, value));
            assert_eq!(before, None, "one point of a series at a time: {point:?}");
        }
        received
    }

    /// The times at which groups were sent.
    pub fn ticks(&self) -> Vec<u64> {
        self.groups.keys().copied().collect()
    }

    /// The processes that have values at a time.
    pub fn processes_at(&self, at_ms: u64) -> BTreeSet<&Process> {
        self.processes
            .get(&at_ms)
            .into_iter()
            .flat_map(BTreeMap::keys)
            .collect()
    }

    /// The values of a process at a time, if it has series of its own then.
    pub fn process(&self, at_ms: u64, process: &Process) -> Option<&Values> {
        self.processes.get(&at_ms)?.get(process)
    }

    /// `procmon.group.by` and `procmon.group.name` of the groups at a time.
    pub fn groups_at(&self, at_ms: u64) -> Vec<(&str, &str)> {
        let groups = self.groups.get(&at_ms).into_iter().flat_map(BTreeMap::keys);
        groups
            .map(|(by, name)| (by.as_str(), name.as_str()))
            .collect()
    }

    /// The values of a group at a time.
    pub fn group(&self, at_ms: u64, name: &str) -> &Values {
        let mut groups = self.groups[&at_ms].iter();
        let group = groups.find(|((_, known), _)| known == name);
        group.unwrap_or_else(|| panic!("no group {name}")).1
    }

    /// How many series have a value at a time.
    pub fn series_at(&self, at_ms: u64) -> usize {
        let processes = self
            .processes
            .get(&at_ms)
            .into_iter()
            .flat_map(BTreeMap::values);
        let groups = self
            .groups
            .get(&at_ms)
            .into_iter()
            .flat_map(BTreeMap::values);
        processes.chain(groups).map(BTreeMap::len).sum()
    }
}

/// Seconds as whole nanoseconds: sums of them are exact.
pub fn number(unit: &str, value: f64) -> i128 {
    match unit {
        "s" => (value * 1e9).round() as i128,
        _ => value as i128,
    }
}

/// The time that JSON lines write, in ms.
pub fn milliseconds(text: &str) -> u64 {
    time::parse(text).unwrap() / 1_000_000
}

fn key(point: &Point) -> String {
    let attributes = point.attributes.iter().map(|(name, value)| match value {
        Attribute::Str(value) => format!("{name}={value:?}"),
        other => panic!("{other:?} is no text"),
    });
    let attributes: Vec<String> = attributes.collect();
    match attributes.is_empty() {
        true => point.metric.clone(),
        false => format!("{}{{{}}}", point.metric, attributes.join(",")),
    }
}
