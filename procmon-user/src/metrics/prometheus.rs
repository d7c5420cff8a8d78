//! The catalogue's names as Prometheus writes them: OpenTelemetry's translation
//! "UnderscoreEscapingWithSuffixes", which a collector gives our OTLP too, so
//! that one dashboard serves both roads.
//!
//! <https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/>

use super::{Instrument, Metric};

/// How names are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Naming {
    /// With the unit, `_total` and `_ratio`.
    #[default]
    Suffixes,
    /// OpenTelemetry's name, with underscores for what is no letter or digit.
    Plain,
}

/// A name in its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// Without `_total`: what OpenMetrics calls the family.
    pub family: String,
    /// The family's unit, which the name ends with, if it has one.
    pub unit: Option<&'static str>,
    /// `_total`, or nothing.
    pub total: &'static str,
}

impl Name {
    /// The name of a row.
    pub fn of<Read>(metric: &Metric<Read>, naming: Naming) -> Self {
        let mut family = label(metric.name);
        if naming == Naming::Plain {
            return Self {
                family,
                unit: None,
                total: "",
            };
        }
        let unit = match metric.unit {
            "s" => Some("seconds"),
            "By" => Some("bytes"),
            "By/s" => Some("bytes_per_second"),
            "1" if metric.instrument == Instrument::Gauge => Some("ratio"),
            // Annotations in braces, which the translation drops.
            _ => None,
        };
        if let Some(unit) = unit {
            family.push('_');
            family.push_str(unit);
        }
        let total = match metric.instrument {
            Instrument::Counter => "_total",
            _ => "",
        };
        Self {
            family,
            unit,
            total,
        }
    }

    /// The whole of it.
    pub fn full(&self) -> String {
        format!("{}{}", self.family, self.total)
    }
}

/// An attribute's key as a label; the name of a metric has the same form.
pub fn label(key: &str) -> String {
    let mut label: String = key
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    if label.starts_with(|c: char| c.is_ascii_digit()) {
        label.insert_str(0, "key_");
    }
    label
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::agent::AGENT;
    use crate::metrics::group::GROUP;
    use crate::metrics::host;
    use crate::metrics::process::PROCESS;

    fn names(naming: Naming) -> Vec<(&'static str, String)> {
        let process = PROCESS.iter().map(|row| (row.name, Name::of(row, naming)));
        let group = GROUP.iter().map(|row| (row.name, Name::of(row, naming)));
        let host = host::rows().map(|row| (row.name, Name::of(row, naming)));
        let agent = AGENT.iter().map(|row| (row.name, Name::of(row, naming)));
        let all = process.chain(group).chain(host).chain(agent);
        all.map(|(otel, name)| (otel, name.full())).collect()
    }

    /// Of each rule of the translation, the names that the compatibility
    /// document's rules give, written out.
    #[rustfmt::skip]
    const TRANSLATED: &[(&str, &str)] = &[
        ("process.cpu.time", "process_cpu_time_seconds_total"),
        ("process.cpu.utilization", "process_cpu_utilization_ratio"),
        ("procmon.cpu.usage", "procmon_cpu_usage"),
        ("procmon.cpu.limit", "procmon_cpu_limit"),
        ("procmon.cpu.on_cpu.time", "procmon_cpu_on_cpu_time_seconds_total"),
        ("procmon.cpu.run_queue.duration", "procmon_cpu_run_queue_duration_seconds"),
        ("process.context_switches", "process_context_switches_total"),
        ("process.thread.count", "process_thread_count"),
        ("process.memory.usage", "process_memory_usage_bytes"),
        ("process.memory.utilization", "process_memory_utilization_ratio"),
        ("procmon.memory.peak_rss", "procmon_memory_peak_rss_bytes"),
        ("procmon.memory.mapping.size", "procmon_memory_mapping_size_bytes_total"),
        ("process.unix.file_descriptor.count", "process_unix_file_descriptor_count"),
        ("process.disk.io", "process_disk_io_bytes_total"),
        ("process.uptime", "process_uptime_seconds"),
        ("procmon.group.members", "procmon_group_members"),
        ("system.memory.utilization", "system_memory_utilization_ratio"),
        ("system.cpu.time", "system_cpu_time_seconds_total"),
        ("system.cpu.logical.count", "system_cpu_logical_count"),
        ("procmon.exited.processes", "procmon_exited_processes_total"),
        ("procmon.process.lifetime", "procmon_process_lifetime_seconds"),
        ("procmon.agent.cpu.time", "procmon_agent_cpu_time_seconds_total"),
        ("procmon.agent.tick.duration", "procmon_agent_tick_duration_seconds"),
        ("procmon.agent.overhead", "procmon_agent_overhead"),
    ];

    #[test]
    fn names_are_those_of_opentelemetrys_translation() {
        let names = names(Naming::Suffixes);
        for (otel, prometheus) in TRANSLATED {
            let (_, found) = names.iter().find(|(name, _)| name == otel).expect(otel);
            assert_eq!(found, prometheus);
        }
    }

    #[test]
    fn plain_names_have_no_suffix() {
        for (otel, plain) in names(Naming::Plain) {
            assert_eq!(plain, otel.replace('.', "_"));
        }
    }

    #[test]
    fn no_two_metrics_have_one_name() {
        for naming in [Naming::Suffixes, Naming::Plain] {
            let mut names: Vec<_> = names(naming).into_iter().map(|(_, name)| name).collect();
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count);
        }
    }

    #[test]
    fn a_key_of_any_characters_is_a_label() {
        assert_eq!(label("procmon.match.app"), "procmon_match_app");
        assert_eq!(label("größe-1"), "gr__e_1");
        assert_eq!(label("1st"), "key_1st");
    }
}
