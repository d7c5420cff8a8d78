//! `config check --estimate`.

use std::collections::BTreeSet;

use procmon_tests::{Collector, Procmon, Protocol, Victim, need, program::SOON};

use crate::support::*;

/// The numbers of a line: series and points a minute.
fn numbers(text: &str, line: &str) -> [u64; 2] {
    let line = text
        .lines()
        .rfind(|found| found.trim_start().starts_with(line));
    let line = line.unwrap_or_else(|| panic!("no {line:?} in {text}"));
    let numbers = line.split_whitespace().filter_map(|word| word.parse().ok());
    let numbers: Vec<u64> = numbers.collect();
    [numbers[0], numbers[1]]
}

#[test]
fn the_estimate_is_what_a_collector_gets_of_the_same_processes() {
    let collector = need!(Collector::rotel().unwrap());
    let victim = Victim::held_before("").unwrap();
    let pid = victim.pid();
    let folder = Folder::with(format!(
        "interval: 1500ms\nselect: {{rules: [{{match: pid == {pid}}}]}}\n"
    ));
    let estimate = folder.config(&["check", "--estimate", "procmon.yaml"]);
    assert_eq!(estimate.status.code(), Some(0), "{estimate:?}");
    let [series, points] = numbers(&estimate.stdout, "processes and groups");
    assert_eq!(points, series * 40, "{estimate:?}");

    let procmon = Procmon::new("run")
        .folder(&folder.path(""))
        .args(["--config", "procmon.yaml", "--interval", "300ms", "--otlp"])
        .arg(collector.endpoint(Protocol::Grpc))
        .start()
        .unwrap();
    let ours = |points: &[procmon_tests::Point]| -> BTreeSet<String> {
        let of = points.iter().filter(|p| p.pid() == Some(i64::from(pid)));
        of.map(procmon_tests::Point::series).collect()
    };
    let got = collector.wait_for(SOON, |points| ours(points).len() as u64 == series);
    if let Err(error) = got {
        panic!("{}\n{error:#}", estimate.stdout);
    }
    end(procmon);
    let points = collector.points().unwrap();
    assert_eq!(ours(&points).len() as u64, series, "{}", estimate.stdout);
}

#[test]
fn fewer_switches_and_folding_are_estimated_as_fewer_series() {
    let series = |text: &str| {
        let folder = Folder::with(text);
        let estimate = folder.config(&["check", "--estimate", "procmon.yaml"]);
        assert_eq!(estimate.status.code(), Some(0), "{estimate:?}");
        numbers(&estimate.stdout, "processes and groups")[0]
    };
    let all = series("");
    let minimal = series("profile: minimal\n");
    let folded = series("select: {top: 1}\n");
    assert!(minimal < all && folded < all, "{minimal} {folded} {all}");
}

#[test]
fn a_file_that_is_switched_off_costs_nothing_and_a_bad_one_is_refused() {
    let folder = Folder::with("enabled: false\n");
    let check = folder.config(&["check", "--estimate", "procmon.yaml"]);
    assert!(
        check.stdout.contains("switched off: nothing is collected"),
        "{check:?}"
    );
    let folder = Folder::with("intervall: 1s\n");
    assert_refused(
        &folder.config(&["check", "--estimate", "procmon.yaml"]),
        &["`interval`"],
    );
}
