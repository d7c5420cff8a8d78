//! JSON lines: one process object a line.

use std::io::Write as _;

use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

use super::sink::{Sink, SinkError};
use crate::metrics::{ProcessReading, Value, process};
use crate::process::{Exit, Histogram, ProcessSample, identity, signal};
use crate::shape::View;

/// Writes an object for each process and view.
pub struct Jsonl {
    sink: Sink,
}

impl Jsonl {
    /// JSON lines to `sink`.
    pub fn new(sink: Sink) -> Self {
        Self { sink }
    }

    /// Writes the objects of a view: first of those that have ended, then of
    /// the live.
    pub fn write(&mut self, view: &View) -> Result<(), SinkError> {
        let frame = &view.frame;
        let at_unix_ns = frame.at_unix_ns;
        for sample in &frame.exited {
            self.line(ProcessReading {
                sample,
                derived: None,
                at_unix_ns,
            });
        }
        for (sample, derived) in view.processes() {
            self.line(ProcessReading {
                sample,
                derived: Some(derived),
                at_unix_ns,
            });
        }
        self.sink.flush()
    }

    fn line(&mut self, reading: ProcessReading<'_>) {
        let out = self.sink.begin_record();
        serde_json::to_writer(&mut *out, &ProcessObject::new(reading))
            .and_then(|()| out.write_all(b"\n").map_err(serde_json::Error::io))
            .expect("a vector takes all, and every key is a string");
        self.sink.end_record();
    }
}

/// A process as JSON: who it is, its metrics and, in its last object, its end.
#[derive(Serialize)]
pub struct ProcessObject<'a> {
    timestamp: Time,
    process: Who<'a>,
    metrics: Metrics<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exited: Option<Exited>,
}

impl<'a> ProcessObject<'a> {
    /// The object of one reading. Final values carry the time of the exit.
    pub fn new(reading: ProcessReading<'a>) -> Self {
        let exit = reading.sample.exit;
        Self {
            timestamp: Time(exit.map_or(reading.at_unix_ns, |exit| exit.at_unix_ns)),
            process: Who(reading.sample),
            metrics: Metrics(reading),
            exited: exit.map(Exited),
        }
    }
}

/// A time as procmon writes it.
struct Time(u64);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&identity::rfc3339(self.0))
    }
}

/// The member `process`.
struct Who<'a>(&'a ProcessSample);

impl Serialize for Who<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(sample) = self;
        let metadata = &sample.metadata;
        let path = metadata.path.as_ref().map(|path| path.to_string_lossy());
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("pid", &sample.id.pid)?;
        map.serialize_entry("creation_time", &Time(sample.created_unix_ns))?;
        map.serialize_entry("executable", &metadata.executable)?;
        map.serialize_entry("path", &path)?;
        map.serialize_entry("command", &metadata.command)?;
        if !metadata.arguments.is_empty() {
            map.serialize_entry("command_args", &metadata.arguments)?;
        }
        map.serialize_entry("owner", &metadata.owner)?;
        map.serialize_entry("parent_pid", &metadata.parent_pid)?;
        if let Some(container) = &metadata.container_id {
            map.serialize_entry("container_id", container)?;
        }
        map.end()
    }
}

/// The member `exited`.
struct Exited(Exit);

impl Serialize for Exited {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(exit) = self;
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("at", &Time(exit.at_unix_ns))?;
        map.serialize_entry("code", &exit.code)?;
        map.serialize_entry("signal", &exit.signal.map(signal::name))?;
        map.end()
    }
}

/// The member `metrics`: a loop over the catalogue.
struct Metrics<'a>(ProcessReading<'a>);

impl Serialize for Metrics<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(reading) = self;
        let mut map = serializer.serialize_map(None)?;
        let mut key = String::with_capacity(128);
        let mut result = Ok(());
        for (_, metric) in process::of(reading.sample) {
            let mut entry = |attributes: &[(&'static str, &str)], value: Value<'_>| {
                if result.is_ok() {
                    key.clear();
                    write_key(&mut key, metric.name, attributes);
                    result = map.serialize_entry(&key, &Number(value));
                }
            };
            (metric.read)(reading, &mut entry);
        }
        result?;
        map.end()
    }
}

/// The value of a metric: a number, or a histogram's object.
struct Number<'a>(Value<'a>);

impl Serialize for Number<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Int(value) => serializer.serialize_u64(value),
            Value::Float(value) => serializer.serialize_f64(value),
            Value::Histogram(histogram) => {
                let mut map = serializer.serialize_map(Some(3))?;
                map.serialize_entry("count", &histogram.count())?;
                map.serialize_entry("sum", &(histogram.sum_ns as f64 / 1e9))?;
                map.serialize_entry("buckets", &Buckets(histogram))?;
                map.end()
            }
        }
    }
}

/// `[[le, n], ...]`: n values up to le seconds; empty buckets are left out.
struct Buckets<'a>(&'a Histogram);

impl Serialize for Buckets<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        let mut cumulative = 0;
        let exponents = Histogram::OFFSET + 1..;
        for (exponent, count) in exponents.zip(self.0.buckets) {
            if count > 0 {
                cumulative += count;
                list.serialize_element(&(2f64.powi(exponent), cumulative))?;
            }
        }
        list.end()
    }
}

/// Appends the key of a point: the metric's name and, in braces, its
/// attributes in the order of their keys, escaped as Prometheus escapes labels.
pub fn write_key(key: &mut String, name: &str, attributes: &[(&'static str, &str)]) {
    key.push_str(name);
    if attributes.is_empty() {
        return;
    }
    let mut open = '{';
    let mut last = None;
    // Few attributes: find the next one instead of sorting a copy.
    while let Some((next, value)) = attributes
        .iter()
        .filter(|(key, _)| last.is_none_or(|last| *key > last))
        .min_by_key(|(key, _)| *key)
    {
        key.push(open);
        key.push_str(next);
        key.push_str("=\"");
        for character in value.chars() {
            match character {
                '\\' => key.push_str("\\\\"),
                '"' => key.push_str("\\\""),
                '\n' => key.push_str("\\n"),
                other => key.push(other),
            }
        }
        key.push('"');
        open = ',';
        last = Some(*next);
    }
    key.push('}');
}

#[cfg(test)]
mod tests;
