//! Arguments of processes: nowhere by default, and without their secrets when asked for.

use std::process::Command;

use procmon_tests::{Collector, Procmon, Program, Protocol, http, need, program::SOON};
use serde_json::json;

use crate::support::*;

/// What must be nowhere, in every argument of [`VICTIM`].
const SECRET: &str = "hunter2";
const VICTIM: [&str; 12] = [
    "sh",
    "-c",
    "read x",
    "me",
    "--password=hunter2",
    "--api-token",
    "hunter2",
    "PGPASSWORD=hunter2",
    "https://user:hunter2@host/path",
    "Authorization: Bearer hunter2",
    "dbname=x password=hunter2",
    "--verbose",
];
const SHOWN: [&str; 12] = [
    "sh",
    "-c",
    "read x",
    "me",
    "--password=REDACTED",
    "--api-token",
    "REDACTED",
    "PGPASSWORD=REDACTED",
    "https://REDACTED@host/path",
    "Authorization:REDACTED",
    "dbname=x password=REDACTED",
    "--verbose",
];

fn victim() -> Program {
    Program::start(Command::new(VICTIM[0]).args(&VICTIM[1..])).unwrap()
}

/// What a procmon of this configuration says of the victim: as JSON lines, on the page for
/// Prometheus, and to a collector.
fn told(victim: &Program, configuration: &str, collector: &mut Collector) -> [String; 3] {
    let folder = Folder::with(configuration);
    let procmon = Procmon::new("run")
        .folder(&folder.path(""))
        .args([
            "--config",
            "procmon.yaml",
            "--interval",
            "100ms",
            "--jsonl",
            "-",
        ])
        .args(["--listen", "127.0.0.1:0"])
        .args(["--otlp", &collector.endpoint(Protocol::Grpc)])
        .pid(victim.pid())
        .start()
        .unwrap();
    wait_objects(&procmon, 3);
    let address = http::address(&procmon).unwrap();
    let pid = format!("process_pid=\"{}\"", victim.pid());
    let page = http::wait_for_page(&address, "/metrics", |page| page.text().contains(&pid));
    let output = end(procmon);
    assert!(!output.stderr.contains(SECRET), "{}", output.stderr);
    let of_metric = |text: &str| text.contains("process.memory.usage");
    let otlp = collector.program().wait_for_stdout(SOON, of_metric);
    [
        output.stdout,
        page.unwrap().text().to_owned(),
        otlp.unwrap(),
    ]
}

#[test]
fn arguments_are_off_by_default_and_nothing_of_them_is_in_any_output() {
    let victim = victim();
    let mut collector = need!(Collector::rotel().unwrap());
    for text in told(&victim, "{}\n", &mut collector) {
        for word in [SECRET, "--verbose", "command_args"] {
            assert!(!text.contains(word), "{word} in: {text}");
        }
    }
}

#[test]
fn arguments_are_redacted_when_they_are_asked_for() {
    let victim = victim();
    let mut collector = need!(Collector::rotel().unwrap());
    let all = told(&victim, "command_args: true\n", &mut collector);
    for text in &all {
        assert!(!text.contains(SECRET), "{text}");
    }
    let [jsonl, page, otlp] = all;
    let object = objects(&jsonl).pop().unwrap();
    assert_eq!(object.json["process"]["command_args"], json!(SHOWN));
    let label = json!(SHOWN).to_string();
    let label = label.replace('\\', "\\\\").replace('"', "\\\"");
    let label = format!("process_command_args=\"{label}\"");
    assert!(page.contains(&label), "no {label} in: {page}");
    assert!(otlp.contains("process.command_args"), "{otlp}");
    for word in SHOWN {
        assert!(otlp.contains(word), "no {word} in: {otlp}");
    }
}
