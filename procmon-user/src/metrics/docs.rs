//! The generated metric reference, from the catalogue's tables.

use std::fmt::Write as _;

use serde::Serialize;

use super::agent::AGENT;
use super::client::CLIENT;
use super::compat::Compat;
use super::group::GROUP;
use super::host;
use super::process::PROCESS;
use super::prometheus::{Name, Naming};
use super::{Attribute, Instrument, Level, Metric, Number, Source, Switch};

/// A row without the function that reads it.
#[derive(Serialize)]
struct Row {
    name: &'static str,
    prometheus: String,
    instrument: &'static str,
    number: &'static str,
    unit: &'static str,
    attributes: Vec<Label>,
    source: &'static str,
    level: &'static str,
    switch: &'static str,
    additive: bool,
    description: &'static str,
}

#[derive(Serialize)]
struct Label {
    key: &'static str,
    values: &'static [&'static str],
}

#[derive(Serialize)]
struct Reference {
    process: Vec<Row>,
    group: Vec<Row>,
    host: Vec<Row>,
    agent: Vec<Row>,
}

impl Reference {
    fn new() -> Self {
        Self {
            process: PROCESS.iter().map(Row::new).collect(),
            group: GROUP.iter().map(Row::new).collect(),
            host: host::rows().map(Row::new).collect(),
            agent: AGENT.iter().map(Row::new).collect(),
        }
    }
}

impl Row {
    fn new<Read>(metric: &Metric<Read>) -> Self {
        let label = |attribute: &Attribute| Label {
            key: attribute.key,
            values: attribute.values,
        };
        Self {
            name: metric.name,
            prometheus: Name::of(metric, Naming::Suffixes).full(),
            instrument: instrument(metric.instrument),
            number: match metric.number {
                Number::Int => "int",
                Number::Float => "double",
            },
            unit: metric.unit,
            attributes: metric.attributes.iter().map(label).collect(),
            source: match metric.source {
                Source::Kernel => "kernel",
                Source::Probe => "probe",
                Source::Snapshot => "snapshot",
            },
            level: match metric.level {
                Level::Recommended => "recommended",
                Level::OptIn => "opt-in",
            },
            switch: match metric.switch {
                Switch::Always => "-",
                Switch::Cpu => "cpu",
                Switch::Memory => "memory",
                Switch::Threads => "threads",
                Switch::FileDescriptors => "fds",
                Switch::DiskIo => "disk_io",
                Switch::NetworkIo => "network_io",
            },
            additive: metric.additive,
            description: metric.description,
        }
    }

    fn labels(&self) -> String {
        let labels: Vec<_> = self
            .attributes
            .iter()
            .map(|label| match label.values {
                [] => format!("`{}`", label.key),
                values => format!("`{}` = {}", label.key, values.join(", ")),
            })
            .collect();
        labels.join("; ")
    }
}

fn instrument(instrument: Instrument) -> &'static str {
    match instrument {
        Instrument::Counter => "Counter",
        Instrument::UpDownCounter => "UpDownCounter",
        Instrument::Gauge => "Gauge",
        Instrument::ExponentialHistogram => "ExponentialHistogram",
    }
}

const LEGEND: &str = "\
# Metrics

This page is generated: `procmon metrics --format md`. The same as JSON: `procmon metrics --format json`.

Names that begin with `process.` or `system.` are registered ones of the OpenTelemetry semantic
conventions; all others are procmon's own. Units are UCUM. A value that could not be read is
absent, never 0.

- **Instrument.** Counters and UpDownCounters are cumulative sums; Gauges are values of their own;
  ExponentialHistograms are at scale 0, so that each bucket ends at a power of two of seconds, its
  end included. *int* and *double* say how OTLP carries the number.
- **Source**, and where a sum starts. *kernel*: the kernel's own totals, since the process began.
  *probe*: what procmon's kernel programs count, since the process began or, if that was earlier,
  since they were attached; a probe that was away begins a new sum from 0. *snapshot*: read or
  computed at each tick. Gauges have no start. Every point carries the time of its tick; final
  values carry the time of the exit.
- **Level.** *recommended*: sent for every process. *opt-in*: sent for processes that `--pid`,
  `--match`, `--unit`, `--container` or `exec` chose, and for all with `metrics: all`. OTLP and
  /metrics leave out a probe's counter that is still 0 where nobody chose the process; JSON lines
  and the report show it.
- **Switch**: the family of measurements the metric belongs to.
- **Sums.** Counters and UpDownCounters may be summed over processes, but for those marked ¬.
- **Groups.** A group's resource (`procmon.group.by`, `procmon.group.name`, the host) has the sums of
  its processes' recommended metrics that may be summed, and `procmon.group.members`. Its counters
  begin with the group and never fall: they hold what processes did while they were in it.
- **Attributes.** Those without values here take values that are not known beforehand. `error.type`
  is the name of an error number (errno(3)), and is absent on what succeeded; `_OTHER` stands for
  errors that have no name, and for those beyond the number of different ones kept for a process.
";

const PROMETHEUS: &str = "
## For Prometheus

`/metrics` has each of these metrics under the name that OpenTelemetry's translation gives it, which
is what a collector makes of procmon's OTLP: underscores for dots, the unit (`_seconds`, `_bytes`,
`_bytes_per_second`), `_ratio` on gauges of unit 1, `_total` on counters. `process.cpu.time` is
`process_cpu_time_seconds_total`; the JSON form of this page has the name of each. Histograms have
`le` at powers of two. Each series of a process has the labels `process_pid`, `process_creation_time`,
`process_executable_name` and `container_id`; the rest of what is known of it is on `process_info`.
Series of a group have `procmon_group_by` and `procmon_group_name` instead.

Beside them stand, without labels, the metrics that client libraries tell of their own process: here
of procmon, on `/metrics?target=PID` of a process that is watched.

| metric | instrument | description |
|---|---|---|
";

const OTHERS: &str = "
## Names of other monitors

`compat` in the configuration adds these, which tell what stands above under another name. They come on
top of the series that `procmon.agent.series.active` counts and `select.max_series` limits.

| metric | set | description |
|---|---|---|
";

/// The reference as Markdown.
pub fn markdown() -> String {
    let reference = Reference::new();
    let mut out = LEGEND.to_owned();
    for (title, rows) in [
        ("Per process", &reference.process),
        ("Per group", &reference.group),
        ("Per host", &reference.host),
        ("procmon itself", &reference.agent),
    ] {
        if rows.is_empty() {
            continue;
        }
        write!(
            out,
            "\n## {title}\n\n\
             | metric | instrument | unit | attributes | source | level | switch | description |\n\
             |---|---|---|---|---|---|---|---|\n"
        )
        .expect("a string takes all");
        for row in rows {
            let sum = matches!(row.instrument, "Counter" | "UpDownCounter");
            let mark = if sum && !row.additive { " ¬" } else { "" };
            writeln!(
                out,
                "| `{}` | {}{mark}, {} | `{}` | {} | {} | {} | {} | {} |",
                row.name,
                row.instrument,
                row.number,
                row.unit,
                row.labels(),
                row.source,
                row.level,
                row.switch,
                row.description,
            )
            .expect("a string takes all");
        }
    }
    out.push_str(PROMETHEUS);
    for row in CLIENT {
        let instrument = instrument(row.instrument);
        let (name, about) = (row.name, row.description);
        writeln!(out, "| `{name}` | {instrument} | {about} |").expect("a string takes all");
    }
    out.push_str(OTHERS);
    for set in Compat::ALL {
        let aliases = set.otlp().iter().map(|a| (a.name, a.description));
        let of_host = set.host().iter().map(|m| (m.name, m.description));
        let of_process = set.process().iter().map(|m| (m.name, m.description));
        for (name, about) in aliases.chain(of_host).chain(of_process) {
            let surface = set.surface();
            writeln!(out, "| `{name}` | `{set}`, {surface} | {about} |")
                .expect("a string takes all");
        }
    }
    out
}

/// The reference as JSON: `{"process": [...], "group": [...], "host": [...], "agent": [...]}`.
pub fn json() -> String {
    let mut text = serde_json::to_string_pretty(&Reference::new())
        .expect("strings and booleans are always JSON");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_in_both_references() {
        let markdown = markdown();
        let json: serde_json::Value = serde_json::from_str(&json()).unwrap();
        let names = PROCESS.iter().map(|m| m.name);
        let names = names.chain(GROUP.iter().map(|m| m.name));
        let names = names.chain(host::rows().map(|m| m.name));
        let names: Vec<_> = names.chain(AGENT.iter().map(|m| m.name)).collect();
        for name in &names {
            assert!(markdown.contains(&format!("| `{name}` |")), "{name}");
        }
        let scopes = ["process", "group", "host", "agent"];
        let documented: Vec<_> = scopes
            .iter()
            .flat_map(|scope| json[scope].as_array().unwrap())
            .map(|row| row["name"].as_str().unwrap())
            .collect();
        assert_eq!(documented, names);
    }

    #[test]
    fn every_metric_that_troubleshooting_names_exists() {
        let text = include_str!("../../../docs/troubleshooting.md");
        let known = markdown();
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || "._*".contains(c)));
        let named: Vec<_> = words
            .filter(|word| word.starts_with("procmon.") && !word.ends_with(".yml"))
            .collect();
        assert!(named.len() > 5);
        for name in named {
            let begin = format!("| `{}", name.trim_end_matches(['*', '.']));
            assert!(known.contains(&begin), "{name}");
        }
    }

    #[test]
    fn a_row_says_all_its_columns() {
        let row = "| `process.cpu.time` | Counter, double | `s` | `cpu.mode` = user, system \
                   | kernel | recommended | cpu | CPU time of the process, all its threads, \
                   since its start. |\n";
        assert!(markdown().contains(row));
        assert!(markdown().contains("| `procmon.cpu.limit` | UpDownCounter ¬, double |"));
    }

    #[test]
    fn no_cell_breaks_the_table() {
        let markdown = markdown();
        let (ours, client) = markdown.split_once(PROMETHEUS).unwrap();
        for (part, columns) in [(ours, 9), (client, 4)] {
            for line in part.lines().filter(|line| line.starts_with('|')) {
                assert_eq!(line.matches('|').count(), columns, "{line}");
            }
        }
    }
}
