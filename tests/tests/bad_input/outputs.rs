//! Disks that are full, readers that go or do not read, files that cannot be written.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, ExitStatus, Stdio},
    time::Instant,
};

use procmon_tests::{Procmon, disk::SmallDisk, jsonl, program::SOON};

use crate::support::*;

#[test]
fn a_full_disk_under_jsonl_is_said_once_leaves_no_half_line_and_is_recovered_from() {
    let disk = SmallDisk::mount("size=64k");
    let (lines, other) = (disk.path("lines"), disk.path("other"));
    let procmon = Procmon::new("run")
        .pid(std::process::id())
        .args(["--interval", "20ms", "--jsonl"])
        .arg(&lines)
        .start()
        .unwrap();
    wait_until("some lines", || {
        fs::read_to_string(&lines).is_ok_and(|text| text.lines().count() > 2)
    });
    disk.fill("other");
    procmon
        .wait_for_stderr(SOON, |text| text.contains("No space left"))
        .unwrap();
    let stuck = fs::read_to_string(&lines).unwrap();
    let whole = jsonl::parse(&stuck).unwrap().len();
    assert!(stuck.ends_with('\n'), "a half line: {stuck}");
    fs::remove_file(&other).unwrap();
    procmon
        .wait_for_stderr(SOON, |text| text.contains(": written again;"))
        .unwrap();
    wait_until("more lines", || {
        jsonl::read(&lines).is_ok_and(|objects| objects.len() > whole)
    });
    let output = end(procmon);
    // The disk may have filled up once more before the end, by the lines alone.
    let full = times(&output.stderr, "No space left");
    let again = times(&output.stderr, ": written again;");
    assert!((1..=2).contains(&full) && full - again <= 1, "{output:?}");
    assert!(output.stderr.contains("were lost"), "{output:?}");
    assert!(jsonl::read(&lines).is_ok());
}

#[test]
fn a_full_disk_under_report_is_said_once_and_leaves_no_half_block() {
    let disk = SmallDisk::mount("size=64k");
    let report = disk.path("report");
    let run = Procmon::new("run")
        .pid(std::process::id())
        .args(["--interval", "10ms", "--count", "150", "--report"])
        .arg(&report);
    let output = output(&run);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(times(&output.stderr, "No space left"), 1, "{output:?}");
    assert!(output.stderr.contains("blocks were lost"), "{output:?}");
    let text = fs::read_to_string(&report).unwrap();
    // A host that is busy makes ticks late, which has a line of its own.
    let blocks: Vec<&str> = text.split("# ").filter(|b| b.contains(" pid=")).collect();
    assert!(!blocks.is_empty() && text.ends_with('\n'));
    let lines = blocks[1].trim_end().lines().count();
    for block in &blocks[1..] {
        assert_eq!(block.trim_end().lines().count(), lines, "{block}");
    }
}

#[test]
fn a_full_disk_from_the_start_keeps_it_running_too() {
    let run = Procmon::new("run").pid(std::process::id()).args([
        "--interval",
        "20ms",
        "--count",
        "5",
        "--jsonl",
        "/dev/full",
    ]);
    let output = output(&run);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(times(&output.stderr, "No space left"), 1, "{output:?}");
    assert!(output.stderr.contains("5 lines were lost"), "{output:?}");
}

/// Starts it, reads one line of its stdout and closes that.
fn head_1(procmon: &Procmon) -> (Child, String) {
    let mut command = procmon.command().unwrap();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let stdout = child.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    (child, line)
}

fn ended(child: &mut Child) -> (ExitStatus, String) {
    let until = Instant::now() + SOON;
    while child.try_wait().unwrap().is_none() && Instant::now() < until {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let ended = child.try_wait().unwrap();
    let _ = child.kill();
    let stderr = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
    match ended {
        Some(status) => (status, stderr),
        None => panic!("it did not end: {stderr}"),
    }
}

#[test]
fn a_closed_pipe_under_the_only_output_ends_the_run_quietly() {
    for output in ["--jsonl", "--report"] {
        let run = Procmon::new("run").pid(std::process::id());
        let (mut child, line) = head_1(&run.args(["--interval", "20ms", output, "-"]));
        assert!(line.ends_with('\n'));
        let (status, stderr) = ended(&mut child);
        assert_eq!(status.code(), Some(0), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "only the greeting: {stderr}");
    }
}

#[test]
fn a_closed_pipe_leaves_other_outputs_going() {
    let folder = tempfile::tempdir().unwrap();
    let lines = folder.path().join("lines");
    let run = Procmon::new("run")
        .pid(std::process::id())
        .args([
            "--interval",
            "20ms",
            "--count",
            "25",
            "--report",
            "-",
            "--jsonl",
        ])
        .arg(&lines);
    let (mut child, _) = head_1(&run);
    let (status, stderr) = ended(&mut child);
    assert_eq!(status.code(), Some(0), "{stderr}");
    assert_eq!(times(&stderr, "has gone"), 1, "{stderr}");
    assert_eq!(jsonl::read(&lines).unwrap().len(), 25);
}

#[test]
fn a_closed_pipe_under_snapshot_and_metrics_is_no_error() {
    for subcommand in ["snapshot", "metrics"] {
        let (mut child, _) = head_1(&Procmon::new(subcommand));
        let (status, stderr) = ended(&mut child);
        assert_eq!(status.code(), Some(0), "{stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
    }
}

#[test]
fn a_reader_that_does_not_read_does_not_keep_it_from_ending() {
    let mut command = watch(&[std::process::id()], "10ms").command().unwrap();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let unread = child.stdout.take().unwrap();
    // The pipe is full when its writer sleeps in the write.
    let pid = child.id();
    wait_until("a full pipe", || {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
        tasks.flatten().any(|task| {
            fs::read_to_string(task.path().join("wchan")).is_ok_and(|at| at.contains("pipe_write"))
                || fs::read_to_string(task.path().join("syscall"))
                    .is_ok_and(|at| at.starts_with("1 "))
        })
    });
    // SAFETY: our own child.
    unsafe { libc::kill(pid.cast_signed(), libc::SIGINT) };
    let (status, stderr) = ended(&mut child);
    drop(unread);
    assert_eq!(status.code(), Some(0), "{stderr}");
    assert!(stderr.contains("was not read"), "{stderr}");
}

#[test]
fn a_closed_stderr_changes_no_status() {
    let run = watch(&[3_999_999], "1s");
    for (redirect, expected) in [("2>&-", 2), ("2>/dev/full", 2)] {
        let output = finish(wrapped(&["env"], &format!("\"$@\" {redirect}"), &run));
        assert_eq!(
            output.status.code(),
            Some(expected),
            "{redirect} {output:?}"
        );
    }
    let run = watch(&[std::process::id()], "20ms").args(["--count", "2"]);
    let exec = Procmon::new("exec").args(["--", "sh", "-c", "exit 4"]);
    for redirect in ["2>&-", "2>/dev/full"] {
        let output = finish(wrapped(&["env"], &format!("\"$@\" {redirect}"), &run));
        assert_eq!(output.status.code(), Some(0), "{redirect} {output:?}");
        assert_eq!(objects(&output.stdout).len(), 2, "{redirect} {output:?}");
        let output = finish(wrapped(&["env"], &format!("\"$@\" {redirect}"), &exec));
        assert_eq!(output.status.code(), Some(4), "{redirect} {output:?}");
    }
}

#[test]
fn files_that_cannot_be_written_are_named_with_the_reason() {
    for (path, reason) in [
        ("/nonexistent/file", "no folder /nonexistent"),
        ("/proc", "Is a directory"),
    ] {
        for flag in ["--jsonl", "--report"] {
            let run = Procmon::new("run")
                .pid(std::process::id())
                .args([flag, path]);
            let output = output(&run);
            assert_eq!(output.status.code(), Some(2), "{output:?}");
            assert!(
                output.stderr.contains(path) && output.stderr.contains(reason),
                "{output:?}"
            );
        }
    }
}

#[test]
fn lines_are_added_to_a_file_that_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let lines = folder.path().join("lines");
    let run = Procmon::new("run")
        .pid(std::process::id())
        .args(["--interval", "20ms", "--count", "3", "--jsonl"])
        .arg(&lines);
    for so_far in [3, 6] {
        assert_eq!(output(&run).status.code(), Some(0));
        assert_eq!(jsonl::read(&lines).unwrap().len(), so_far);
    }
}
