//! The agent table of the catalogue: how procmon itself does.

use super::Instrument::{self, Counter, ExponentialHistogram, Gauge, UpDownCounter};
use super::Source::Snapshot;
use super::{AgentRead, AgentReading, Attribute, ExporterHealth, Metric, Points, Switch, Value};
use crate::analysis::history::HistoryHealth;

const PROBE_STATE: &[Attribute] = &[
    Attribute {
        key: "procmon.probe",
        values: &[],
    },
    Attribute {
        key: "procmon.probe.state",
        values: &["active", "degraded", "unsupported", "failed", "detached"],
    },
];
const PROBE: &[Attribute] = &[Attribute {
    key: "procmon.probe",
    values: &[],
}];
const MAP: &[Attribute] = &[Attribute {
    key: "procmon.map",
    values: &[],
}];
const LOSS: &[Attribute] = &[
    Attribute {
        key: "procmon.event",
        values: &[],
    },
    Attribute {
        key: "procmon.loss.reason",
        values: &[],
    },
];
const STAGE: &[Attribute] = &[Attribute {
    key: "procmon.stage",
    values: &["collect"],
}];
const FIELD: &[Attribute] = &[
    Attribute {
        key: "procmon.field",
        values: &[],
    },
    Attribute {
        key: "error.type",
        values: &[],
    },
];
const CONSUMER: &[Attribute] = &[Attribute {
    key: "procmon.consumer",
    values: &[],
}];
const EXPORTER: &[Attribute] = &[Attribute {
    key: "procmon.exporter",
    values: &[],
}];
const LOOP: &[Attribute] = &[Attribute {
    key: "procmon.loop",
    values: &[],
}];
const OUTCOME: &[Attribute] = &[
    Attribute {
        key: "procmon.exporter",
        values: &[],
    },
    Attribute {
        key: "procmon.outcome",
        values: &["sent", "rejected", "dropped", "retried"],
    },
];

const fn row(
    name: &'static str,
    instrument: Instrument,
    unit: &'static str,
    description: &'static str,
    read: AgentRead,
) -> Metric<AgentRead> {
    Metric::new(
        name,
        instrument,
        unit,
        Snapshot,
        Switch::Always,
        description,
        read,
    )
}

/// Every metric of procmon itself, in the order of the contract.
///
/// The points of a histogram here are single values, one a tick: who exports
/// them keeps the histogram.
#[rustfmt::skip]
pub const AGENT: &[Metric<AgentRead>] = &[
    row("procmon.agent.probe.state", UpDownCounter, "{probe}",
        "1 for the state a probe is in; the reason is in the event and in `procmon doctor`. A probe that the configuration switches off was not loaded and has none.",
        |agent, out| for probe in &agent.health.probes {
            let attributes = [("procmon.probe", probe.probe), ("procmon.probe.state", probe.state)];
            out.point(&attributes, Value::Int(1));
        }).by(PROBE_STATE),
    row("procmon.agent.probe.runs", Counter, "{run}",
        "Runs of a probe's kernel programs while they were measured, for 1 s in 30.",
        |agent, out| for probe in &agent.health.probe_runs {
            out.point(&[("procmon.probe", probe.probe)], Value::Int(probe.runs));
        }).by(PROBE),
    row("procmon.agent.probe.time", Counter, "s",
        "Time of a probe's kernel programs while they were measured, for 1 s in 30; without the kernel's own time in the hook.",
        |agent, out| for probe in &agent.health.probe_runs {
            let seconds = probe.time.as_secs_f64();
            out.point(&[("procmon.probe", probe.probe)], Value::Float(seconds));
        }).by(PROBE).float(),
    row("procmon.agent.map.entries", UpDownCounter, "{entry}",
        "Entries of the kernel half's maps.",
        |agent, out| for (map, entries, _, _) in &agent.health.maps {
            if let Some(entries) = entries {
                out.point(&[("procmon.map", map)], Value::Int(*entries));
            }
        }).by(MAP),
    row("procmon.agent.map.limit", UpDownCounter, "{entry}",
        "Entries that fit into the kernel half's maps.",
        |agent, out| for (map, _, limit, _) in &agent.health.maps {
            out.point(&[("procmon.map", map)], Value::Int(*limit));
        }).by(MAP),
    row("procmon.agent.map.memory", UpDownCounter, "By",
        "Kernel memory of the kernel half's maps.",
        |agent, out| for (map, _, _, bytes) in &agent.health.maps {
            if let Some(bytes) = bytes {
                out.point(&[("procmon.map", map)], Value::Int(*bytes));
            }
        }).by(MAP),
    row("procmon.agent.events.lost", Counter, "{event}",
        "Events the kernel half could not record, by reason.",
        |agent, out| for (event, reason, count) in &agent.health.events_lost {
            let attributes = [("procmon.event", *event), ("procmon.loss.reason", *reason)];
            out.point(&attributes, Value::Int(*count));
        }).by(LOSS),
    row("procmon.agent.tick.duration", ExponentialHistogram, "s",
        "How long a tick took.",
        // It is the last tick's: the first has none.
        |agent, out| if !agent.health.tick_duration.is_zero() {
            let seconds = agent.health.tick_duration.as_secs_f64();
            out.point(&[("procmon.stage", "collect")], Value::Float(seconds));
        }).by(STAGE).float(),
    row("procmon.agent.tick.late", Counter, "{tick}",
        "Ticks that began more than half an interval late, or were left out.",
        |agent, out| out.point(&[("procmon.stage", "collect")], Value::Int(agent.health.ticks_late)))
        .by(STAGE),
    row("procmon.agent.read.errors", Counter, "{error}",
        "Values that could not be read, by field and error.",
        |agent, out| for (field, error, count) in &agent.health.read_errors {
            let attributes = [("procmon.field", *field), ("error.type", *error)];
            out.point(&attributes, Value::Int(*count));
        }).by(FIELD),
    row("procmon.agent.frames.dropped", Counter, "{frame}",
        "Frames a consumer was too slow for.",
        |agent, out| for exporter in agent.exporters {
            let attributes = [("procmon.consumer", exporter.exporter)];
            out.point(&attributes, Value::Int(exporter.frames_dropped));
        }).by(CONSUMER),
    row("procmon.agent.export.batches", Counter, "{batch}",
        "Batches by what became of them; a retried one is counted again at its end.",
        |agent, out| for exporter in agent.exporters {
            let outcomes = [
                ("sent", exporter.sent),
                ("rejected", exporter.rejected),
                ("dropped", exporter.dropped),
                ("retried", exporter.retried),
            ];
            for (outcome, count) in outcomes {
                let attributes =
                    [("procmon.exporter", exporter.exporter), ("procmon.outcome", outcome)];
                out.point(&attributes, Value::Int(count));
            }
        }).by(OUTCOME),
    row("procmon.agent.export.queue.size", UpDownCounter, "By",
        "Bytes that wait for a receiver.",
        |agent, out| of_exporters(agent, out, |exporter| exporter.queue_bytes)).by(EXPORTER),
    row("procmon.agent.export.spool.size", UpDownCounter, "By",
        "Bytes on disk that wait for a receiver; 0 without a spool.",
        |agent, out| of_exporters(agent, out, |exporter| exporter.spool_bytes)).by(EXPORTER),
    row("procmon.agent.series.active", UpDownCounter, "{series}",
        "Series that OTLP sent last.",
        |agent, out| if let Some(series) = agent.exporters.iter().find_map(|e| e.series) {
            out.point(&[], Value::Int(series));
        }),
    row("procmon.agent.series.folded", UpDownCounter, "{series}",
        "Series that processes would have of their own in OTLP and /metrics, were they not folded by top, group_by or max_series.",
        |agent, out| out.point(&[], Value::Int(agent.series_folded))),
    row("procmon.agent.history.depth", UpDownCounter, "{sample}",
        "The most samples the history keeps of each process: fewer than were asked for where they need more memory than history.max_memory.",
        |agent, out| of_history(agent, out, |history| history.depth.into())),
    row("procmon.agent.history.size", UpDownCounter, "By",
        "Memory the history takes.",
        |agent, out| of_history(agent, out, |history| history.bytes)),
    row("procmon.agent.history.left_out", UpDownCounter, "{process}",
        "Processes the history has no room for.",
        |agent, out| of_history(agent, out, |history| history.left_out)),
    row("procmon.agent.cpu.time", Counter, "s",
        "CPU time of procmon.",
        |agent, out| if let Some(ns) = agent.health.own.cpu_ns {
            out.point(&[], Value::Float(ns as f64 / 1e9));
        }).float(),
    row("procmon.agent.memory.usage", UpDownCounter, "By",
        "Resident set of procmon.",
        |agent, out| if let Some(bytes) = agent.health.own.resident {
            out.point(&[], Value::Int(bytes));
        }),
    row("procmon.agent.overhead", Gauge, "{cpu}",
        "What procmon took over the last 30 s, its kernel programs (measured for 1 s of them) and the agent, in cores.",
        |agent, out| if let Some(cores) = agent.health.overhead {
            out.point(&[], Value::Float(cores));
        }).float(),
    row("procmon.agent.heartbeat.age", Gauge, "s",
        "Since when a loop has not shown that it lives: the collector's, and a consumer's while it has something to do.",
        |agent, out| for (name, age) in agent.loops {
            out.point(&[("procmon.loop", name)], Value::Float(age.as_secs_f64()));
        }).by(LOOP).float(),
];

fn of_history(agent: &AgentReading<'_>, out: &mut dyn Points, read: fn(&HistoryHealth) -> u64) {
    if let Some(history) = &agent.history {
        out.point(&[], Value::Int(read(history)));
    }
}

fn of_exporters(agent: &AgentReading<'_>, out: &mut dyn Points, read: fn(&ExporterHealth) -> u64) {
    for exporter in agent.exporters {
        let attributes = [("procmon.exporter", exporter.exporter)];
        out.point(&attributes, Value::Int(read(exporter)));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::frame::{AgentHealth, ProbeHealth, ProbeRuns};
    use crate::process::Basics;

    fn points(name: &str, agent: &AgentReading<'_>) -> Vec<(String, f64)> {
        let row = AGENT.iter().find(|row| row.name == name).expect("a row");
        let mut points = Vec::new();
        (row.read)(
            agent,
            &mut |attributes: &[(&'static str, &str)], value: Value<'_>| {
                let number = match value {
                    Value::Int(value) => value as f64,
                    Value::Float(value) => value,
                    Value::Histogram(_) => unreachable!("the agent keeps none"),
                };
                let keys: Vec<_> = attributes.iter().map(|(key, _)| *key).collect();
                let columns: Vec<_> = row.attributes.iter().map(|a| a.key).collect();
                assert_eq!(keys, columns, "{name} has the attributes of its row");
                let values: Vec<_> = attributes.iter().map(|(_, value)| *value).collect();
                points.push((values.join(" "), number));
            },
        );
        points
    }

    fn point(attributes: &str, number: f64) -> (String, f64) {
        (attributes.to_owned(), number)
    }

    #[test]
    fn every_field_of_the_agents_health_has_its_metric() {
        let health = AgentHealth {
            probes: [("mmap", "active"), ("close", "failed")]
                .map(|(probe, state)| ProbeHealth {
                    probe,
                    state,
                    reason: None,
                })
                .to_vec(),
            changes: Vec::new(),
            probe_runs: vec![ProbeRuns {
                probe: "mmap",
                runs: 4,
                time: Duration::from_millis(2),
            }],
            overhead: Some(0.25),
            events_lost: vec![("exit", "ring buffer full", 3)],
            maps: vec![
                ("counters", Some(5), 100, Some(4096)),
                ("events", None, 7, None),
            ],
            tick_duration: Duration::from_millis(250),
            ticks_late: 2,
            frames_dropped: 0,
            read_errors: vec![("uss", "EACCES", 9)],
            own: Basics {
                cpu_ns: Some(1_500_000_000),
                resident: Some(8192),
                ..Basics::default()
            },
        };
        let agent = AgentReading {
            health: &health,
            exporters: &[],
            series_folded: 0,
            loops: &[("collect", Duration::from_millis(1500))],
            history: Some(HistoryHealth {
                depth: 75,
                bytes: 4096,
                left_out: 3,
            }),
        };
        assert_eq!(
            points("procmon.agent.probe.state", &agent),
            [point("mmap active", 1.0), point("close failed", 1.0)]
        );
        assert_eq!(
            points("procmon.agent.map.entries", &agent),
            [point("counters", 5.0)]
        );
        assert_eq!(
            points("procmon.agent.map.limit", &agent),
            [point("counters", 100.0), point("events", 7.0)]
        );
        assert_eq!(
            points("procmon.agent.map.memory", &agent),
            [point("counters", 4096.0)]
        );
        assert_eq!(
            points("procmon.agent.events.lost", &agent),
            [point("exit ring buffer full", 3.0)]
        );
        assert_eq!(
            points("procmon.agent.tick.duration", &agent),
            [point("collect", 0.25)]
        );
        assert_eq!(
            points("procmon.agent.tick.late", &agent),
            [point("collect", 2.0)]
        );
        assert_eq!(
            points("procmon.agent.read.errors", &agent),
            [point("uss EACCES", 9.0)]
        );
        assert_eq!(
            points("procmon.agent.probe.runs", &agent),
            [point("mmap", 4.0)]
        );
        assert_eq!(
            points("procmon.agent.probe.time", &agent),
            [point("mmap", 0.002)]
        );
        for (metric, value) in [("depth", 75.0), ("size", 4096.0), ("left_out", 3.0)] {
            let name = format!("procmon.agent.history.{metric}");
            assert_eq!(points(&name, &agent), [point("", value)]);
        }
        assert_eq!(points("procmon.agent.overhead", &agent), [point("", 0.25)]);
        assert_eq!(points("procmon.agent.cpu.time", &agent), [point("", 1.5)]);
        assert_eq!(
            points("procmon.agent.memory.usage", &agent),
            [point("", 8192.0)]
        );
        assert_eq!(
            points("procmon.agent.heartbeat.age", &agent),
            [point("collect", 1.5)]
        );
    }

    #[test]
    fn every_exporter_has_its_outcomes() {
        let exporters = [ExporterHealth {
            exporter: "otlp",
            sent: 1,
            rejected: 2,
            dropped: 3,
            retried: 4,
            queue_bytes: 5,
            spool_bytes: 9,
            frames_dropped: 6,
            series: Some(7),
            failing: false,
        }];
        let agent = AgentReading {
            health: &AgentHealth::default(),
            exporters: &exporters,
            series_folded: 8,
            loops: &[],
            history: None,
        };
        assert_eq!(
            points("procmon.agent.export.batches", &agent),
            [
                point("otlp sent", 1.0),
                point("otlp rejected", 2.0),
                point("otlp dropped", 3.0),
                point("otlp retried", 4.0),
            ]
        );
        assert_eq!(
            points("procmon.agent.export.queue.size", &agent),
            [point("otlp", 5.0)]
        );
        assert_eq!(
            points("procmon.agent.export.spool.size", &agent),
            [point("otlp", 9.0)]
        );
        assert_eq!(
            points("procmon.agent.frames.dropped", &agent),
            [point("otlp", 6.0)]
        );
        assert_eq!(
            points("procmon.agent.series.active", &agent),
            [point("", 7.0)]
        );
        assert_eq!(
            points("procmon.agent.series.folded", &agent),
            [point("", 8.0)]
        );
    }

    #[test]
    fn series_that_nobody_counts_are_absent_and_not_0() {
        let agent = AgentReading {
            health: &AgentHealth::default(),
            exporters: &[ExporterHealth {
                exporter: "http",
                ..ExporterHealth::default()
            }],
            series_folded: 0,
            loops: &[],
            history: None,
        };
        assert_eq!(points("procmon.agent.series.active", &agent), []);
    }
}
