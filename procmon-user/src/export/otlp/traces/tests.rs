use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;

use super::*;
use crate::export::otlp::Signal;
use crate::export::otlp::testing::{BOOT, SECOND, exited, sample, settings_for, view};
use crate::process::{Metadata, ProcessId, ProcessSample};

const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317");

fn encoder(traced: &[Traced]) -> SpanEncoder {
    let settings = settings_for(Signal::Traces, &[ENDPOINT]);
    SpanEncoder::new(&settings, &HostIdentity::default(), BOOT, traced, "boot")
}

fn encode<const N: usize>(
    encoder: &mut SpanEncoder,
    view: &View,
    retried: [(&'static str, Retried); N],
) -> Vec<Batch> {
    let mut batches = Vec::new();
    encoder.encode_each(view, retried, |batch| batches.push(batch));
    batches
}

fn spans(batches: &[Batch]) -> Vec<Span> {
    let spans = batches.iter().flat_map(|batch| {
        let request = ExportTraceServiceRequest::decode(batch.body.clone()).expect("OTLP");
        let scopes = request
            .resource_spans
            .into_iter()
            .flat_map(|r| r.scope_spans);
        let spans: Vec<Span> = scopes.flat_map(|scope| scope.spans).collect();
        assert_eq!(batch.items, spans.len() as u64);
        spans
    });
    spans.collect()
}

/// A child, born at a time in seconds of boot.
fn child(pid: u32, parent: u32, born: u64) -> ProcessSample {
    let mut child = sample(pid);
    child.id.start_ticks = born * 100;
    child.metadata = Arc::new(Metadata {
        executable: format!("program-{pid}"),
        parent_pid: Some(parent),
        ..Metadata::default()
    });
    child
}

/// Its end, in seconds of boot.
fn ended(mut sample: ProcessSample, at: u64) -> ProcessSample {
    let born = sample.id.start_ticks / 100;
    sample.totals.uptime_ns = Some((at - born) * SECOND);
    exited(sample, BOOT + at * SECOND)
}

fn id(pid: u32, born: u64) -> ProcessId {
    ProcessId {
        pid,
        start_ticks: born * 100,
    }
}

#[test]
fn a_tree_of_three_processes_is_three_spans_with_their_parents_ids_and_times() {
    let mut encoder = encoder(&[Traced::Processes]);
    let ids = Ids::new("boot");
    let before = view(10, vec![child(5, 1, 2), child(6, 5, 4)], vec![]);
    assert_eq!(encode(&mut encoder, &before, []), []);
    // The youngest is in no view alive, and ends after its parent.
    let gone = vec![ended(child(6, 5, 4), 12), ended(child(7, 6, 11), 13)];
    let found = spans(&encode(
        &mut encoder,
        &view(14, vec![child(5, 1, 2)], gone),
        [],
    ));
    let last = spans(&encode(
        &mut encoder,
        &view(20, vec![], vec![ended(child(5, 1, 2), 19)]),
        [],
    ));
    let all: Vec<_> = found.iter().chain(&last).collect();
    assert_eq!(all.len(), 3);
    let trace = ids.trace(id(5, 2)).to_vec();
    for (span, (pid, parent, begin, end)) in all.iter().zip([
        (id(6, 4), Some(id(5, 2)), 4, 12),
        (id(7, 11), Some(id(6, 4)), 11, 13),
        (id(5, 2), None, 2, 19),
    ]) {
        assert_eq!(span.trace_id, trace);
        assert_eq!(span.span_id, ids.span(pid));
        let parent = parent.map(|id| ids.span(id).to_vec());
        assert_eq!(span.parent_span_id, parent.unwrap_or_default());
        assert_eq!(span.name, format!("program-{}", pid.pid));
        assert_eq!(span.start_time_unix_nano, BOOT + begin * SECOND);
        assert_eq!(span.end_time_unix_nano, BOOT + end * SECOND);
        assert_eq!(span.status, None);
    }
}

#[test]
fn a_family_that_lives_between_two_views_is_known_in_whatever_order_it_ends() {
    let ids = Ids::new("boot");
    // All of one second, and a pid of before that is somebody else's now.
    let gone = [(9, 8, 11), (8, 7, 11), (7, 1, 11), (8, 1, 3)];
    let gone = gone.map(|(pid, parent, born)| ended(child(pid, parent, born), 12));
    let view = view(14, vec![], gone.to_vec());
    let found = spans(&encode(&mut encoder(&[Traced::Processes]), &view, []));
    let parents: Vec<_> = found
        .iter()
        .map(|span| span.parent_span_id.clone())
        .collect();
    let span = |pid, born| ids.span(id(pid, born)).to_vec();
    assert_eq!(parents, [span(8, 11), span(7, 11), vec![], vec![]]);
    let trace = |pid, born| ids.trace(id(pid, born)).to_vec();
    let traces: Vec<_> = found.iter().map(|span| span.trace_id.clone()).collect();
    let (family, other) = (trace(7, 11), trace(8, 3));
    assert_eq!(traces, [family.clone(), family.clone(), family, other]);
}

#[test]
fn processes_that_seem_each_others_parents_still_end() {
    let gone = [(8, 9), (9, 8)].map(|(pid, parent)| ended(child(pid, parent, 11), 12));
    let view = view(14, vec![], gone.to_vec());
    assert_eq!(
        spans(&encode(&mut encoder(&[Traced::Processes]), &view, [])).len(),
        2
    );
}

#[test]
fn a_failed_exit_is_an_error_an_end_in_peace_or_unseen_is_none() {
    for (code, signal, message) in [
        (Some(0), None, None),
        (None, None, None),
        (Some(3), None, Some("exit code 3")),
        (None, Some(9), Some("ended by SIGKILL")),
    ] {
        let mut gone = ended(child(5, 1, 2), 12);
        let exit = gone.exit.as_mut().expect("an end");
        (exit.code, exit.signal) = (code, signal);
        let batches = encode(
            &mut encoder(&[Traced::Processes]),
            &view(14, vec![], vec![gone]),
            [],
        );
        let status = spans(&batches)[0].status.clone();
        let expected = message.map(|message| opentelemetry_proto::tonic::trace::v1::Status {
            message: message.to_owned(),
            code: 2,
        });
        assert_eq!(status, expected);
    }
}

#[test]
fn ticks_and_tries_are_spans_of_procmon_only_where_asked_for() {
    let retried = Retried {
        began_unix_ns: BOOT + 3,
        ended_unix_ns: BOOT + 9,
        failures: 4,
        reason: "no answer".to_owned(),
        taken: true,
    };
    let mut silent = encoder(&[Traced::Processes]);
    let mut encoder = encoder(&[Traced::Agent]);
    assert_eq!(encode(&mut encoder, &view(10, vec![], vec![]), []), []);
    let next = view(11, vec![], vec![ended(child(5, 1, 2), 11)]);
    let found = spans(&encode(&mut encoder, &next, [("otlp", retried.clone())]));
    let names: Vec<_> = found.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["procmon.tick", "procmon.export.retry"]);
    assert_eq!(found[0].start_time_unix_nano, BOOT + 10 * SECOND);
    let took = Duration::from_millis(3).as_nanos() as u64;
    assert_eq!(found[0].end_time_unix_nano, BOOT + 10 * SECOND + took);
    let retry = &found[1];
    let times = (retry.start_time_unix_nano, retry.end_time_unix_nano);
    assert_eq!(times, (BOOT + 3, BOOT + 9));
    assert_eq!(retry.status, None);
    assert_ne!(found[0].trace_id, retry.trace_id);
    // A tick is left out: how long it took is not known.
    assert_eq!(encode(&mut encoder, &view(13, vec![], vec![]), []), []);

    encode(&mut silent, &view(10, vec![], vec![]), []);
    let found = spans(&encode(&mut silent, &next, [("otlp", retried)]));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].name, "program-5");
}
