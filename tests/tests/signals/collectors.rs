//! Real collectors take logs and traces.

use procmon_tests::{Collector, Procmon, Protocol, need, program::SOON};

use crate::support::*;

/// What a collector prints of a shell that becomes a victim, and fails.
fn printed(collector: &Collector, protocol: Protocol, words: &[&str]) {
    let procmon = Procmon::new("run")
        .args(["--interval", "200ms"])
        .otlp(&collector.endpoint(protocol), protocol)
        .env("PROCMON_EXPORT_OTLP_TRACES", "processes")
        .env("PROCMON_LOGGING_OTLP", "true");
    let output = finish(Held::before("exec \"$0\" exit=7").watched_by(procmon));
    assert!(!output.stderr.contains("refused"), "{output:?}");
    let has_all = |text: &str| words.iter().all(|word| text.contains(word));
    if let Err(error) = collector.wait_printed(SOON, has_all) {
        panic!("{words:?}: {error:#}");
    }
}

const EVENTS: [&str; 3] = [EXEC, EXIT, "watching pid "];
const SPANS: [&str; 2] = ["victim", "exit code 7"];

#[test]
fn rotel_takes_logs_over_grpc_and_http() {
    for protocol in [Protocol::Grpc, Protocol::Http] {
        let collector = need!(Collector::rotel_showing("logs").unwrap());
        printed(&collector, protocol, &EVENTS);
    }
}

#[test]
fn rotel_takes_traces_over_grpc_and_http() {
    for protocol in [Protocol::Grpc, Protocol::Http] {
        let collector = need!(Collector::rotel_showing("traces").unwrap());
        printed(&collector, protocol, &SPANS);
    }
}

#[test]
fn the_mock_server_takes_logs_over_grpc_and_http() {
    for protocol in [Protocol::Grpc, Protocol::Http] {
        let collector = need!(Collector::mock_showing("logs-json2").unwrap());
        printed(&collector, protocol, &EVENTS);
    }
}

#[test]
fn the_mock_server_takes_traces_over_grpc_and_http() {
    for protocol in [Protocol::Grpc, Protocol::Http] {
        let collector = need!(Collector::mock_showing("trace-json2").unwrap());
        printed(&collector, protocol, &SPANS);
    }
}
