//! What a row of the catalogue says.

use std::time::Duration;

use crate::analysis::Derived;
use crate::analysis::history::HistoryHealth;
use crate::frame::AgentHealth;
use crate::process::{Extra, Histogram, ProcessSample, Switch};
use procmon_common::Feature;
use procmon_common::probes::Family;

/// The OpenTelemetry instrument of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instrument {
    /// A monotonic cumulative sum.
    Counter,
    /// A cumulative sum that may fall.
    UpDownCounter,
    /// A value of its own.
    Gauge,
    /// An exponential histogram at scale 0.
    ExponentialHistogram,
}

/// How a metric's numbers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// OTLP `as_int`.
    Int,
    /// OTLP `as_double`.
    Float,
}

/// Where a value comes from, which says when its sum began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The kernel's own totals: since process start. `K` in the contract.
    Kernel,
    /// What our probes keep: since process start or attach. `P`.
    Probe,
    /// Read or computed anew on each tick: no start.
    Snapshot,
}

/// For whom a metric is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// For every process (`r`).
    Recommended,
    /// For chosen processes only (`o`).
    OptIn,
}

/// An attribute of a metric's points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its key.
    pub key: &'static str,
    /// Every value it takes; empty when they are not known beforehand.
    pub values: &'static [&'static str],
}

/// The value of a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// An integer.
    Int(u64),
    /// A floating-point number; always finite.
    Float(f64),
    /// A histogram.
    Histogram(&'a Histogram),
}

impl Value<'_> {
    /// Whether nothing was counted.
    pub fn is_zero(self) -> bool {
        match self {
            Self::Int(value) => value == 0,
            Self::Float(value) => value == 0.0,
            Self::Histogram(histogram) => histogram.count() == 0,
        }
    }
}

/// Takes the points of a metric.
pub trait Points {
    /// One point. `attributes` come in the catalogue's order of the row; one
    /// that does not apply to the point is left out.
    fn point(&mut self, attributes: &[(&'static str, &str)], value: Value<'_>);
}

impl<F: FnMut(&[(&'static str, &str)], Value<'_>)> Points for F {
    fn point(&mut self, attributes: &[(&'static str, &str)], value: Value<'_>) {
        self(attributes, value);
    }
}

/// A row of the catalogue; `Read` is the function that reads its points.
#[derive(Clone, Copy, Debug)]
pub struct Metric<Read> {
    /// OpenTelemetry name.
    pub name: &'static str,
    /// Instrument.
    pub instrument: Instrument,
    /// How its numbers are written.
    pub number: Number,
    /// UCUM unit.
    pub unit: &'static str,
    /// Attributes of its points.
    pub attributes: &'static [Attribute],
    /// Where its values come from.
    pub source: Source,
    /// The part of the kernel half that counts it, if that may be off.
    pub feature: Option<Feature>,
    /// The probes that count it, if those may be off.
    pub family: Option<Family>,
    /// What has to be read apart for it.
    pub extra: Option<Extra>,
    /// For whom it is sent.
    pub level: Level,
    /// What switches it.
    pub switch: Switch,
    /// May be summed over processes into a group.
    pub additive: bool,
    /// One sentence, for OTLP and the documentation.
    pub description: &'static str,
    /// Reads its points; a value that could not be read is no point.
    pub read: Read,
}

impl<Read: Copy> Metric<Read> {
    /// A row with the columns that most rows share: whole numbers, no
    /// attributes, sent for every process, summed into groups if it is a sum.
    pub(super) const fn new(
        name: &'static str,
        instrument: Instrument,
        unit: &'static str,
        source: Source,
        switch: Switch,
        description: &'static str,
        read: Read,
    ) -> Self {
        Self {
            name,
            instrument,
            number: Number::Int,
            unit,
            attributes: &[],
            source,
            feature: None,
            family: None,
            extra: None,
            level: Level::Recommended,
            switch,
            additive: matches!(instrument, Instrument::Counter | Instrument::UpDownCounter),
            description,
            read,
        }
    }

    /// The same with attributes.
    pub(super) const fn by(mut self, attributes: &'static [Attribute]) -> Self {
        self.attributes = attributes;
        self
    }

    /// The same with floating-point numbers.
    pub(super) const fn float(mut self) -> Self {
        self.number = Number::Float;
        self
    }

    /// The same, counted by this feature.
    pub(super) const fn part(mut self, feature: Feature) -> Self {
        self.feature = Some(feature);
        self
    }

    /// The same, counted by these probes.
    pub(super) const fn counted_by(mut self, family: Family) -> Self {
        self.family = Some(family);
        self
    }

    /// The same, for which this has to be read apart.
    pub(super) const fn read_apart(mut self, extra: Extra) -> Self {
        self.extra = Some(extra);
        self
    }

    /// The same for chosen processes only.
    pub(super) const fn opt_in(mut self) -> Self {
        self.level = Level::OptIn;
        self
    }

    /// The same, but its sum over processes means nothing.
    pub(super) const fn not_additive(mut self) -> Self {
        self.additive = false;
        self
    }

    /// Whether OTLP and /metrics leave its points out while they are 0, of a
    /// process that nobody chose.
    pub fn may_be_quiet(&self) -> bool {
        self.source == Source::Probe && self.instrument == Instrument::Counter
    }

    /// Whether it is summed up and sent for groups of processes.
    pub fn is_of_groups(&self) -> bool {
        self.additive && self.level == Level::Recommended
    }
}

/// A process and what follows for it: what a row of the process table reads.
#[derive(Clone, Copy, Debug)]
pub struct ProcessReading<'a> {
    /// The sample.
    pub sample: &'a ProcessSample,
    /// What follows; `None` in the last sample of a process.
    pub derived: Option<&'a Derived>,
    /// The frame's time, ns of Unix time.
    pub at_unix_ns: u64,
}

/// What a row of the group table reads.
#[derive(Clone, Copy, Debug)]
pub struct GroupReading {
    /// Live processes in the group.
    pub members: u64,
}

/// How one exporter does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExporterHealth {
    /// `procmon.exporter`.
    pub exporter: &'static str,
    /// Batches delivered.
    pub sent: u64,
    /// Batches refused for good, or partly.
    pub rejected: u64,
    /// Batches given up: the queue was full, or the end came.
    pub dropped: u64,
    /// Tries that failed and were tried again.
    pub retried: u64,
    /// Bytes in its queue.
    pub queue_bytes: u64,
    /// Bytes of its spool on disk.
    pub spool_bytes: u64,
    /// Frames it was too slow for.
    pub frames_dropped: u64,
    /// Series it sent last; of one that sends none, or counts none, nothing.
    pub series: Option<u64>,
    /// The receiver does not take what is sent, or not in time.
    pub failing: bool,
}

/// What a row of the agent table reads.
#[derive(Clone, Copy, Debug)]
pub struct AgentReading<'a> {
    /// The collector's side.
    pub health: &'a AgentHealth,
    /// The exporters' side.
    pub exporters: &'a [ExporterHealth],
    /// Series that were folded.
    pub series_folded: u64,
    /// Since when each loop has not shown that it lives.
    pub loops: &'a [(&'static str, Duration)],
    /// The history, where one is kept.
    pub history: Option<HistoryHealth>,
}

/// Reads a row of the process table.
pub type ProcessRead = for<'a> fn(&ProcessReading<'a>, &mut dyn Points);
/// Reads a row of the group table.
pub type GroupRead = fn(&GroupReading, &mut dyn Points);
/// Reads a row of the host table.
pub type HostRead = fn(&crate::frame::Host, &mut dyn Points);
/// Reads a row of the agent table.
pub type AgentRead = for<'a> fn(&AgentReading<'a>, &mut dyn Points);
