//! `procmon config check --estimate`: what OTLP costs with a configuration, by
//! the series that there are on this host.

use std::fmt::Write as _;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::failure::Failure;
use crate::analysis::Rates;
use crate::analysis::history::HistoryHealth;
use crate::collector::{CollectError, Collector, Missed, Selection};
use crate::config::Config;
use crate::export::otlp::Signal;
use crate::metrics::agent::AGENT;
use crate::metrics::{AgentReading, ExporterHealth, Points, Value, host};
use crate::shape::{Shaper, View};
use crate::telemetry;

/// How long this host is looked at: some metrics are of the time between two
/// frames.
const LOOK: Duration = Duration::from_secs(1);

/// How many series and points a minute there are: with every process watched,
/// and with those that the rules match, if there are rules.
pub fn estimate(config: &Config) -> Result<String, Failure> {
    if !config.is_enabled() {
        return Ok("switched off: nothing is collected or exported".to_owned());
    }
    let mut text = String::new();
    let all = Selection::All {
        kernel_threads: false,
    };
    section(&mut text, config, "every process watched (run --all)", all)?;
    let rules = config.rules();
    if !rules.is_empty() {
        let by_rules = Selection::Matching(Arc::new(rules));
        section(
            &mut text,
            config,
            "those watched that select.rules match",
            by_rules,
        )?;
    }
    Ok(text)
}

fn section(
    text: &mut String,
    config: &Config,
    whom: &str,
    selection: Selection,
) -> Result<(), Failure> {
    let (view, without_programs) = look(config, selection)?;
    let interval = config.interval.0;
    let kept = config.history.settings().is_kept(config.publishes());
    let processes = Cost::of(view.series(), interval);
    let traced = !config.export.otlp.traces.is_empty();
    let others = Cost::of(others(&view, kept, traced), telemetry::interval(interval));
    let busy = Cost::of(view.series_of_the_busy(), interval);
    let live = view.frame.processes.len();
    let own = view.own_series().count();
    let groups = view.folding.groups.len();
    let _ = writeln!(
        text,
        "\nOTLP from this host, as it is now, with {whom}: {live} processes, of which {own} have \
         series of their own, {groups} groups"
    );
    let each = |interval: Duration| humantime::format_duration(interval).to_string();
    let rows = [
        (
            "processes and groups",
            processes,
            format!("every {}", each(interval)),
        ),
        (
            "host and procmon",
            others,
            format!("every {}", each(telemetry::interval(interval))),
        ),
        ("together", processes.and(others), String::new()),
    ];
    for (what, cost, when) in rows {
        let line = format!(
            "  {what:<21} {:>9} series {:>12.0} points a minute  {when}",
            cost.series, cost.points
        );
        let _ = writeln!(text, "{}", line.trim_end());
    }
    let _ = writeln!(
        text,
        "  Counters that are still 0 are not sent of processes nobody chose; once each has counted \
         something: {} series, {:.0} points a minute together",
        busy.and(others).series,
        busy.and(others).points
    );
    if let Some(why) = without_programs {
        let _ = writeln!(
            text,
            "  What kernel programs count is not in these numbers: {why}"
        );
    }
    Ok(())
}

/// What is sent, and how much of it.
#[derive(Clone, Copy)]
struct Cost {
    series: u64,
    /// A minute.
    points: f64,
}

impl Cost {
    fn of(series: u64, interval: Duration) -> Self {
        Self {
            series,
            points: series as f64 * 60.0 / interval.as_secs_f64(),
        }
    }

    fn and(self, other: Self) -> Self {
        Self {
            series: self.series + other.series,
            points: self.points + other.points,
        }
    }
}

/// A view of this host as `run` would make it; where kernel programs do not
/// run, one without them, and why.
fn look(config: &Config, selection: Selection) -> Result<(View, Option<String>), Failure> {
    let collect = config.collect();
    let contract = config.contract();
    let open = |kernel| Collector::open_for(collect, selection.clone(), kernel, contract);
    let (mut collector, why) = match open(Some(config.sizes())) {
        Ok(collector) => (collector, None),
        Err(CollectError::Kernel(error)) => (open(None)?, Some(error.to_string())),
        Err(error) => return Err(error.into()),
    };
    collector.set_rules(config.rules());
    let mut rates = Rates::default();
    let mut shaper = Shaper::new(config.select.shape());
    let mut shaped = || -> Result<View, CollectError> {
        let frame = Arc::new(collector.tick(Missed::default())?);
        let derived = rates.derive(&frame);
        Ok(shaper.shape(frame, derived))
    };
    let view = shaped().and_then(|_| {
        thread::sleep(LOOK);
        shaped()
    });
    collector.close();
    Ok((view?, why))
}

/// The series of the host and of procmon itself, which may keep a history and
/// send traces.
fn others(view: &View, history: bool, traced: bool) -> u64 {
    let mut count = Count(0);
    for row in host::rows() {
        (row.read)(&view.frame.host, &mut count);
    }
    // Traces only where some are asked for.
    let sent = Signal::ALL
        .into_iter()
        .filter(|signal| traced || *signal != Signal::Traces);
    let exporters: Vec<_> = sent
        .map(|signal| ExporterHealth {
            exporter: signal.exporter(),
            ..ExporterHealth::default()
        })
        .collect();
    let loops = ["collect", "otlp"].map(|name| (name, Duration::ZERO));
    let reading = AgentReading {
        health: &view.frame.agent,
        exporters: &exporters,
        series_folded: view.series_folded(),
        loops: &loops,
        history: history.then(HistoryHealth::default),
    };
    for row in AGENT {
        (row.read)(&reading, &mut count);
    }
    count.0
}

/// Counts points.
struct Count(u64);

impl Points for Count {
    fn point(&mut self, _: &[(&'static str, &str)], _: Value<'_>) {
        self.0 += 1;
    }
}
