//! The tables against the contract.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use procmon_common::Counter as Kept;

use super::Instrument::{self, Counter, ExponentialHistogram, Gauge, UpDownCounter};
use super::Level::{self, OptIn, Recommended};
use super::agent::AGENT;
use super::host;
use super::process::PROCESS;
use super::{Metric, Number, ProcessReading, Source, Switch, Value};
use crate::analysis::rates::{CpuRate, Derived};
use crate::process::fixture::{self, SECOND, probes};
use crate::process::{MappingUsage, ProcessSample, Totals};

type Promise = (&'static str, Instrument, &'static str, Level, Switch);

/// Every process metric the contract promises, in its order.
#[rustfmt::skip]
const CONTRACT: &[Promise] = &[
    ("process.cpu.time", Counter, "s", Recommended, Switch::Cpu),
    ("process.cpu.utilization", Gauge, "1", OptIn, Switch::Cpu),
    ("procmon.cpu.usage", Gauge, "{cpu}", OptIn, Switch::Cpu),
    ("procmon.cpu.limit", UpDownCounter, "{cpu}", OptIn, Switch::Cpu),
    ("procmon.cpu.throttled.time", Counter, "s", OptIn, Switch::Cpu),
    ("procmon.cpu.on_cpu.time", Counter, "s", Recommended, Switch::Cpu),
    ("procmon.cpu.run_queue.time", Counter, "s", Recommended, Switch::Cpu),
    ("procmon.cpu.off_cpu.time", Counter, "s", OptIn, Switch::Cpu),
    ("procmon.cpu.run_queue.duration", ExponentialHistogram, "s", OptIn, Switch::Cpu),
    ("procmon.cpu.migrations", Counter, "{migration}", OptIn, Switch::Cpu),
    ("process.context_switches", Counter, "{context_switch}", Recommended, Switch::Cpu),
    ("process.thread.count", UpDownCounter, "{thread}", Recommended, Switch::Threads),
    ("process.memory.usage", UpDownCounter, "By", Recommended, Switch::Memory),
    ("process.memory.virtual", UpDownCounter, "By", Recommended, Switch::Memory),
    ("process.memory.utilization", Gauge, "1", OptIn, Switch::Memory),
    ("procmon.memory.limit", UpDownCounter, "By", OptIn, Switch::Memory),
    ("procmon.memory.limit.utilization", Gauge, "1", OptIn, Switch::Memory),
    ("procmon.memory.rss", UpDownCounter, "By", Recommended, Switch::Memory),
    ("procmon.memory.swap", UpDownCounter, "By", Recommended, Switch::Memory),
    ("procmon.memory.page_tables", UpDownCounter, "By", OptIn, Switch::Memory),
    ("procmon.memory.peak_rss", Gauge, "By", OptIn, Switch::Memory),
    ("procmon.memory.uss", UpDownCounter, "By", OptIn, Switch::Memory),
    ("procmon.memory.pss", UpDownCounter, "By", OptIn, Switch::Memory),
    ("procmon.memory.mapping.usage", UpDownCounter, "By", OptIn, Switch::Memory),
    ("procmon.memory.sample.age", Gauge, "s", OptIn, Switch::Memory),
    ("procmon.memory.growth", Gauge, "By/s", OptIn, Switch::Memory),
    ("procmon.memory.mapping.operations", Counter, "{operation}", Recommended, Switch::Memory),
    ("procmon.memory.mapping.size", Counter, "By", Recommended, Switch::Memory),
    ("process.paging.faults", Counter, "{fault}", Recommended, Switch::Memory),
    ("process.unix.file_descriptor.count", UpDownCounter, "{file_descriptor}", Recommended, Switch::FileDescriptors),
    ("procmon.file_descriptor.limit", UpDownCounter, "{file_descriptor}", OptIn, Switch::FileDescriptors),
    ("procmon.file_descriptor.utilization", Gauge, "1", OptIn, Switch::FileDescriptors),
    ("procmon.file_descriptor.operations", Counter, "{operation}", Recommended, Switch::FileDescriptors),
    ("procmon.file_descriptor.open.duration", ExponentialHistogram, "s", OptIn, Switch::FileDescriptors),
    ("process.disk.io", Counter, "By", Recommended, Switch::DiskIo),
    ("process.disk.operations", Counter, "{operation}", OptIn, Switch::DiskIo),
    ("procmon.io.logical", Counter, "By", OptIn, Switch::DiskIo),
    ("process.network.io", Counter, "By", Recommended, Switch::NetworkIo),
    ("procmon.network.operations", Counter, "{operation}", OptIn, Switch::NetworkIo),
    ("procmon.network.connection.count", UpDownCounter, "{connection}", OptIn, Switch::NetworkIo),
    ("process.uptime", Gauge, "s", Recommended, Switch::Always),
    ("procmon.process.forks", Counter, "{fork}", Recommended, Switch::Always),
    ("procmon.process.execs", Counter, "{exec}", Recommended, Switch::Always),
    ("procmon.oom_kills", Counter, "{kill}", OptIn, Switch::Memory),
    ("procmon.leak.score", Gauge, "1", OptIn, Switch::Always),
];

/// What the contract promises and no row reads yet.
const TO_COME: &[&str] = &[
    "procmon.memory.growth",
    "procmon.file_descriptor.open.duration",
    "procmon.leak.score",
];

/// The process metrics that the semantic conventions have registered and we use.
const REGISTERED: &[&str] = &[
    "process.context_switches",
    "process.cpu.time",
    "process.cpu.utilization",
    "process.disk.io",
    "process.disk.operations",
    "process.memory.usage",
    "process.memory.utilization",
    "process.memory.virtual",
    "process.network.io",
    "process.paging.faults",
    "process.thread.count",
    "process.unix.file_descriptor.count",
    "process.uptime",
];

/// Sums whose values do not belong to one process alone.
const NOT_ADDITIVE: &[&str] = &[
    "procmon.cpu.limit",
    "procmon.cpu.throttled.time",
    "procmon.memory.limit",
    "procmon.file_descriptor.limit",
];

/// UCUM units without braces that a row may have.
const UNITS: &[&str] = &["1", "s", "By", "By/s"];

#[test]
fn the_process_table_is_the_contracts() {
    let rows: Vec<Promise> = PROCESS
        .iter()
        .map(|m| (m.name, m.instrument, m.unit, m.level, m.switch))
        .collect();
    let promised: Vec<Promise> = CONTRACT
        .iter()
        .filter(|(name, ..)| !TO_COME.contains(name))
        .copied()
        .collect();
    assert_eq!(rows, promised);
}

#[test]
fn no_name_stands_twice() {
    let mut names = HashSet::new();
    let process = PROCESS.iter().map(|m| m.name);
    let host = host::rows().map(|m| m.name);
    for name in process.chain(host).chain(AGENT.iter().map(|m| m.name)) {
        assert!(names.insert(name), "{name}");
    }
}

#[test]
fn only_registered_names_are_in_opentelemetrys_name_spaces() {
    for metric in PROCESS {
        let name = metric.name;
        let ours = name.starts_with("procmon.");
        assert!(ours || REGISTERED.contains(&name), "{name}");
    }
    for metric in host::rows() {
        let name = metric.name;
        assert!(
            name.starts_with("procmon.") || name.starts_with("system."),
            "{name}"
        );
    }
    for metric in AGENT {
        assert!(metric.name.starts_with("procmon.agent."), "{}", metric.name);
    }
}

#[test]
fn rows_are_well_formed() {
    PROCESS.iter().for_each(well_formed);
    host::rows().for_each(well_formed);
    AGENT.iter().for_each(well_formed);
    for metric in PROCESS {
        let name = metric.name;
        let sum = matches!(metric.instrument, Counter | UpDownCounter);
        let additive = sum && !NOT_ADDITIVE.contains(&name);
        assert_eq!(metric.additive, additive, "{name}");
        let counted = matches!(metric.instrument, Counter | ExponentialHistogram);
        assert!(!counted || metric.source != Source::Snapshot, "{name}");
    }
}

fn well_formed<Read>(metric: &Metric<Read>) {
    let (name, unit) = (metric.name, metric.unit);
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let part = |part: &str| !part.is_empty() && part.chars().all(plain);
    assert!(name.split('.').all(part), "{name}");
    let annotation = unit.strip_prefix('{').and_then(|u| u.strip_suffix('}'));
    assert!(
        UNITS.contains(&unit) || annotation.is_some_and(part),
        "{name}: {unit}"
    );
    if matches!(unit, "s" | "1" | "By/s") {
        assert_eq!(metric.number, Number::Float, "{name}");
    }
    if unit == "By" {
        assert_eq!(metric.number, Number::Int, "{name}");
    }
    let sentence = metric.description;
    assert!(sentence.ends_with('.') && !sentence.contains('|'), "{name}");
    let keys: BTreeSet<_> = metric.attributes.iter().map(|a| a.key).collect();
    assert_eq!(keys.len(), metric.attributes.len(), "{name}");
}

/// A process of which everything is known; every counter has its own value.
fn full() -> (ProcessSample, Derived) {
    let value = |counter: &Kept| (*counter, counter_value(*counter));
    let all: Vec<_> = Kept::ALL.iter().map(value).collect();
    let mut sample = fixture::sample(7, "sh");
    let mut counted = probes(&all);
    counted.waits.buckets[3] = 1;
    counted.waits.sum_ns = counter_value(Kept::RunQueueWait);
    sample.probes = Some(counted);
    let some = Some(SECOND);
    sample.totals = Totals {
        uptime_ns: Some(7),
        user_ns: some,
        system_ns: some,
        on_cpu_ns: some,
        run_queue_ns: some,
        migrations: some,
        voluntary_switches: some,
        involuntary_switches: some,
        threads: some,
        rss_anon: some,
        rss_file: some,
        rss_shmem: some,
        rss: some,
        virtual_memory: some,
        swap: some,
        page_tables: some,
        peak_rss: some,
        uss: some,
        pss: some,
        mappings: Some(MappingUsage::default()),
        uss_age_ns: some,
        minor_faults: some,
        major_faults: some,
        descriptors: some,
        descriptor_soft_limit: some,
        descriptor_hard_limit: some,
        virtual_memory_limit: some,
        disk_read_bytes: some,
        disk_write_bytes: some,
        read_calls: some,
        write_calls: some,
        read_chars: some,
        write_chars: some,
        connections: Some(Arc::default()),
        cpu_limit_milli: some,
        throttled_ns: some,
        memory_limit: some,
    };
    let derived = Derived {
        cpu: Some(CpuRate {
            user: 0.5,
            system: 0.5,
            available: 1.0,
        }),
        memory_utilization: Some(0.5),
        rss_delta: Some(0),
        virtual_delta: Some(0),
        uss_delta: Some(0),
    };
    (sample, derived)
}

fn counter_value(counter: Kept) -> u64 {
    (7_000_001 + counter.index() as u64) * 1_000
}

/// Reads all rows; each point with its row.
fn points(
    sample: &ProcessSample,
    derived: Option<&Derived>,
    mut each: impl FnMut(&Metric<super::ProcessRead>, &[(&'static str, &str)], Value<'_>),
) {
    let reading = ProcessReading {
        sample,
        derived,
        at_unix_ns: sample.created_unix_ns + SECOND,
    };
    for metric in PROCESS {
        let mut point = |attributes: &[(&'static str, &str)], value: Value<'_>| {
            each(metric, attributes, value);
        };
        (metric.read)(&reading, &mut point);
    }
}

#[test]
fn every_counter_of_the_kernel_half_is_read() {
    let (sample, derived) = full();
    let mut read = BTreeMap::new();
    points(&sample, Some(&derived), |metric, _, value| {
        let value = match value {
            Value::Int(value) => value,
            Value::Float(value) => (value * 1e9).round() as u64,
            Value::Histogram(histogram) => histogram.sum_ns,
        };
        read.insert(value, metric.name);
    });
    for counter in Kept::ALL {
        assert!(read.contains_key(&counter_value(*counter)), "{counter:?}");
    }
}

#[test]
fn every_row_says_the_attributes_of_its_points() {
    let (sample, derived) = full();
    let mut seen = HashSet::new();
    points(&sample, Some(&derived), |metric, attributes, value| {
        let name = metric.name;
        seen.insert(name);
        let mut declared = metric.attributes.iter();
        for (key, value) in attributes {
            // Those of a point are the row's, in its order; some may be absent.
            let declared = declared.find(|a| a.key == *key);
            let values = declared.unwrap_or_else(|| panic!("{name}: {key}")).values;
            assert!(
                values.is_empty() || values.contains(value),
                "{name}: {value}"
            );
        }
        match (value, metric.instrument) {
            (Value::Int(_), _) => assert_eq!(metric.number, Number::Int, "{name}"),
            (Value::Float(_), _) => assert_eq!(metric.number, Number::Float, "{name}"),
            (Value::Histogram(_), ExponentialHistogram) => {}
            (Value::Histogram(_), _) => panic!("{name} is no histogram"),
        }
    });
    for metric in PROCESS {
        assert!(seen.contains(metric.name), "{} has no point", metric.name);
    }
}

#[test]
fn every_value_of_an_attribute_is_read() {
    let (sample, derived) = full();
    let mut read = HashSet::new();
    points(&sample, Some(&derived), |metric, attributes, _| {
        for (key, value) in attributes {
            read.insert((metric.name, *key, (*value).to_owned()));
        }
    });
    for metric in PROCESS {
        for attribute in metric.attributes {
            for value in attribute.values {
                let point = (metric.name, attribute.key, (*value).to_owned());
                assert!(read.contains(&point), "{point:?}");
            }
        }
    }
}

#[test]
fn what_was_not_read_is_no_point() {
    let sample = fixture::sample(7, "sh");
    let mut names = Vec::new();
    points(&sample, None, |metric, _, _| names.push(metric.name));
    assert_eq!(names, [""; 0]);
}

#[test]
fn an_unlimited_limit_is_no_point() {
    let mut sample = fixture::sample(7, "sh");
    sample.totals.descriptors = Some(3);
    sample.totals.descriptor_soft_limit = Some(u64::MAX);
    sample.totals.descriptor_hard_limit = Some(u64::MAX);
    let mut names = Vec::new();
    points(&sample, None, |metric, _, _| names.push(metric.name));
    assert_eq!(names, ["process.unix.file_descriptor.count"]);
}

#[test]
fn a_quiet_process_costs_few_points() {
    let (mut sample, derived) = full();
    sample.chosen = false;
    sample.probes = Some(probes(&[]));
    let mut count = 0;
    points(&sample, Some(&derived), |metric, _, value| {
        let zero = metric.source == Source::Probe && value == Value::Int(0);
        if metric.level == Recommended && !zero {
            count += 1;
        }
    });
    assert!(count <= 25, "{count}");
}
