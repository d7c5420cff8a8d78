//! What arrives of a procmon that exports: which processes, how many points,
//! how many bytes, when.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver},
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
    /// Resources of processes: pid and creation time.
    resources: HashSet<(i64, String)>,
    /// When the last of it was here.
    at: Duration,
}

impl Arrivals {
    /// Starts to listen.
    pub fn start() -> Result<Self> {
        let counted = Arc::new(Mutex::new(Counted::default()));
        let (sender, requests) = mpsc::channel();
        let count = Arc::clone(&counted);
        // Decoding would delay the answer: a thread does it afterwards.
        thread::spawn(move || decode_all(&requests, &count));
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
        // Asked all the time: who cannot be whole is not counted.
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
        newest.map_or(0, |tick| tick.resources.len())
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
            let Some(process) = process(attributes.unwrap_or_default()) else {
                continue;
            };
            let Some(time) = times.into_iter().max() else {
                continue;
            };
            let tick = self.ticks.entry(time).or_default();
            tick.resources.insert(process);
            tick.at = tick.at.max(at);
        }
        Ok(())
    }
}

impl Tick {
    fn is_of(&self, processes: &HashSet<i64>) -> bool {
        self.resources
            .iter()
            .any(|(pid, _)| processes.contains(pid))
    }

    fn of(&self, processes: &HashSet<i64>) -> usize {
        let mut times: HashMap<i64, u32> = HashMap::new();
        for (pid, _) in &self.resources {
            *times.entry(*pid).or_default() += 1;
        }
        let once = |(pid, times): &(&i64, &u32)| **times == 1 && processes.contains(*pid);
        times.iter().filter(once).count()
    }
}

fn decode_all(requests: &Receiver<Request>, counted: &Mutex<Counted>) {
    for request in requests {
        let mut counted = counted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = counted.take(&request) {
            counted.error = Some(format!("{error:#}"));
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
mod tests {
    use std::time::SystemTime;

    use opentelemetry_proto::tonic::{
        common::v1::AnyValue,
        metrics::v1::{Gauge, Metric, NumberDataPoint, ScopeMetrics},
        resource::v1::Resource,
    };

    use super::*;

    fn resource(pid: i64, created: &str, time: u64) -> ResourceMetrics {
        let attribute = |key: &str, value| KeyValue {
            key: key.to_owned(),
            value: Some(AnyValue { value: Some(value) }),
            ..KeyValue::default()
        };
        let point = NumberDataPoint {
            time_unix_nano: time,
            ..NumberDataPoint::default()
        };
        let metric = Metric {
            data: Some(Data::Gauge(Gauge {
                data_points: vec![point.clone(), point],
            })),
            ..Metric::default()
        };
        ResourceMetrics {
            resource: Some(Resource {
                attributes: vec![
                    attribute("process.pid", Value::IntValue(pid)),
                    attribute(
                        "process.creation.time",
                        Value::StringValue(created.to_owned()),
                    ),
                ],
                ..Resource::default()
            }),
            scope_metrics: vec![ScopeMetrics {
                metrics: vec![metric],
                ..ScopeMetrics::default()
            }],
            ..ResourceMetrics::default()
        }
    }

    fn request(resources: Vec<ResourceMetrics>) -> Request {
        let message = ExportMetricsServiceRequest {
            resource_metrics: resources,
        };
        Request {
            path: "/v1/metrics".to_owned(),
            body: message.encode_to_vec(),
            wire: 100,
            at: SystemTime::now(),
        }
    }

    #[test]
    fn each_process_of_a_tick_counts_once_however_many_requests_bring_it() {
        let mut counted = Counted::default();
        let first = request(vec![resource(1, "a", 10), resource(2, "a", 10)]);
        let second = request(vec![resource(1, "a", 10), resource(3, "a", 10)]);
        for request in [first, second] {
            counted.take(&request).unwrap();
        }
        counted.take(&request(vec![resource(1, "a", 20)])).unwrap();
        let crowd = HashSet::from([1, 2]);
        assert_eq!(counted.of(&crowd, 0), [2, 1]);
        assert_eq!(counted.of(&crowd, 1), [1]);
        assert_eq!(
            (counted.wire, counted.points, counted.newest()),
            (300, 10, 1)
        );
        assert_eq!(counted.delays(&crowd, 0).len(), 2);
    }

    #[test]
    fn a_tick_is_over_when_it_is_whole_or_followed_by_another() {
        let arrivals = Arrivals::start().unwrap();
        let crowd = HashSet::from([1, 2]);
        let take = |resources| {
            let mut counted = arrivals.counted.lock().unwrap();
            counted.take(&request(resources)).unwrap();
        };
        assert_eq!(arrivals.over(&crowd), 0);
        take(vec![resource(1, "a", 10)]);
        assert_eq!(arrivals.over(&crowd), 0);
        take(vec![resource(1, "a", 20)]);
        assert_eq!(arrivals.over(&crowd), 1);
        take(vec![resource(2, "a", 20)]);
        assert_eq!(arrivals.over(&crowd), 2);
    }

    #[test]
    fn a_process_that_arrives_as_two_does_not_count() {
        let mut counted = Counted::default();
        let twice = vec![resource(1, "a", 10), resource(1, "b", 10)];
        counted.take(&request(twice)).unwrap();
        assert_eq!(counted.of(&HashSet::from([1]), 0), [0]);
    }

    #[test]
    fn the_last_values_of_others_are_no_tick_of_the_crowd() {
        let mut counted = Counted::default();
        counted.take(&request(vec![resource(9, "a", 5)])).unwrap();
        assert!(counted.of(&HashSet::from([1]), 0).is_empty());
    }

    #[test]
    fn what_is_no_message_is_said() {
        let mut request = request(vec![]);
        request.body = vec![0xff];
        assert!(Counted::default().take(&request).is_err());
        request.path = "/v1/logs".to_owned();
        assert!(Counted::default().take(&request).is_ok());
    }
}
