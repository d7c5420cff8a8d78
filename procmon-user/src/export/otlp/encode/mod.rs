//! Views into OTLP: one `ResourceMetrics` a process or group, in batches of bounded size.
//!
//! The SDK cannot do this: it has one resource a provider, no split, and no
//! way to say that a series has ended. The bytes are made here and travel as
//! they are, over gRPC and HTTP alike.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use procmon_common::Feature;
use prost::Message as _;

use super::host::HostIdentity;
use super::settings::{Settings, Temporality};
use crate::analysis::Derived;
use crate::metrics::process::{self, PROCESS};
use crate::metrics::{Instrument, Metric, ProcessRead, ProcessReading, Source, Value};
use crate::process::select::Matched;
use crate::process::{ByProcess, Metadata, ProbeCounters, ProcessId, ProcessSample, Rows};
use crate::shape::View;

pub mod attributes;
mod batch;
mod delta;
mod group;
mod histogram;
pub mod resource;
mod series;

pub use batch::Batch;

pub(in crate::export::otlp) use batch::Writer;
use delta::{Last, is_delta, since};
use group::{GroupId, TrackedGroup};
use resource::Resources;
use series::{Message, Series, SeriesId, SeriesSet, Stamp};

/// The conventions that the names are of.
pub const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.44.0";

/// How long after its last value a series ends, at least. Stores that keep
/// milliseconds would take the end for a second value of the same time.
const END_AFTER_NS: u64 = 1_000_000;

/// Makes batches of views, and remembers of each process what that takes.
#[derive(Debug)]
pub struct Encoder {
    resources: Resources,
    temporality: Temporality,
    series: Series,
    message: Message,
    tracked: ByProcess<Box<Tracked>>,
    groups: HashMap<GroupId, TrackedGroup>,
    views: u64,
    live_series: u64,
    writer: Writer,
}

/// What is remembered of a process.
#[derive(Debug)]
struct Tracked {
    metadata: Arc<Metadata>,
    matched: Option<Arc<Matched>>,
    /// Its `Resource`, encoded, without the host that all have.
    resource: Box<[u8]>,
    created_unix_ns: u64,
    /// When the probes' sums began, of the features last.
    since_unix_ns: [u64; 1 + Feature::COUNT],
    sent: SeriesSet,
    /// The metrics that were wanted of it.
    rows: Rows,
    /// Kept for delta temporality, and of cumulative histograms.
    last: HashMap<SeriesId, Last, foldhash::fast::RandomState>,
    /// Its first deltas would tell again what a group's have told: it was
    /// folded until now.
    begins_without: bool,
    /// The number of the last view it was in.
    seen: u64,
}

impl Encoder {
    /// An encoder for the processes of `host`.
    pub fn new(settings: &Settings, host: HostIdentity) -> Self {
        let resources = Resources::new(
            host,
            &settings.resource_attributes,
            settings.service_instance,
        );
        Self {
            temporality: settings.temporality,
            series: Series::new(settings.histograms),
            message: Message::new(settings.temporality, settings.histograms, &settings.compat),
            tracked: ByProcess::default(),
            groups: HashMap::new(),
            views: 0,
            live_series: 0,
            writer: Writer::new(settings.batch_bytes, resources.of_host().encode_to_vec()),
            resources,
        }
    }

    /// The batches of a view, all at once.
    pub fn encode(&mut self, view: &View) -> Vec<Batch> {
        let mut batches = Vec::new();
        self.encode_each(view, |batch| batches.push(batch));
        batches
    }

    /// The batches of a view, each as soon as it is complete: live processes,
    /// then those that have ended, then groups.
    pub fn encode_each(&mut self, view: &View, mut take: impl FnMut(Batch)) {
        let frame = &view.frame;
        self.views += 1;
        self.live_series = 0;
        let mut all = std::mem::take(&mut self.tracked);
        for own in view.own_series() {
            let (sample, derived) = (own.sample, Some(own.derived));
            let tracked = self.track(&mut all, sample, own.was_folded, frame.at_unix_ns);
            self.live_series += self.values(tracked, sample, derived, frame.at_unix_ns);
            tracked.begins_without = false;
            self.writer.take_complete().for_each(&mut take);
        }
        self.tracked = all;
        for sample in view.own_ended() {
            self.exited(sample, frame.at_unix_ns);
            self.writer.take_complete().for_each(&mut take);
        }
        self.vanished(&frame.ending, frame.at_unix_ns);
        self.live_series += self.groups(view);
        self.writer.finish().for_each(&mut take);
    }

    /// How many series the last view's live processes have.
    pub fn live_series(&self) -> u64 {
        self.live_series
    }

    /// What is remembered of a process, up to date; `all` is the table, which
    /// is out of its place meanwhile.
    fn track<'a>(
        &mut self,
        all: &'a mut ByProcess<Box<Tracked>>,
        sample: &ProcessSample,
        was_folded: bool,
        at_unix_ns: u64,
    ) -> &'a mut Tracked {
        let tracked = match all.entry(sample.id) {
            Entry::Occupied(known) => {
                let tracked = known.into_mut();
                self.follow(tracked, sample, at_unix_ns);
                self.withdraw(tracked, sample.wanted.rows, at_unix_ns);
                tracked
            }
            Entry::Vacant(place) => place.insert(Box::new(Tracked {
                metadata: Arc::clone(&sample.metadata),
                matched: sample.matched.clone(),
                resource: encoded_resource(&self.resources, sample),
                created_unix_ns: sample.created_unix_ns,
                since_unix_ns: [0; 1 + Feature::COUNT],
                sent: SeriesSet::default(),
                rows: sample.wanted.rows,
                last: HashMap::default(),
                begins_without: was_folded,
                seen: 0,
            })),
        };
        tracked.seen = self.views;
        if let Some(probes) = &sample.probes {
            tracked.begin_anew(probes, &self.series);
        }
        tracked
    }

    /// Takes over what a process is now.
    fn follow(&mut self, tracked: &mut Tracked, sample: &ProcessSample, at_unix_ns: u64) {
        if tracked.is_described_by(sample) {
            return;
        }
        let resource = encoded_resource(&self.resources, sample);
        if tracked.resource != resource {
            // An exec or a rule made it a new resource: the old one's series end.
            self.end(tracked, at_unix_ns);
            tracked.sent = SeriesSet::default();
            tracked.resource = resource;
        }
        tracked.metadata = Arc::clone(&sample.metadata);
        tracked.matched.clone_from(&sample.matched);
    }

    /// Ends the series of metrics that are not wanted any more.
    fn withdraw(&mut self, tracked: &mut Tracked, rows: Rows, time_unix_ns: u64) {
        if std::mem::replace(&mut tracked.rows, rows) == rows {
            return;
        }
        for id in tracked.sent.by_row(&self.series) {
            if !rows.has(self.series.row(id)) {
                self.end_series(tracked, id, time_unix_ns);
                tracked.sent.remove(id);
            }
        }
        self.write(&tracked.resource);
    }

    /// Writes the values of a process; returns how many points that were.
    fn values(
        &mut self,
        tracked: &mut Tracked,
        sample: &ProcessSample,
        derived: Option<&Derived>,
        time_unix_ns: u64,
    ) -> u64 {
        let reading = ProcessReading {
            sample,
            derived,
            at_unix_ns: time_unix_ns,
        };
        for (index, row) in process::of(sample) {
            let may_be_quiet = row.may_be_quiet();
            let delta = is_delta(self.temporality, row.instrument);
            let stamp = Stamp {
                start_unix_ns: start(row, tracked).min(time_unix_ns),
                time_unix_ns,
            };
            let mut point = |attributes: &[(&'static str, &str)], value: Value<'_>| {
                let id = self.series.id(index, attributes);
                if may_be_quiet && !sample.chosen && value.is_zero() && !tracked.sent.contains(id) {
                    return;
                }
                tracked.sent.insert(id);
                if !delta {
                    if matches!(value, Value::Histogram(_)) {
                        tracked.last.insert(id, Last::of(value, time_unix_ns));
                    }
                    self.message.push(&self.series, id, stamp, value);
                    return;
                }
                let last = tracked.last.insert(id, Last::of(value, time_unix_ns));
                if last.is_none() && tracked.begins_without {
                    return;
                }
                let (start, change) = since(last, value, stamp.start_unix_ns);
                let stamp = Stamp {
                    start_unix_ns: start,
                    ..stamp
                };
                self.message
                    .push(&self.series, id, stamp, change.as_value());
            };
            (row.read)(&reading, &mut point);
        }
        self.write(&tracked.resource)
    }

    /// A process that has ended: its last values, then the end of its series.
    /// One that was in no view has none, unless it was chosen.
    fn exited(&mut self, sample: &ProcessSample, at_unix_ns: u64) {
        if !sample.chosen && !self.tracked.contains_key(&sample.id) {
            return;
        }
        let end = sample.exit.map_or(at_unix_ns, |exit| exit.at_unix_ns);
        let mut all = std::mem::take(&mut self.tracked);
        let tracked = self.track(&mut all, sample, false, at_unix_ns);
        self.values(tracked, sample, None, end);
        self.end(tracked, at_unix_ns.max(end + END_AFTER_NS));
        all.remove(&sample.id);
        self.tracked = all;
    }

    /// Processes that are in the view no more, and of whose end nothing is
    /// known or to come.
    fn vanished(&mut self, ending: &[ProcessId], at_unix_ns: u64) {
        for id in ending {
            if let Some(tracked) = self.tracked.get_mut(id) {
                tracked.seen = self.views;
            }
        }
        let mut gone: Vec<_> = self
            .tracked
            .iter()
            .filter(|(_, tracked)| tracked.seen != self.views)
            .map(|(id, _)| *id)
            .collect();
        gone.sort_unstable();
        for id in gone {
            if let Some(tracked) = self.tracked.remove(&id) {
                self.end(&tracked, at_unix_ns);
            }
        }
    }

    /// Says of every series that a process ever sent that it has ended.
    fn end(&mut self, tracked: &Tracked, time_unix_ns: u64) {
        for id in tracked.sent.by_row(&self.series) {
            self.end_series(tracked, id, time_unix_ns);
        }
        self.write(&tracked.resource);
    }

    /// Says of one of its series that it has ended.
    fn end_series(&mut self, tracked: &Tracked, id: SeriesId, time_unix_ns: u64) {
        let row = &PROCESS[self.series.row(id)];
        let stamp = Stamp {
            start_unix_ns: start(row, tracked).min(time_unix_ns),
            time_unix_ns,
        };
        // A delta told twice would be added twice by those who know no ends.
        let repeats = !is_delta(self.temporality, row.instrument);
        let last = tracked.last.get(&id).filter(|_| repeats);
        let last = last.and_then(Last::histogram);
        self.message.push_end(&self.series, id, stamp, last);
    }

    /// Writes the message under a resource and empties it.
    fn write(&mut self, resource: &[u8]) -> u64 {
        let (scope, points) = self.message.complete();
        if points > 0 {
            self.writer.write(resource, scope, points);
        }
        self.message.clear();
        points
    }
}

impl Tracked {
    /// Whether what its resource is made of is as it was.
    fn is_described_by(&self, sample: &ProcessSample) -> bool {
        let matched = match (&self.matched, &sample.matched) {
            (Some(before), Some(now)) => is_same(before, now),
            (before, now) => before.is_none() && now.is_none(),
        };
        matched && is_same(&self.metadata, &sample.metadata)
    }

    /// The sums of probes that were away begin anew.
    fn begin_anew(&mut self, probes: &ProbeCounters, series: &Series) {
        let features = Feature::ALL.iter().map(|feature| Some(*feature));
        for of in features.chain([None]) {
            let (Some(since), before) = (probes.since(of), &mut self.since_unix_ns[place(of)])
            else {
                continue;
            };
            if since != std::mem::replace(before, since) {
                self.last.retain(|id, _| {
                    let row = &PROCESS[series.row(*id)];
                    row.source != Source::Probe || row.feature != of
                });
            }
        }
    }
}

/// The place of a feature, or of what is none, in [`Tracked::since_unix_ns`].
fn place(feature: Option<Feature>) -> usize {
    feature.map_or(0, |feature| 1 + feature.index())
}

/// When the sums of a row began; 0 for what is no sum.
fn start(row: &Metric<ProcessRead>, tracked: &Tracked) -> u64 {
    match (row.instrument, row.source) {
        (Instrument::Gauge, _) | (_, Source::Snapshot) => 0,
        (_, Source::Kernel) => tracked.created_unix_ns,
        (_, Source::Probe) => tracked.since_unix_ns[place(row.feature)],
    }
}

fn is_same<T: PartialEq>(a: &Arc<T>, b: &Arc<T>) -> bool {
    Arc::ptr_eq(a, b) || a == b
}

fn encoded_resource(resources: &Resources, sample: &ProcessSample) -> Box<[u8]> {
    resources.of(sample).encode_to_vec().into_boxed_slice()
}

#[cfg(test)]
mod tests;
