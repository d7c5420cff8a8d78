//! What arrives of a procmon that exports: which processes, how many points,
//! how many bytes, when.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    thread,
    time::{Duration, UNIX_EPOCH},
};

use anyhow::{Context as _, Result};
use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    metrics::v1::{ResourceMetrics, metric::Data},
};
use prost::Message as _;

use crate::collector::{Request, Sink};

/// A tick is over when nothing has come for so long.
const PAUSE: Duration = Duration::from_millis(100);
/// So much is not left waiting for a pause, bytes.
const MOST_WAITING: usize = 512 << 20;

/// A receiver that counts.
pub struct Arrivals {
    sink: Sink,
    counted: Arc<Mutex<Counted>>,
}

/// What has arrived so far.
#[derive(Clone, Default)]
pub struct Counted {
    /// Bytes of requests on the wire, heads included.
    pub wire: usize,
    /// Data points.
    pub points: usize,
    /// By the time that a tick's points carry, ns since 1970.
    ticks: BTreeMap<u64, Tick>,
    /// What could not be decoded, if anything.
    error: Option<String>,
}

/// What has arrived of one tick.
#[derive(Clone, Default)]
pub struct Tick {
    /// Resources of processes: the creation times of each pid.
    resources: HashMap<i64, BTreeSet<String>>,
    /// When the last of it was here.
    at: Duration,
}

impl Arrivals {
    /// Starts to listen.
    pub fn start() -> Result<Self> {
        let counted = Arc::new(Mutex::new(Counted::default()));
        let (sender, requests) = mpsc::channel();
        let count = Arc::clone(&counted);
        // Decoding would delay the answer, and slow down who sends: both share
        // caches, and on most machines a core. It is done while procmon rests.
        thread::spawn(move || decode_in_pauses(&requests, &count));
        let sink = Sink::start(move |request| {
            // It fails when the counting has ended, with us.
            let _ = sender.send(request);
        })?;
        Ok(Self { sink, counted })
    }

    /// Where to send to.
    pub fn url(&self) -> String {
        self.sink.url()
    }

    /// What has arrived and was decoded.
    pub fn counted(&self) -> Result<Counted> {
        let counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        match &counted.error {
            None => Ok(counted.clone()),
            Some(error) => anyhow::bail!("what arrived is no OTLP: {error}"),
        }
    }

    /// How many ticks are over: all of these processes have arrived, or some
    /// of a later tick have.
    pub fn over(&self, processes: &HashSet<i64>) -> usize {
        let counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let of_them = counted.ticks.values().filter(|tick| tick.is_of(processes));
        let ticks: Vec<&Tick> = of_them.collect();
        let Some((last, before)) = ticks.split_last() else {
            return 0;
        };
        // Asked often: one that cannot be whole is not counted.
        let enough = last.resources.len() >= processes.len();
        before.len() + usize::from(enough && last.of(processes) == processes.len())
    }
}

impl Counted {
    /// Of each tick after so many, in their order, how many of these processes
    /// arrived as exactly one resource.
    pub fn of(&self, processes: &HashSet<i64>, skip: usize) -> Vec<usize> {
        let ticks = self.ticks.values().filter(|tick| tick.is_of(processes));
        ticks.skip(skip).map(|tick| tick.of(processes)).collect()
    }

    /// From a tick's own time until the last of it was here, of each tick with
    /// any of these processes after so many.
    pub fn delays(&self, processes: &HashSet<i64>, skip: usize) -> Vec<Duration> {
        let ticks = self.ticks.iter().filter(|(_, tick)| tick.is_of(processes));
        let delay =
            |(time, tick): (&u64, &Tick)| tick.at.saturating_sub(Duration::from_nanos(*time));
        ticks.skip(skip).map(delay).collect()
    }

    /// Resources of processes in the newest tick.
    pub fn newest(&self) -> usize {
        let newest = self.ticks.values().next_back();
        newest.map_or(0, |tick| tick.resources.values().map(BTreeSet::len).sum())
    }

    fn take(&mut self, request: &Request) -> Result<()> {
        self.wire += request.wire;
        if request.path != "/v1/metrics" {
            return Ok(());
        }
        let message = ExportMetricsServiceRequest::decode(request.body.as_slice())
            .with_context(|| format!("{} bytes to {}", request.body.len(), request.path))?;
        let at = request.at.duration_since(UNIX_EPOCH).unwrap_or_default();
        for resource in &message.resource_metrics {
            let times = times(resource);
            self.points += times.len();
            let attributes = resource
                .resource
                .as_ref()
                .map(|it| it.attributes.as_slice());
            let Some((pid, created)) = process(attributes.unwrap_or_default()) else {
                continue;
            };
            let Some(time) = times.into_iter().max() else {
                continue;
            };
            let tick = self.ticks.entry(time).or_default();
            tick.resources.entry(pid).or_default().insert(created);
            tick.at = tick.at.max(at);
        }
        Ok(())
    }
}

impl Tick {
    fn is_of(&self, processes: &HashSet<i64>) -> bool {
        self.resources.keys().any(|pid| processes.contains(pid))
    }

    fn of(&self, processes: &HashSet<i64>) -> usize {
        let once = |pid: &&i64| {
            self.resources
                .get(*pid)
                .is_some_and(|times| times.len() == 1)
        };
        processes.iter().filter(once).count()
    }
}

/// Decodes what has come whenever nothing comes, until there are no senders.
fn decode_in_pauses(requests: &Receiver<Request>, counted: &Mutex<Counted>) {
    let mut waiting = Vec::new();
    let mut bytes = 0;
    loop {
        let ended = match requests.recv_timeout(PAUSE) {
            Ok(request) => {
                bytes += request.wire;
                waiting.push(request);
                if bytes < MOST_WAITING {
                    continue;
                }
                false
            }
            Err(error) => error == RecvTimeoutError::Disconnected,
        };
        let mut counted = counted.lock().unwrap_or_else(PoisonError::into_inner);
        for request in waiting.drain(..) {
            if let Err(error) = counted.take(&request) {
                counted.error = Some(format!("{error:#}"));
            }
        }
        bytes = 0;
        if ended {
            return;
        }
    }
}

/// Which process a resource is.
fn process(attributes: &[KeyValue]) -> Option<(i64, String)> {
    let value = |key: &str| {
        let found = attributes.iter().find(|attribute| attribute.key == key)?;
        found.value.as_ref()?.value.as_ref()
    };
    match (value("process.pid")?, value("process.creation.time")?) {
        (Value::IntValue(pid), Value::StringValue(created)) => Some((*pid, created.clone())),
        _ => None,
    }
}

/// The times of all of its points, ns since 1970.
fn times(resource: &ResourceMetrics) -> Vec<u64> {
    let metrics = resource
        .scope_metrics
        .iter()
        .flat_map(|scope| &scope.metrics);
    let mut times = Vec::new();
    for data in metrics.filter_map(|metric| metric.data.as_ref()) {
        match data {
            Data::Gauge(gauge) => {
                times.extend(gauge.data_points.iter().map(|it| it.time_unix_nano))
            }
            Data::Sum(sum) => times.extend(sum.data_points.iter().map(|it| it.time_unix_nano)),
            Data::ExponentialHistogram(histogram) => {
                times.extend(histogram.data_points.iter().map(|it| it.time_unix_nano));
            }
            Data::Histogram(histogram) => {
                times.extend(histogram.data_points.iter().map(|it| it.time_unix_nano));
            }
            Data::Summary(summary) => {
                times.extend(summary.data_points.iter().map(|it| it.time_unix_nano));
            }
        }
    }
    times
}

#[cfg(test)]
mod tests;
