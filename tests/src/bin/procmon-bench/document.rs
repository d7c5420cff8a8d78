//! What docs/benchmarks.md says of watching a process.

use std::fs;

use crate::{alone, table::Table};

/// The section of docs/benchmarks.md.
pub fn section(table: &Table) -> String {
    include_str!("document.md")
        .replace("{machine}", &machine())
        .replace("{table}\n", &table.to_string())
}

/// An error as the cell of a table: its first line.
pub fn cell(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    let line = text.lines().next().unwrap_or_default();
    line.trim().replace('|', "/")
}

/// The kernel and the CPUs, which is what the numbers depend on.
pub fn machine() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map(|rest| rest.trim_start_matches(['\t', ' ', ':']).trim())
        .unwrap_or("unknown model");
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let release = release.trim();
    let release = release
        .split_once('-')
        .map_or(release, |(number, _)| number);
    let disturbed = match alone::was_disturbed() {
        true => ", beside another tracer: the numbers say little",
        false => "",
    };
    format!("Linux {release}, {cpus} × {model}{disturbed}")
}
