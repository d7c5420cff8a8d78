//! Options that more than one command has.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::failure::Failure;
use crate::collector::Contract;
use crate::kernel::Sizes;
use crate::shape::{self, GroupBy, LEAST_SERIES};

const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// Four times the shortest sample.
const SHORTEST_PERIOD: Duration = Duration::from_secs(1);

/// How often, how long, and where to.
#[derive(Debug, Args)]
pub struct Common {
    /// Time between two frames, 10ms to 24h
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = interval)]
    pub interval: Duration,
    /// End after this time; with exec, write no frames after it
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,
    /// End after this many frames, the first at once; with exec, write no more than these
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Do without kernel programs: read /proc only
    #[arg(long)]
    pub no_ebpf: bool,
    /// Export OTLP to this endpoint
    ///
    /// Means what OTEL_EXPORTER_OTLP_ENDPOINT means. gRPC, or HTTP/protobuf for port 4318;
    /// OTEL_EXPORTER_OTLP_PROTOCOL says otherwise. Without a value: http://127.0.0.1:4317.
    #[arg(long, value_name = "URL", num_args = 0..=1, require_equals = false)]
    pub otlp: Option<Option<String>>,
    /// Write the text report to this file, - for stdout (not with exec)
    ///
    /// Without it the report goes to stdout when nothing else was asked for, or when stdout is
    /// a terminal.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Write one JSON object a process and frame to this file, - for stdout (not with exec)
    #[arg(long, value_name = "FILE")]
    pub jsonl: Option<PathBuf>,
    #[command(flatten)]
    pub folding: Folding,
}

/// What of all processes OTLP sends.
#[derive(Debug, Args)]
pub struct Folding {
    /// OTLP: series of their own for N processes only
    ///
    /// Those that are first by CPU, memory, growth, descriptors and I/O, in turn; chosen ones
    /// before all others. The rest is one resource, `other`. 0 is no limit. The report and JSON
    /// lines show every process.
    #[arg(long, value_name = "N", default_value_t = 0)]
    top: usize,
    /// OTLP: one resource a group of processes instead of one a process
    ///
    /// By executable, container, pod, unit, user, tree or rule. With --top those N processes
    /// have series beside their groups.
    #[arg(long, value_name = "KEY")]
    group_by: Option<GroupBy>,
    /// OTLP: the most series, at least 100; the least important processes are folded
    #[arg(long, value_name = "N", value_parser = max_series)]
    max_series: Option<u64>,
}

impl Folding {
    /// How views are to be shaped.
    pub fn settings(&self) -> shape::Settings {
        shape::Settings {
            top: self.top,
            group_by: self.group_by,
            max_series: self.max_series,
        }
    }
}

impl Common {
    /// The sizes of the kernel half; `None` without it.
    pub fn kernel(&self) -> Result<Option<Sizes>, Failure> {
        if self.no_ebpf {
            return Ok(None);
        }
        sizes().map(Some)
    }
}

/// The sizes of the kernel half, from the environment.
pub fn sizes() -> Result<Sizes, Failure> {
    let max_processes = number(
        "PROCMON_KERNEL_MAX_PROCESSES",
        "a number of processes, at least 1",
        |n| n >= 1,
    )?;
    let events_buffer = number(
        "PROCMON_KERNEL_EVENTS_BUFFER",
        "bytes, a power of two of at least 4096",
        |n| n.is_power_of_two() && n >= 4096,
    )?;
    Ok(Sizes {
        max_processes,
        events_buffer,
    })
}

/// The overhead contract with this budget; how long procmon is looked at
/// before it is judged is in the environment.
pub fn contract(budget: Option<f64>) -> Result<Contract, Failure> {
    let period = value(
        "PROCMON_OVERHEAD_PERIOD",
        "a time from 1s to 24h, as in 30s",
        |text| {
            let period = time(text).ok()?;
            (SHORTEST_PERIOD..=LONGEST)
                .contains(&period)
                .then_some(period)
        },
    )?;
    Ok(Contract {
        budget,
        period: period.unwrap_or(Contract::default().period),
    })
}

/// A number in a variable.
fn number(variable: &str, wanted: &str, fits: fn(u32) -> bool) -> Result<Option<u32>, Failure> {
    value(variable, wanted, |text| {
        text.parse().ok().filter(|number| fits(*number))
    })
}

/// A value in a variable; empty is unset.
fn value<T>(
    variable: &str,
    wanted: &str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, Failure> {
    let Some(value) = std::env::var_os(variable).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    value
        .to_str()
        .and_then(read)
        .map(Some)
        .ok_or_else(|| Failure::Usage(format!("{variable}={}: not {wanted}", value.display())))
}

/// A part of one core: `2%`, or `off` for no limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget(pub Option<f64>);

impl std::str::FromStr for Budget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self(None));
        }
        text.strip_suffix('%')
            .and_then(|number| number.trim_end().parse::<f64>().ok())
            .filter(|percent| *percent > 0.0 && percent.is_finite())
            .map(|percent| Self(Some(percent / 100.0)))
            .ok_or_else(|| "write a share of one core above 0, as in 2% or 0.5%, or off".to_owned())
    }
}

fn max_series(text: &str) -> Result<u64, String> {
    let number = text.parse().ok().filter(|n| *n >= LEAST_SERIES);
    number.ok_or_else(|| {
        format!("write a number of at least {LEAST_SERIES}: what is folded needs series too")
    })
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = time(text).map_err(|error| format!("{error}; from 10ms to 24h"))?;
    if (SHORTEST..=LONGEST).contains(&interval) {
        Ok(interval)
    } else {
        Err(format!("{text} is out of range: from 10ms to 24h"))
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let duration = time(text)?;
    if duration.is_zero() {
        return Err("a duration is more than 0".to_owned());
    }
    Ok(duration)
}

fn time(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|error| format!("{error}; write a number with its unit: 500ms, 10s, 5m, 1h"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_10_ms_to_24_h_inclusive() {
        assert_eq!(interval("10ms"), Ok(Duration::from_millis(10)));
        assert_eq!(interval("24h"), Ok(LONGEST));
        for outside in ["9ms", "24h 1ms", "0s", "0", "soon", ""] {
            assert!(interval(outside).unwrap_err().contains("from 10ms to 24h"));
        }
    }

    #[test]
    fn a_budget_is_a_share_of_a_core_or_off() {
        assert_eq!("2%".parse(), Ok(Budget(Some(0.02))));
        assert_eq!("0.5 %".parse(), Ok(Budget(Some(0.005))));
        assert_eq!("off".parse(), Ok(Budget(None)));
        for wrong in ["2", "0%", "-1%", "%", "inf%", "nan%", ""] {
            assert!(
                wrong.parse::<Budget>().unwrap_err().contains("2%"),
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_cap_leaves_room_for_what_is_folded() {
        assert_eq!(max_series("100"), Ok(100));
        for wrong in ["99", "0", "-5", "many", ""] {
            assert!(max_series(wrong).unwrap_err().contains("at least 100"));
        }
    }

    #[test]
    fn a_number_without_a_unit_is_explained() {
        assert!(interval("10").unwrap_err().contains("500ms"));
    }
}
