//! `docs/kernels.md` agrees with `procmon doctor --json`. It tells of the kernels of the machines
//! of `cargo xtask vmtest`.

use procmon_tests::{
    Procmon,
    environment::{is_emulated, kernel},
    need,
};

use self::rows::rows;
use crate::{LIMIT, diagnosis};

// What writes the document has the same rows.
#[path = "../../../xtask/src/vm/rows.rs"]
mod rows;

const DOCUMENT: &str = include_str!("../../../docs/kernels.md");

/// The document's rows of a kernel are what `doctor` says here.
fn assert_documented(kernel: &str, architecture: &str) {
    let beginning = format!("| {kernel} | {architecture} | ");
    let documented: Vec<Vec<&str>> = DOCUMENT
        .lines()
        .filter_map(|line| line.strip_prefix(&beginning)?.strip_suffix(" |"))
        .map(|row| row.split(" | ").collect())
        .collect();
    let output = Procmon::new("doctor").arg("--json").output(LIMIT).unwrap();
    assert_eq!(
        documented,
        rows(&diagnosis(&output)),
        "`cargo xtask vmtest --write` writes it"
    );
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
    assert_documented(&format!("{version}.{series}"), architecture);
}

#[test]
fn locked_down_docs_kernels_md_says_what_doctor_says() {
    assert_documented("any, locked down", "any");
}
