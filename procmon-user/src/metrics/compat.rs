//! Names that other monitors give to what the catalogue has too; each set is off
//! unless it is asked for.

use std::fmt;
use std::str::FromStr;

use super::Instrument::Gauge;
use super::Source::Snapshot;
use super::{Attribute, HostRead, Metric, ProcessRead, Switch, Value};

/// A set of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compat {
    /// Memory of processes in OTLP, as psutil calls it.
    Psutil,
    /// Memory on /metrics, as Vertex AR tells of it.
    VertexAr,
}

/// A second name of a metric of processes: the same points under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alias {
    /// The metric, as the catalogue calls it.
    pub of: &'static str,
    /// The second name.
    pub name: &'static str,
    /// One sentence.
    pub description: &'static str,
}

impl Compat {
    /// Every set.
    pub const ALL: [Self; 2] = [Self::Psutil, Self::VertexAr];

    /// Its name in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Psutil => "psutil",
            Self::VertexAr => "vertex_ar",
        }
    }

    /// The surface that it is on.
    pub const fn surface(self) -> &'static str {
        match self {
            Self::Psutil => "OTLP",
            Self::VertexAr => "/metrics",
        }
    }

    /// Its names in OTLP.
    pub const fn otlp(self) -> &'static [Alias] {
        match self {
            Self::Psutil => PSUTIL,
            Self::VertexAr => &[],
        }
    }

    /// Its metrics of the host. They are called for Prometheus as they are called
    /// here.
    pub const fn host(self) -> &'static [Metric<HostRead>] {
        match self {
            Self::Psutil => &[],
            Self::VertexAr => VERTEX_AR_HOST,
        }
    }

    /// Its metrics of processes.
    pub const fn process(self) -> &'static [Metric<ProcessRead>] {
        match self {
            Self::Psutil => &[],
            Self::VertexAr => VERTEX_AR_PROCESS,
        }
    }
}

impl fmt::Display for Compat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Compat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|set| set.name() == text);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("{text:?} is no set of names: {names}")
        })
    }
}

const PSUTIL: &[Alias] = &[
    Alias {
        of: "process.memory.usage",
        name: "process.memory.rss",
        description: "Resident memory: process.memory.usage as psutil calls it.",
    },
    Alias {
        of: "process.memory.virtual",
        name: "process.memory.vms",
        description: "Address space: process.memory.virtual as psutil calls it.",
    },
    Alias {
        of: "procmon.memory.uss",
        name: "process.memory.uss",
        description: "Memory that is the process's alone: procmon.memory.uss as psutil calls it.",
    },
];

const fn of(values: &'static [&'static str]) -> Attribute {
    Attribute {
        key: "type",
        values,
    }
}

const VERTEX_AR_HOST: &[Metric<HostRead>] = &[
    Metric::<HostRead>::new(
        "vertex_ar_memory_usage_bytes",
        Gauge,
        "By",
        Snapshot,
        Switch::Always,
        "Memory of the host; what is used is what is not available.",
        |host, out| {
            if let Some(memory) = &host.memory {
                let used = memory.total.saturating_sub(memory.available);
                out.point(&[("type", "used")], Value::Int(used));
                out.point(&[("type", "available")], Value::Int(memory.available));
                out.point(&[("type", "total")], Value::Int(memory.total));
            }
        },
    )
    .by(&[of(&["used", "available", "total"])]),
    Metric::<HostRead>::new(
        "vertex_ar_memory_usage_percent",
        Gauge,
        "%",
        Snapshot,
        Switch::Always,
        "The part of the host's memory that is not available.",
        |host, out| {
            if let Some(memory) = host.memory.as_ref().filter(|memory| memory.total > 0) {
                let used = memory.total.saturating_sub(memory.available);
                let percent = used as f64 * 100.0 / memory.total as f64;
                out.point(&[], Value::Float(percent));
            }
        },
    )
    .float(),
    Metric::<HostRead>::new(
        "vertex_ar_swap_usage_bytes",
        Gauge,
        "By",
        Snapshot,
        Switch::Always,
        "Swap of the host.",
        |host, out| {
            if let Some(memory) = &host.memory {
                let used = memory.swap_total.saturating_sub(memory.swap_free);
                out.point(&[("type", "used")], Value::Int(used));
                out.point(&[("type", "total")], Value::Int(memory.swap_total));
            }
        },
    )
    .by(&[of(&["used", "total"])]),
];

const VERTEX_AR_PROCESS: &[Metric<ProcessRead>] = &[Metric::<ProcessRead>::new(
    "vertex_ar_process_memory_bytes",
    Gauge,
    "By",
    Snapshot,
    Switch::Memory,
    "Resident memory of the process.",
    |process, out| {
        if let Some(rss) = process.sample.totals.rss {
            out.point(&[("type", "rss")], Value::Int(rss));
        }
    },
)
.by(&[of(&["rss"])])];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::process;

    #[test]
    fn a_second_name_is_of_a_metric_and_is_no_metrics_first_name() {
        for alias in Compat::ALL.into_iter().flat_map(Compat::otlp) {
            assert!(process::named(alias.of).is_some(), "{alias:?}");
            assert!(process::named(alias.name).is_none(), "{alias:?}");
        }
    }
}
