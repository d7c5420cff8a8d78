//! `tail -F` while files are put aside.

use std::{fs, path::Path, process::Command};

use procmon_tests::{
    Program, jsonl, need,
    program::SOON,
    rotated::{configured, files, texts},
    watching::{LIMIT, wait_until},
};

/// GNU's, which is told of new files by the kernel; others look once a second.
fn gnu_tail() -> Result<(), String> {
    let version = Command::new("tail").arg("--version").output();
    match version {
        Ok(output) if output.stdout.starts_with(b"tail (GNU") => Ok(()),
        _ => Err("tail is not that of GNU coreutils".to_owned()),
    }
}

/// This script with the file as `$1`.
fn shell(script: &str, file: &Path) -> Program {
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(file);
    Program::start(&mut command).unwrap()
}

/// What it wrote, once it has so many lines.
fn read_to(reader: Program, lines: usize) -> String {
    let read = reader.wait_for_stdout(SOON, |text| text.lines().count() >= lines);
    reader.signal(libc::SIGKILL).unwrap();
    reader.wait(LIMIT).unwrap();
    read.unwrap()
}

#[test]
fn two_rotations_while_a_reader_follows_and_it_has_every_record_exactly_once() {
    need!(gnu_tail());
    let folder = tempfile::tempdir().unwrap();
    let lines = folder.path().join("lines");
    let configuration = "export: {jsonl: {file: lines, max_size: 32KiB, max_files: 100}}";
    let run = || configured(folder.path(), configuration).folder(folder.path());
    // The reader has begun once it has the first line.
    run().args(["--count", "1"]).output(LIMIT).unwrap();
    let reader = shell("exec tail -n +1 -F \"$1\"", &lines);
    reader
        .wait_for_stdout(SOON, |text| text.ends_with('\n'))
        .unwrap();
    let mut frames = 1;
    while files(&lines).len() < 3 {
        assert!(frames < 1_000, "no two rotations within {frames} lines");
        let more = run()
            .args(["--interval", "100ms", "--count", "10"])
            .output(LIMIT)
            .unwrap();
        assert!(more.status.success(), "{more:?}");
        frames += 10;
    }
    let texts = texts(&lines);
    for text in &texts {
        assert!(text.len() <= 32 << 10, "{} bytes", text.len());
        jsonl::parse(text).unwrap();
    }
    let written = texts.concat();
    assert_eq!(written.lines().count(), frames);
    assert_eq!(read_to(reader, frames), written);
}

#[test]
fn tail_f_grep_rss_delta_works_across_rotations_of_the_report() {
    const FRAMES: usize = 25;
    need!(gnu_tail());
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("logs")).unwrap();
    let report = folder.path().join("logs/process_metrics.log");
    fs::write(&report, "begun\n").unwrap();
    let reader = shell(
        "tail -n +1 --pid=$$ -F \"$1\" | grep --line-buffered -e begun -e 'RSS Delta'",
        &report,
    );
    fs::write(&report, "begun\n").unwrap();
    reader
        .wait_for_stdout(SOON, |text| text.contains("begun"))
        .unwrap();
    let configuration = "\
        export: {report: {file: logs/process_metrics.log, max_size: 8KiB, max_files: 100}}";
    let run = configured(folder.path(), configuration).folder(folder.path());
    let run = run.args(["--interval", "100ms", "--count", &FRAMES.to_string()]);
    let output = run.output(LIMIT).unwrap();
    assert!(output.status.success(), "{output:?}");
    let texts = texts(&report);
    assert!(texts.len() > 2, "no two rotations: {texts:?}");
    for text in &texts[1..] {
        assert!(text.starts_with("# 20"), "no block begins the file: {text}");
    }
    let deltas: Vec<String> = texts
        .iter()
        .flat_map(|text| text.lines())
        .filter(|line| line.contains("RSS Delta"))
        .map(str::to_owned)
        .collect();
    assert_eq!(deltas.len(), FRAMES);
    let read = read_to(reader, FRAMES + 1);
    assert_eq!(read.lines().skip(1).collect::<Vec<_>>(), deltas);
}

#[test]
fn a_file_that_is_moved_away_as_logrotate_does_is_opened_anew_and_nothing_is_lost() {
    const FRAMES: usize = 40;
    let folder = tempfile::tempdir().unwrap();
    let [lines, moved] = ["lines", "moved"].map(|name| folder.path().join(name));
    let run = configured(folder.path(), "export: {jsonl: {file: lines}}").folder(folder.path());
    let procmon = run
        .args(["--interval", "20ms", "--count", &FRAMES.to_string()])
        .start()
        .unwrap();
    let has_lines = || fs::metadata(&lines).is_ok_and(|metadata| metadata.len() > 0);
    wait_until("some lines", has_lines);
    fs::rename(&lines, &moved).unwrap();
    wait_until("lines in a new file", has_lines);
    let output = procmon.wait(LIMIT).unwrap();
    assert!(output.status.success(), "{output:?}");
    let objects = [&moved, &lines].map(|file| jsonl::read(file).unwrap());
    let times: Vec<&str> = objects
        .iter()
        .flatten()
        .map(|object| object.json["timestamp"].as_str().unwrap())
        .collect();
    assert!(times.is_sorted_by(|a, b| a < b), "{times:?}");
    assert_eq!(times.len(), FRAMES);
}
