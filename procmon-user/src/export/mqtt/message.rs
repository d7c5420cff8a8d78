//! The message of a process: its values now, and what its history adds up to.

use serde::Serialize;

use crate::analysis::Derived;
use crate::analysis::history::{Aggregate, Spread, centipercent};
use crate::process::{ProcessSample, identity};

/// A message. A value that is off or could not be read is left out.
#[derive(Serialize)]
pub struct Message<'a> {
    task_id: TaskId<'a>,
    proplet_id: &'a str,
    metrics: Metrics,
    #[serde(skip_serializing_if = "Option::is_none")]
    aggregated: Option<Aggregated>,
}

/// The rule's `task_id`, else `<pid>-<creation time in ms>`.
#[derive(Serialize)]
#[serde(untagged)]
enum TaskId<'a> {
    Given(&'a str),
    Process(String),
}

/// Values at a tick.
#[derive(Serialize)]
struct Metrics {
    /// 100 is one CPU; two decimals.
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_usage_percent: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_usage_bytes: Option<u64>,
    /// Of the host's memory; two decimals.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_usage_percent: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disk_read_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disk_write_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    network_rx_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    network_tx_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uptime_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thread_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_descriptor_count: Option<u64>,
    timestamp: String,
}

/// What the samples of the history's window add up to, this one among them.
#[derive(Serialize)]
struct Aggregated {
    #[serde(skip_serializing_if = "Option::is_none")]
    avg_cpu_usage: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_cpu_usage: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    avg_memory_usage: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_memory_usage: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_disk_read: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_disk_write: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_network_rx: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_network_tx: Option<u64>,
    sample_count: u32,
}

impl<'a> Message<'a> {
    /// The message of a process at `at_unix_ns`; that of one that has ended is
    /// of its end. `proplet_id` says who watches it.
    pub fn new(
        sample: &'a ProcessSample,
        derived: Option<&Derived>,
        aggregate: Option<Aggregate>,
        proplet_id: &'a str,
        at_unix_ns: u64,
    ) -> Self {
        let given = sample.matched.as_ref().and_then(|m| m.task_id.as_deref());
        let task_id = match given {
            Some(task_id) => TaskId::Given(task_id),
            None => {
                let created_ms = sample.created_unix_ns / 1_000_000;
                TaskId::Process(format!("{}-{created_ms}", sample.id.pid))
            }
        };
        Self {
            task_id,
            proplet_id,
            metrics: Metrics::new(sample, derived, at_unix_ns),
            aggregated: aggregate.map(Aggregated::new),
        }
    }

    /// As JSON.
    pub fn json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("numbers, texts and fixed keys are JSON")
    }
}

impl Metrics {
    fn new(sample: &ProcessSample, derived: Option<&Derived>, at_unix_ns: u64) -> Self {
        let totals = &sample.totals;
        let network = sample.network_bytes();
        let cpu = derived.and_then(|derived| derived.cpu);
        let memory = derived.and_then(|derived| derived.memory_utilization);
        let at_unix_ns = sample.exit.map_or(at_unix_ns, |exit| exit.at_unix_ns);
        Self {
            cpu_usage_percent: cpu.map(|cpu| percent(centipercent(cpu.user + cpu.system) as f64)),
            memory_usage_bytes: totals.rss,
            memory_usage_percent: memory.map(|share| percent(centipercent(share) as f64)),
            disk_read_bytes: totals.disk_read_bytes,
            disk_write_bytes: totals.disk_write_bytes,
            network_rx_bytes: network.map(|[received, _]| received),
            network_tx_bytes: network.map(|[_, transmitted]| transmitted),
            uptime_seconds: totals.uptime_ns.map(|ns| ns / 1_000_000_000),
            thread_count: totals.threads,
            file_descriptor_count: totals.descriptors,
            timestamp: identity::rfc3339(at_unix_ns),
        }
    }
}

impl Aggregated {
    fn new(aggregate: Aggregate) -> Self {
        let Aggregate { cpu, memory, .. } = aggregate;
        let bytes = |kib: f64| (kib * 1024.0).round() as u64;
        Self {
            avg_cpu_usage: cpu.map(|cpu: Spread| percent(cpu.average.round())),
            max_cpu_usage: cpu.map(|cpu| percent(cpu.max as f64)),
            avg_memory_usage: memory.map(|memory| bytes(memory.average)),
            max_memory_usage: memory.map(|memory| memory.max << 10),
            total_disk_read: aggregate.disk_read,
            total_disk_write: aggregate.disk_write,
            total_network_rx: aggregate.network_received,
            total_network_tx: aggregate.network_transmitted,
            sample_count: aggregate.samples,
        }
    }
}

/// Whole hundredths of a percent in percent: the float that is written with two
/// decimals.
fn percent(hundredths: f64) -> f64 {
    hundredths / 100.0
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use procmon_common::Counter;
    use serde_json::json;

    use super::*;
    use crate::analysis::rates::CpuRate;
    use crate::process::fixture;
    use crate::process::select::Matched;

    fn full() -> (ProcessSample, Derived, Aggregate) {
        let mut sample = fixture::sample(7, "sh");
        sample.totals.rss = Some(52_428_800);
        sample.totals.disk_read_bytes = Some(1_048_576);
        sample.totals.disk_write_bytes = Some(524_288);
        sample.totals.uptime_ns = Some(45_999_999_999);
        sample.totals.threads = Some(2);
        sample.totals.descriptors = Some(8);
        sample.probes = Some(fixture::probes(&[
            (Counter::NetworkReceived, 2048),
            (Counter::NetworkTransmitted, 4096),
        ]));
        let derived = Derived {
            cpu: Some(CpuRate {
                user: 0.2,
                system: 0.035,
                available: 2.0,
            }),
            memory_utilization: Some(0.012),
            ..Derived::default()
        };
        let aggregate = Aggregate {
            samples: 24,
            cpu: Some(Spread {
                average: 3820.4,
                max: 6500,
                min: 0,
            }),
            memory: Some(Spread {
                average: 61_440.5,
                max: 69_632,
                min: 1,
            }),
            disk_read: Some(2_097_152),
            disk_write: Some(1_048_576),
            network_received: Some(12_288),
            network_transmitted: Some(24_576),
        };
        (sample, derived, aggregate)
    }

    fn parsed(message: &Message<'_>) -> serde_json::Value {
        serde_json::from_slice(&message.json()).unwrap()
    }

    #[test]
    fn a_message_has_every_key() {
        let (mut sample, derived, aggregate) = full();
        sample.matched = Some(Arc::new(Matched {
            rule: 0,
            name: "r".to_owned(),
            target: None,
            task_id: Some("550e8400".to_owned()),
            attributes: vec![],
        }));
        let at = sample.created_unix_ns + 45_123_456_789;
        let message = Message::new(&sample, Some(&derived), Some(aggregate), "node", at);
        let expected = json!({
            "task_id": "550e8400",
            "proplet_id": "node",
            "metrics": {
                "cpu_usage_percent": 23.5,
                "memory_usage_bytes": 52_428_800,
                "memory_usage_percent": 1.2,
                "disk_read_bytes": 1_048_576,
                "disk_write_bytes": 524_288,
                "network_rx_bytes": 2048,
                "network_tx_bytes": 4096,
                "uptime_seconds": 45,
                "thread_count": 2,
                "file_descriptor_count": 8,
                "timestamp": "2023-11-14T22:14:15.123Z",
            },
            "aggregated": {
                "avg_cpu_usage": 38.2,
                "max_cpu_usage": 65.0,
                "avg_memory_usage": 62_915_072,
                "max_memory_usage": 71_303_168,
                "total_disk_read": 2_097_152,
                "total_disk_write": 1_048_576,
                "total_network_rx": 12_288,
                "total_network_tx": 24_576,
                "sample_count": 24,
            },
        });
        assert_eq!(parsed(&message), expected);
    }

    #[test]
    fn what_could_not_be_read_is_left_out() {
        let sample = fixture::sample(7, "sh");
        let message = Message::new(&sample, None, None, "node", sample.created_unix_ns);
        let expected = json!({
            "task_id": "7-1700000010000",
            "proplet_id": "node",
            "metrics": {"timestamp": "2023-11-14T22:13:30.000Z"},
        });
        assert_eq!(parsed(&message), expected);
    }
}
