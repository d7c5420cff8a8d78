//! One span.

use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};

use super::family::Lineage;
use super::ids::Ids;
use crate::export::otlp::encode::attributes::Attributes;
use crate::export::otlp::queue::Retried;
use crate::process::{Exit, ProcessSample, signal};

/// The life of a process that has ended. It began as long before its end as it
/// lasted: its creation time is only exact to the second.
pub fn of_life(sample: &ProcessSample, lineage: Lineage, ids: &Ids) -> Span {
    let end = sample
        .exit
        .map_or(sample.created_unix_ns, |exit| exit.at_unix_ns);
    let begin = match sample.totals.uptime_ns {
        Some(lasted) => end.saturating_sub(lasted),
        None => sample.created_unix_ns.min(end),
    };
    let mut attributes = Attributes::default();
    if let Some(exit) = sample.exit {
        attributes.int("process.exit.code", exit.code.map(i64::from));
        attributes.string(
            "procmon.exit.signal",
            exit.signal.map(signal::name).as_deref(),
        );
    }
    let parent = sample.metadata.parent_pid.map(i64::from);
    attributes.int("process.parent_pid", parent);
    Span {
        trace_id: lineage.trace.to_vec(),
        span_id: ids.span(sample.id).to_vec(),
        parent_span_id: lineage.parent.map(|id| id.to_vec()).unwrap_or_default(),
        name: sample.metadata.executable.clone(),
        kind: SpanKind::Internal.into(),
        start_time_unix_nano: begin,
        end_time_unix_nano: end,
        attributes: attributes.into_vec(),
        status: sample.exit.and_then(status),
        ..Span::default()
    }
}

/// How it ended, where that is an error.
fn status(exit: Exit) -> Option<Status> {
    let message = match (exit.signal, exit.code) {
        _ if !exit.has_failed() => return None,
        (Some(number), _) => format!("ended by {}", signal::name(number)),
        (None, code) => format!("exit code {}", code.unwrap_or_default()),
    };
    Some(failed(message))
}

fn failed(message: String) -> Status {
    Status {
        message,
        code: StatusCode::Error.into(),
    }
}

/// A tick of procmon.
pub fn of_tick(tick: u64, at_unix_ns: u64, took: Duration, ids: &Ids) -> Span {
    let mut attributes = Attributes::default();
    attributes.int("procmon.tick", i64::try_from(tick).ok());
    let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
    Span {
        name: "procmon.tick".to_owned(),
        end_time_unix_nano: at_unix_ns.saturating_add(took),
        attributes: attributes.into_vec(),
        ..own("tick", at_unix_ns, ids)
    }
}

/// A batch that was tried more than once, from its first failure on; an error
/// if it was refused in the end.
pub fn of_retried(exporter: &str, retried: &Retried, ids: &Ids) -> Span {
    let mut attributes = Attributes::default();
    attributes.string("procmon.exporter", Some(exporter));
    attributes.int("procmon.export.failures", Some(retried.failures.into()));
    attributes.string("procmon.export.reason", Some(&retried.reason));
    let refused = || failed("refused in the end".to_owned());
    Span {
        name: "procmon.export.retry".to_owned(),
        end_time_unix_nano: retried.ended_unix_ns.max(retried.began_unix_ns),
        attributes: attributes.into_vec(),
        status: (!retried.taken).then(refused),
        ..own(exporter, retried.began_unix_ns, ids)
    }
}

/// A span of procmon's own, in a trace of its own.
fn own(what: &str, begin_unix_ns: u64, ids: &Ids) -> Span {
    let (trace_id, span_id) = ids.own(what, begin_unix_ns);
    Span {
        trace_id: trace_id.to_vec(),
        span_id: span_id.to_vec(),
        kind: SpanKind::Internal.into(),
        start_time_unix_nano: begin_unix_ns,
        ..Span::default()
    }
}
