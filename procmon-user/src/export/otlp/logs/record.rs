//! One log record.

use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value::Value as Any};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, SeverityNumber};

use super::events::{Event, What};
use super::own::Said;
use crate::export::jsonl::write_key;
use crate::export::otlp::encode::attributes::Attributes;
use crate::frame::{Frame, ProbeHealth};
use crate::metrics::{Instrument, ProcessReading, Value, process};
use crate::process::identity::rfc3339;
use crate::process::{ProcessSample, signal};

/// The record of what happened to a process.
pub fn of_process(event: &Event<'_>, frame: &Frame) -> LogRecord {
    let mut attributes = Attributes::default();
    let (name, severity) = match event.what {
        What::Exec(count) => {
            attributes.int("procmon.exec.count", Some(count.cast_signed()));
            ("procmon.process.exec", SeverityNumber::Info)
        }
        What::OomKilled(count) => {
            attributes.int("procmon.oom_kill.count", Some(count.cast_signed()));
            ("procmon.process.oom_killed", SeverityNumber::Error)
        }
        What::Exit => {
            tell_exit(event.sample, frame, &mut attributes);
            let exit = event.sample.exit;
            let severity = match exit.is_some_and(|exit| exit.has_failed()) {
                true => SeverityNumber::Warn,
                false => SeverityNumber::Info,
            };
            ("procmon.process.exit", severity)
        }
    };
    LogRecord {
        // 0 is OTLP's word for a time that is not known.
        time_unix_nano: event.at_unix_ns.unwrap_or(0),
        observed_time_unix_nano: frame.at_unix_ns,
        attributes: attributes.into_vec(),
        ..event_called(name, severity)
    }
}

/// How a process ended, and what it had used up by then.
fn tell_exit(sample: &ProcessSample, frame: &Frame, attributes: &mut Attributes) {
    if let Some(exit) = sample.exit {
        attributes.int("process.exit.code", exit.code.map(i64::from));
        attributes.string(
            "procmon.exit.signal",
            exit.signal.map(signal::name).as_deref(),
        );
        attributes.string("process.exit.time", Some(&rfc3339(exit.at_unix_ns)));
    }
    let lifetime = sample.totals.uptime_ns.map(|ns| ns as f64 / 1e9);
    attributes.double("procmon.process.lifetime", lifetime);
    attributes.map("procmon.exit.counters", counters(sample, frame));
}

/// Its counters, by the keys of JSON lines. As in its metrics, what is 0 is
/// left out of a process that nobody chose, where probes count it.
fn counters(sample: &ProcessSample, frame: &Frame) -> Attributes {
    let reading = ProcessReading {
        sample,
        derived: None,
        at_unix_ns: frame.at_unix_ns,
    };
    let mut counters = Attributes::default();
    let mut key = String::new();
    for (_, row) in process::of(sample) {
        if row.instrument != Instrument::Counter {
            continue;
        }
        let may_be_left_out = row.may_be_quiet() && !sample.chosen;
        let mut add = |attributes: &[(&'static str, &str)], value: Value<'_>| {
            if may_be_left_out && value.is_zero() {
                return;
            }
            key.clear();
            write_key(&mut key, row.name, attributes);
            match value {
                Value::Int(value) => counters.int(&key, i64::try_from(value).ok()),
                Value::Float(value) => counters.double(&key, Some(value)),
                Value::Histogram(_) => {}
            }
        };
        (row.read)(&reading, &mut add);
    }
    counters
}

/// The record of a probe whose state has changed.
pub fn of_probe(change: &ProbeHealth, frame: &Frame) -> LogRecord {
    let mut attributes = Attributes::default();
    attributes.string("procmon.probe", Some(change.probe));
    attributes.string("procmon.probe.state", Some(change.state));
    attributes.string("procmon.probe.reason", change.reason.as_deref());
    let severity = match change.reason {
        None => SeverityNumber::Info,
        Some(_) => SeverityNumber::Warn,
    };
    LogRecord {
        time_unix_nano: frame.at_unix_ns,
        observed_time_unix_nano: frame.at_unix_ns,
        attributes: attributes.into_vec(),
        ..event_called("procmon.probe.state_changed", severity)
    }
}

/// The record of what procmon said.
pub fn of_own(said: Said, observed_unix_ns: u64) -> LogRecord {
    let mut attributes = Attributes::default();
    attributes.string("procmon.log.part", Some(&said.part));
    let severity = match said.level {
        log::Level::Error => SeverityNumber::Error,
        log::Level::Warn => SeverityNumber::Warn,
        log::Level::Info => SeverityNumber::Info,
        log::Level::Debug => SeverityNumber::Debug,
        log::Level::Trace => SeverityNumber::Trace,
    };
    LogRecord {
        time_unix_nano: said.at_unix_ns,
        observed_time_unix_nano: observed_unix_ns.max(said.at_unix_ns),
        body: Some(text(said.words)),
        attributes: attributes.into_vec(),
        ..with_severity(severity)
    }
}

/// An event of this name. Collectors that are older than the field `event_name`
/// drop it: the name is the body, too.
fn event_called(name: &str, severity: SeverityNumber) -> LogRecord {
    LogRecord {
        event_name: name.to_owned(),
        body: Some(text(name.to_owned())),
        ..with_severity(severity)
    }
}

fn text(text: String) -> AnyValue {
    AnyValue {
        value: Some(Any::StringValue(text)),
    }
}

/// A record of this severity, and nothing else.
fn with_severity(severity: SeverityNumber) -> LogRecord {
    let text = severity.as_str_name();
    LogRecord {
        severity_number: severity.into(),
        severity_text: text.trim_start_matches("SEVERITY_NUMBER_").to_owned(),
        ..LogRecord::default()
    }
}
