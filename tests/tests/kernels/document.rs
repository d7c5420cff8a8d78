//! `docs/kernels.md` agrees with `procmon doctor --json`. It tells of the kernels of the machines
//! of `cargo xtask vmtest`.

use procmon_tests::{
    Procmon,
    environment::{is_emulated, kernel},
    need,
};
use serde_json::Value;

use crate::{LIMIT, diagnosis};

const DOCUMENT: &str = include_str!("../../../docs/kernels.md");

/// Feature, road taken, why no better one.
type Row = [String; 3];

/// What the document says of a kernel.
fn documented(kernel: &str, architecture: &str) -> Vec<Row> {
    let beginning = format!("| {kernel} | {architecture} | ");
    let rows = DOCUMENT
        .lines()
        .filter_map(|line| line.strip_prefix(&beginning)?.strip_suffix(" |"));
    rows.map(|row| {
        let cells: Vec<String> = row.split(" | ").map(str::to_owned).collect();
        cells.try_into().expect("three more cells")
    })
    .collect()
}

/// What `doctor` says here.
fn diagnosed() -> Vec<Row> {
    let output = Procmon::new("doctor").arg("--json").output(LIMIT).unwrap();
    let diagnosis = diagnosis(&output);
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let mut rows = vec![[
        "probes".to_owned(),
        text(&diagnosis["summary"]).unwrap_or("none".to_owned()),
        text(&diagnosis["error"]).unwrap_or_default(),
    ]];
    for to in diagnosis["roads"].as_array().unwrap() {
        let roads = to["roads"].as_array().unwrap();
        let taken = roads.iter().filter(|road| road["taken"] == true);
        let taken: Vec<String> = taken.filter_map(|road| text(&road["road"])).collect();
        rows.push([
            text(&to["to"]).unwrap(),
            match &taken[..] {
                [] => "none".to_owned(),
                [road] => road.clone(),
                more => panic!("more than one road: {more:?}"),
            },
            text(&to["reason"]).unwrap_or_default(),
        ]);
    }
    rows
}

#[test]
fn docs_kernels_md_says_what_doctor_says_on_this_kernel() {
    let (version, series) = kernel();
    need!(is_emulated().then_some(()).ok_or(format!(
        "Linux {version}.{series} is not in docs/kernels.md"
    )));
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let documented = documented(&format!("{version}.{series}"), architecture);
    assert_eq!(
        documented,
        diagnosed(),
        "`cargo xtask vmtest --write` writes it"
    );
}

#[test]
fn locked_down_docs_kernels_md_says_what_doctor_says() {
    let documented = documented("any, locked down", "any");
    assert_eq!(
        documented,
        diagnosed(),
        "`cargo xtask vmtest --write` writes it"
    );
}
