//! The instruments: one for each row of the host and agent tables.

use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Histogram, Meter};

use super::{Latest, Shared};
use crate::metrics::agent::AGENT;
use crate::metrics::host;
use crate::metrics::{
    AgentRead, AgentReading, HostRead, Instrument, Metric, Number, Points, Value,
};
use crate::process::ProcessSample;

/// A row of either table.
trait Read: Copy + Send + Sync + 'static {
    fn read(self, latest: &Latest, out: &mut dyn Points);
}

impl Read for HostRead {
    fn read(self, latest: &Latest, out: &mut dyn Points) {
        self(&latest.host, out);
    }
}

impl Read for AgentRead {
    fn read(self, latest: &Latest, out: &mut dyn Points) {
        let agent = AgentReading {
            health: &latest.agent,
            exporters: &latest.exporters,
            series_folded: latest.series_folded,
            loops: &latest.heartbeats.ages(),
            history: latest.history,
        };
        self(&agent, out);
    }
}

/// Whether a metric of this name is a histogram.
pub(super) fn is_histogram(name: &str) -> bool {
    let agent = AGENT.iter().map(|row| (row.name, row.instrument));
    let host = host::rows().map(|row| (row.name, row.instrument));
    agent
        .chain(host)
        .any(|row| row == (name, Instrument::ExponentialHistogram))
}

/// Makes the observable instruments; they live as long as the meter does.
pub(super) fn observe(meter: &Meter, latest: &Shared) {
    for row in host::rows() {
        observe_row(meter, row, latest.clone());
    }
    for row in AGENT {
        observe_row(meter, row, latest.clone());
    }
}

fn observe_row<R: Read>(meter: &Meter, row: &Metric<R>, latest: Shared) {
    macro_rules! instrument {
        ($make:ident, $number:ty) => {{
            let read = row.read;
            let callback = move |observer: &dyn AsyncInstrument<$number>| {
                let Some(latest) = latest.get() else { return };
                read.read(
                    &latest,
                    &mut |attributes: &[(&'static str, &str)], value: Value<'_>| {
                        if let Some(number) = <$number>::of(value) {
                            observer.observe(number, &key_values(attributes));
                        }
                    },
                );
            };
            let _ = meter
                .$make(row.name)
                .with_unit(row.unit)
                .with_description(row.description)
                .with_callback(callback)
                .build();
        }};
    }
    match (row.instrument, row.number) {
        (Instrument::Counter, Number::Int) => instrument!(u64_observable_counter, u64),
        (Instrument::Counter, Number::Float) => instrument!(f64_observable_counter, f64),
        (Instrument::UpDownCounter, Number::Int) => {
            instrument!(i64_observable_up_down_counter, i64);
        }
        (Instrument::UpDownCounter, Number::Float) => {
            instrument!(f64_observable_up_down_counter, f64);
        }
        (Instrument::Gauge, Number::Int) => instrument!(u64_observable_gauge, u64),
        (Instrument::Gauge, Number::Float) => instrument!(f64_observable_gauge, f64),
        // Recorded, not observed.
        (Instrument::ExponentialHistogram, _) => {}
    }
}

/// What is recorded instead of observed: one value a view in each histogram of
/// the agent table, and the lifetime of each process that has ended.
#[derive(Debug)]
pub(super) struct Histograms {
    agent: Vec<(AgentRead, Histogram<f64>)>,
    lifetime: Histogram<f64>,
}

/// The histogram of the host table, and its attribute.
const LIFETIME: (&str, &str) = ("procmon.process.lifetime", "process.executable.name");

impl Histograms {
    pub(super) fn new(meter: &Meter) -> Self {
        let histogram = |row: &Metric<AgentRead>| {
            let instrument = meter
                .f64_histogram(row.name)
                .with_unit(row.unit)
                .with_description(row.description)
                .build();
            (row.read, instrument)
        };
        Self {
            agent: AGENT
                .iter()
                .filter(|row| row.instrument == Instrument::ExponentialHistogram)
                .map(histogram)
                .collect(),
            lifetime: meter
                .f64_histogram(LIFETIME.0)
                .with_unit("s")
                .with_description("How long ended processes lived.")
                .build(),
        }
    }

    pub(super) fn record(&self, latest: &Latest, exited: &[ProcessSample]) {
        for sample in exited {
            if let Some(ns) = sample.totals.uptime_ns {
                let executable = sample.metadata.executable.clone();
                self.lifetime
                    .record(ns as f64 / 1e9, &[KeyValue::new(LIFETIME.1, executable)]);
            }
        }
        for (read, histogram) in &self.agent {
            read.read(
                latest,
                &mut |attributes: &[(&'static str, &str)], value: Value<'_>| {
                    if let Some(number) = f64::of(value) {
                        histogram.record(number, &key_values(attributes));
                    }
                },
            );
        }
    }
}

fn key_values(attributes: &[(&'static str, &str)]) -> Vec<KeyValue> {
    attributes
        .iter()
        .map(|(key, value)| KeyValue::new(*key, (*value).to_owned()))
        .collect()
}

/// A number as an instrument takes it.
trait Of: Sized {
    fn of(value: Value<'_>) -> Option<Self>;
}

impl Of for u64 {
    fn of(value: Value<'_>) -> Option<Self> {
        match value {
            // The SDK sends as 0 what OTLP's signed integers cannot hold.
            Value::Int(value) => Some(value.min(i64::MAX as u64)),
            Value::Float(_) | Value::Histogram(_) => None,
        }
    }
}

impl Of for i64 {
    fn of(value: Value<'_>) -> Option<Self> {
        u64::of(value).map(u64::cast_signed)
    }
}

impl Of for f64 {
    fn of(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Int(value) => Some(value as Self),
            Value::Float(value) => Some(value),
            Value::Histogram(_) => None,
        }
    }
}
