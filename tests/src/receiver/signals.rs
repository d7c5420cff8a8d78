//! What is in the requests with logs and spans that a receiver took.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1::{AnyValue, KeyValue, any_value::Value},
    metrics::v1::{metric::Data, number_data_point},
    resource::v1::Resource,
};
use prost::Message as _;

use crate::point::{Attribute, Attributes};

/// A log record, and whose it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Logged {
    /// Its resource.
    pub resource: Attributes,
    /// What kind of event it is; nothing of the log.
    pub event: String,
    /// How grave it is.
    pub severity: String,
    /// When it was, in nanoseconds since 1970.
    pub time: u64,
    /// When procmon knew of it.
    pub observed: u64,
    /// Its text.
    pub body: String,
    /// Its attributes.
    pub attributes: Attributes,
    /// The numbers among `procmon.exit.counters`.
    pub counters: BTreeMap<String, f64>,
}

/// A span, and whose it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Spanned {
    /// Its resource.
    pub resource: Attributes,
    /// Its name.
    pub name: String,
    /// The trace it belongs to.
    pub trace: Vec<u8>,
    /// Its id.
    pub id: Vec<u8>,
    /// That of the span it is below.
    pub parent: Vec<u8>,
    /// When it began, in nanoseconds since 1970.
    pub start: u64,
    /// When it ended.
    pub end: u64,
    /// Its attributes.
    pub attributes: Attributes,
    /// What is said of the error that it is.
    pub error: Option<String>,
}

impl Logged {
    /// The process it is about.
    pub fn pid(&self) -> Option<u32> {
        pid(&self.resource)
    }
}

impl Spanned {
    /// The process it is about.
    pub fn pid(&self) -> Option<u32> {
        pid(&self.resource)
    }
}

fn pid(resource: &Attributes) -> Option<u32> {
    match resource.get("process.pid")? {
        Attribute::Int(pid) => u32::try_from(*pid).ok(),
        _ => None,
    }
}

/// The log records of these requests.
///
/// # Panics
/// When one is none.
pub fn logs(bodies: &[Vec<u8>]) -> Vec<Logged> {
    let mut all = Vec::new();
    for body in bodies {
        let request = ExportLogsServiceRequest::decode(body.as_slice()).expect("logs");
        for logs in request.resource_logs {
            let resource = of_resource(logs.resource);
            let scopes = logs.scope_logs.into_iter();
            for record in scopes.flat_map(|scope| scope.log_records) {
                all.push(Logged {
                    resource: resource.clone(),
                    event: record.event_name,
                    severity: record.severity_text,
                    time: record.time_unix_nano,
                    observed: record.observed_time_unix_nano,
                    body: match record.body.and_then(|body| body.value) {
                        Some(Value::StringValue(text)) => text,
                        _ => String::new(),
                    },
                    counters: numbers(&record.attributes, "procmon.exit.counters"),
                    attributes: attributes(record.attributes),
                });
            }
        }
    }
    all
}

/// The spans of these requests.
///
/// # Panics
/// When one is none.
pub fn spans(bodies: &[Vec<u8>]) -> Vec<Spanned> {
    let mut all = Vec::new();
    for body in bodies {
        let request = ExportTraceServiceRequest::decode(body.as_slice()).expect("spans");
        for spans in request.resource_spans {
            let resource = of_resource(spans.resource);
            let scopes = spans.scope_spans.into_iter();
            for span in scopes.flat_map(|scope| scope.spans) {
                let error = span.status.filter(|status| status.code == 2);
                all.push(Spanned {
                    resource: resource.clone(),
                    name: span.name,
                    trace: span.trace_id,
                    id: span.span_id,
                    parent: span.parent_span_id,
                    start: span.start_time_unix_nano,
                    end: span.end_time_unix_nano,
                    attributes: attributes(span.attributes),
                    error: error.map(|status| status.message),
                });
            }
        }
    }
    all
}

/// The values of a process's counters at a time, by the keys of JSON lines, in requests with
/// metrics.
///
/// # Panics
/// When one has no metrics.
pub fn counters_at(bodies: &[Vec<u8>], of: u32, time: u64) -> BTreeMap<String, f64> {
    let mut found = BTreeMap::new();
    for body in bodies {
        let request = ExportMetricsServiceRequest::decode(body.as_slice()).expect("metrics");
        for metrics in request.resource_metrics {
            if pid(&of_resource(metrics.resource)) != Some(of) {
                continue;
            }
            let scopes = metrics.scope_metrics.into_iter();
            for metric in scopes.flat_map(|scope| scope.metrics) {
                let Some(Data::Sum(sum)) = metric.data.filter(is_counter) else {
                    continue;
                };
                let points = sum.data_points.into_iter();
                for point in points.filter(|point| point.time_unix_nano == time) {
                    // What has no value says that the series has ended.
                    if let Some(value) = number(point.value) {
                        found.insert(key(&metric.name, point.attributes), value);
                    }
                }
            }
        }
    }
    found
}

fn is_counter(data: &Data) -> bool {
    matches!(data, Data::Sum(sum) if sum.is_monotonic)
}

fn number(value: Option<number_data_point::Value>) -> Option<f64> {
    Some(match value? {
        number_data_point::Value::AsInt(value) => value as f64,
        number_data_point::Value::AsDouble(value) => value,
    })
}

/// `name{key="value"}`, the keys in order.
fn key(name: &str, of: Vec<KeyValue>) -> String {
    let pairs: Vec<_> = attributes(of)
        .into_iter()
        .map(|(key, value)| match value {
            Attribute::Str(text) => format!("{key}=\"{text}\""),
            other => format!("{key}={other:?}"),
        })
        .collect();
    match pairs.is_empty() {
        true => name.to_owned(),
        false => format!("{name}{{{}}}", pairs.join(",")),
    }
}

fn numbers(attributes: &[KeyValue], key: &str) -> BTreeMap<String, f64> {
    let found = attributes.iter().find(|attribute| attribute.key == key);
    let value = found.and_then(|found| found.value.as_ref()?.value.as_ref());
    let Some(Value::KvlistValue(list)) = value else {
        return BTreeMap::new();
    };
    let number = |one: &KeyValue| {
        let value = match one.value.as_ref()?.value.as_ref()? {
            Value::IntValue(value) => *value as f64,
            Value::DoubleValue(value) => *value,
            _ => return None,
        };
        Some((one.key.clone(), value))
    };
    list.values.iter().filter_map(number).collect()
}

fn of_resource(resource: Option<Resource>) -> Attributes {
    attributes(resource.unwrap_or_default().attributes)
}

fn attributes(list: Vec<KeyValue>) -> Attributes {
    let pairs = list.into_iter();
    pairs.map(|one| (one.key, attribute(one.value))).collect()
}

fn attribute(value: Option<AnyValue>) -> Attribute {
    match value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => Attribute::Str(text),
        Some(Value::IntValue(number)) => Attribute::Int(number),
        Some(Value::DoubleValue(number)) => Attribute::Double(number),
        Some(Value::BoolValue(truth)) => Attribute::Bool(truth),
        other => Attribute::Other(format!("{other:?}")),
    }
}
