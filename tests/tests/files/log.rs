//! procmon's own log.

use std::{fs, path::Path};

use procmon_tests::{
    Output, Procmon,
    rotated::{configured, files, texts},
    watching::{LIMIT, output},
};

/// One frame, so configured, in this folder.
fn one_frame(folder: &Path, configuration: &str) -> Output {
    let ended = output(&run(folder, configuration));
    assert!(ended.status.success(), "{ended:?}");
    ended
}

fn run(folder: &Path, configuration: &str) -> Procmon {
    let run = configured(folder, configuration).folder(folder);
    run.args(["--count", "1", "--jsonl", "lines"])
}

#[test]
fn the_log_is_in_its_file_too_with_times_levels_and_parts() {
    let folder = tempfile::tempdir().unwrap();
    let ended = one_frame(folder.path(), "logging: {file: own.log}");
    let log = fs::read_to_string(folder.path().join("own.log")).unwrap();
    let (time, rest) = log.lines().next().unwrap().split_once(' ').unwrap();
    assert!(time.starts_with("20") && time.ends_with('Z'), "{log}");
    let words = rest.strip_prefix("INFO  cli: ").unwrap();
    assert!(words.starts_with("watching pid "), "{log}");
    assert_eq!(ended.stderr, format!("procmon: {words}\n"));
}

#[test]
fn levels_are_by_part_and_critical_is_error() {
    let folder = tempfile::tempdir().unwrap();
    let silent = "logging: {file: own.log, levels: {default: CRITICAL}}";
    assert_eq!(one_frame(folder.path(), silent).stderr, "");
    let path = folder.path().join("own.log");
    assert_eq!(fs::read_to_string(&path).unwrap(), "");
    let one = "logging: {file: own.log, levels: {default: error, cli: INFO}}";
    one_frame(folder.path(), one);
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 1);
    // The environment beats the file.
    let run = run(folder.path(), silent).env("PROCMON_LOG", "info");
    assert!(output(&run).stderr.contains("watching pid"));
}

#[test]
fn an_unknown_part_is_answered_with_the_right_one() {
    let folder = tempfile::tempdir().unwrap();
    let ended = output(&run(folder.path(), "logging:\n  levels: {kernl: debug}\n"));
    assert_eq!(ended.status.code(), Some(2), "{ended:?}");
    let said = "procmon.yaml:2:12: logging.levels: unknown key \"kernl\": did you mean `kernel`?";
    assert!(ended.stderr.contains(said), "{ended:?}");
}

#[test]
fn otlp_only_without_a_collector_writes_no_file_and_says_what_it_is_without() {
    let folder = tempfile::tempdir().unwrap();
    let ended = one_frame(folder.path(), "logging: {file: own.log, otlp_only: true}");
    assert!(!folder.path().join("own.log").exists());
    let said = "logging.otlp_only: no OTLP endpoint takes logs: what procmon says stands on stderr";
    assert!(ended.stderr.contains(said), "{ended:?}");
}

#[test]
fn stdout_is_no_file_for_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let ended = output(&run(folder.path(), "logging: {file: '-'}"));
    assert_eq!(ended.status.code(), Some(2), "{ended:?}");
    assert!(ended.stderr.contains("give it a file"), "{ended:?}");
    assert_eq!(ended.stdout, "", "{ended:?}");
}

#[test]
fn the_log_is_put_aside_and_every_line_is_in_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let configuration = "logging: {file: own.log, max_size: 4KiB, max_files: 9}";
    let path = folder.path().join("own.log");
    let mut said = String::new();
    while files(&path).len() < 3 {
        assert!(said.lines().count() < 200, "{said}");
        said += &one_frame(folder.path(), configuration).stderr;
    }
    let texts = texts(&path);
    assert!(texts.iter().all(|text| text.len() <= 4 << 10));
    let words = |line: &str| line.split_once("cli: ").map(|(_, words)| words.to_owned());
    let logged: Vec<_> = texts.concat().lines().filter_map(words).collect();
    let said: Vec<_> = said
        .lines()
        .map(|line| line.replace("procmon: ", ""))
        .collect();
    assert_eq!(logged, said);
}

#[test]
fn exec_writes_the_log_too() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("procmon.yaml"),
        "logging: {file: own.log}",
    )
    .unwrap();
    let exec = Procmon::new("exec").args(["--no-ebpf", "--config", "procmon.yaml"]);
    let exec = exec
        .args(["--", "sh", "-c", "exit 3"])
        .folder(folder.path());
    let ended = exec.output(LIMIT).unwrap();
    assert_eq!(ended.status.code(), Some(3), "{ended:?}");
    assert!(folder.path().join("own.log").exists());
}

#[test]
fn a_full_disk_under_the_log_is_said_once_and_changes_no_status() {
    let folder = tempfile::tempdir().unwrap();
    let full = "logging: {file: /dev/full, levels: {default: trace}}";
    let ended = one_frame(folder.path(), full);
    let said = "/dev/full: No space left on device (os error 28); lines of the log are lost";
    assert_eq!(ended.stderr.matches(said).count(), 1, "{ended:?}");
    assert!(ended.stderr.contains("watching pid"), "{ended:?}");
}
