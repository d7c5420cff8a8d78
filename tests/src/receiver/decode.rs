//! What is in the requests that a receiver took.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    metrics::v1::{Metric, ResourceMetrics, metric::Data, number_data_point},
};
use prost::Message as _;

/// A point of a process, without its value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    /// When, in nanoseconds since 1970.
    pub time: u64,
    /// The process.
    pub pid: i64,
    /// The metric and the attributes of the point.
    pub series: String,
}

/// What all requests hold.
#[derive(Debug, Default)]
pub struct Arrived {
    /// Each point of a process, and in how many different bodies it stood.
    pub points: BTreeMap<Seen, usize>,
    /// Requests with processes whose body had come before.
    pub repeated: u64,
    /// The times of processes in the order in which they first came.
    pub order: Vec<u64>,
}

impl Arrived {
    /// Decodes these.
    ///
    /// # Panics
    /// When one is no request.
    pub fn of(bodies: &[Vec<u8>]) -> Self {
        let mut arrived = Self::default();
        let mut before: Vec<&[u8]> = Vec::new();
        for body in bodies {
            let mut points = Vec::new();
            for resource in request(body).resource_metrics {
                add(&resource, &mut points);
            }
            if points.is_empty() {
                continue;
            }
            if before.contains(&body.as_slice()) {
                arrived.repeated += 1;
                continue;
            }
            before.push(body);
            for point in points {
                if !arrived.order.contains(&point.time) {
                    arrived.order.push(point.time);
                }
                *arrived.points.entry(point).or_default() += 1;
            }
        }
        arrived
    }

    /// The points of a metric of a process, by their times: how often each came.
    pub fn times(&self, pid: u32, metric: &str) -> BTreeMap<u64, usize> {
        let of = |seen: &&Seen| seen.pid == i64::from(pid) && seen.series.starts_with(metric);
        let mut times = BTreeMap::new();
        for seen in self.points.keys().filter(of) {
            *times.entry(seen.time).or_default() += self.points[seen];
        }
        times
    }
}

/// The last value of one of procmon's own counters, with these values of its attributes.
pub fn own(bodies: &[Vec<u8>], name: &str, values: &[&str]) -> Option<i64> {
    let requests = bodies.iter().rev().map(|body| request(body));
    let mut metrics = requests.flat_map(|request| {
        let scopes = request.resource_metrics.into_iter();
        scopes
            .flat_map(|resource| resource.scope_metrics)
            .flat_map(|scope| scope.metrics)
    });
    metrics.find_map(|metric| {
        let Some(Data::Sum(sum)) = metric.data.filter(|_| metric.name == name) else {
            return None;
        };
        let fits = |attributes: &[KeyValue]| {
            let has = |value: &&str| attributes.iter().any(|one| text(one) == Some(*value));
            values.iter().all(has)
        };
        let point = sum.data_points.iter().find(|p| fits(&p.attributes))?;
        match point.value {
            Some(number_data_point::Value::AsInt(value)) => Some(value),
            _ => None,
        }
    })
}

fn request(body: &[u8]) -> ExportMetricsServiceRequest {
    ExportMetricsServiceRequest::decode(body).expect("a request")
}

fn text(attribute: &KeyValue) -> Option<&str> {
    match attribute.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text),
        _ => None,
    }
}

fn add(resource: &ResourceMetrics, points: &mut Vec<Seen>) {
    let attributes = resource.resource.iter().flat_map(|r| &r.attributes);
    let pid = attributes
        .filter(|attribute| attribute.key == "process.pid")
        .find_map(|attribute| match attribute.value.as_ref()?.value {
            Some(Value::IntValue(pid)) => Some(pid),
            _ => None,
        });
    let Some(pid) = pid else {
        return;
    };
    for metric in resource.scope_metrics.iter().flat_map(|s| &s.metrics) {
        for (time, attributes) in stamps(metric) {
            points.push(Seen {
                time,
                pid,
                series: format!("{} {attributes:?}", metric.name),
            });
        }
    }
}

/// The time and the attributes of each point.
fn stamps(metric: &Metric) -> Vec<(u64, &[KeyValue])> {
    match &metric.data {
        Some(Data::Sum(sum)) => sum
            .data_points
            .iter()
            .map(|p| (p.time_unix_nano, &*p.attributes))
            .collect(),
        Some(Data::Gauge(gauge)) => gauge
            .data_points
            .iter()
            .map(|p| (p.time_unix_nano, &*p.attributes))
            .collect(),
        Some(Data::ExponentialHistogram(histogram)) => histogram
            .data_points
            .iter()
            .map(|p| (p.time_unix_nano, &*p.attributes))
            .collect(),
        _ => Vec::new(),
    }
}
