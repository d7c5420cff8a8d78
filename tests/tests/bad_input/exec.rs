//! `procmon exec` is the command, seen from outside.

use std::{fs, process::Command};

use procmon_tests::{Procmon, Program, jsonl, program::SOON};

use crate::support::*;

fn exec(command: &[&str]) -> Procmon {
    Procmon::new("exec").arg("--").args(command)
}

fn status(command: &[&str]) -> Option<i32> {
    output(&exec(command)).status.code()
}

#[test]
fn the_commands_own_status_comes_through() {
    for code in [0, 1, 2, 3, 42, 125, 127, 255] {
        assert_eq!(status(&["sh", "-c", &format!("exit {code}")]), Some(code));
    }
}

#[test]
fn a_command_killed_by_signal_n_is_128_plus_n() {
    for signal in [
        libc::SIGHUP,
        libc::SIGKILL,
        libc::SIGSEGV,
        libc::SIGTERM,
        libc::SIGPIPE,
    ] {
        let script = format!("kill -{signal} $$");
        assert_eq!(status(&["sh", "-c", &script]), Some(128 + signal));
    }
}

#[test]
fn a_command_that_is_not_found_is_127() {
    for command in ["no-such-command", "/nonexistent/command", ""] {
        assert_refused(&exec(&[command]), 127, &["not found"]);
    }
}

#[test]
fn a_command_that_is_not_executable_is_126() {
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken");
    fs::copy("/etc/passwd", &broken).unwrap();
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(&broken, fs::Permissions::from_mode(0o755)).unwrap();
    for command in ["/etc/passwd", "/tmp", broken.to_str().unwrap()] {
        assert_refused(&exec(&[command]), 126, &[command, "not executable"]);
    }
}

#[test]
fn an_output_that_cannot_be_written_is_2_and_the_command_is_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let ran = folder.path().join("ran");
    let exec = Procmon::new("exec").args(["--jsonl", "/nonexistent/lines", "--", "touch"]);
    assert_refused(&exec.arg(&ran), 2, &["/nonexistent"]);
    assert!(!ran.exists());
}

#[test]
fn stdout_is_the_commands_alone_and_stdin_reaches_it() {
    let mut program = exec(&["sh", "-c", "cat; echo said >&2"]).start().unwrap();
    program.send(b"one\ntwo\n").unwrap();
    program.close_stdin();
    let output = program.wait(SOON).unwrap();
    assert_eq!(output.stdout, "one\ntwo\n", "{output:?}");
    assert!(output.stderr.starts_with("said\n"), "{output:?}");
    assert!(output.stderr.contains("elapsed"), "{output:?}");
}

#[test]
fn the_command_inherits_none_of_procmons_descriptors() {
    for options in [&[][..], &["--no-ebpf"]] {
        let exec = Procmon::new("exec")
            .args(options)
            .args(["--", "ls", "/proc/self/fd"]);
        let output = output(&exec);
        let mut alone = Program::start(Command::new("ls").arg("/proc/self/fd")).unwrap();
        alone.close_stdin();
        assert_eq!(output.stdout, alone.wait(SOON).unwrap().stdout);
    }
}

#[test]
fn signals_are_passed_on_to_the_command() {
    for (signal, name) in [
        (libc::SIGTERM, "TERM"),
        (libc::SIGINT, "INT"),
        (libc::SIGHUP, "HUP"),
        (libc::SIGUSR1, "USR1"),
    ] {
        let script = format!(
            "trap 'echo got {name}; exit 9' {name}; echo ready; while :; do sleep 0.05; done"
        );
        let program = exec(&["sh", "-c", &script]).start().unwrap();
        program
            .wait_for_stdout(SOON, |text| text.contains("ready"))
            .unwrap();
        program.signal(signal).unwrap();
        let output = program.wait(SOON).unwrap();
        assert_eq!(output.status.code(), Some(9), "{output:?}");
        assert!(
            output.stdout.ends_with(&format!("got {name}\n")),
            "{output:?}"
        );
        assert!(
            output.stderr.contains("elapsed"),
            "a summary all the same: {output:?}"
        );
    }
}

#[test]
fn a_signal_that_was_ignored_stays_ignored_for_the_command() {
    let inner = exec(&["sh", "-c", "kill -HUP $$; kill -INT $$; echo lives"]);
    let output = finish(wrapped(&["env"], "trap '' HUP INT; exec \"$@\"", &inner));
    assert_eq!(output.stdout, "lives\n", "{output:?}");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn a_command_that_leaves_a_daemon_behind_ends_the_run_and_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let lines = folder.path().join("lines");
    let script = "setsid sleep 4 </dev/null >/dev/null 2>&1 & exit 3";
    let exec = Procmon::new("exec").arg("--jsonl").arg(&lines);
    let output = output(&exec.args(["--", "sh", "-c", script]));
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let objects = jsonl::read(&lines).unwrap();
    let last = jsonl::last(&objects);
    let ended = last.values().filter(|object| object.has_exited()).count();
    assert_eq!((last.len(), ended), (2, 1), "the daemon lives on: {last:?}");
    assert!(output.stderr.contains("2     processes"), "{output:?}");
}

#[test]
fn exec_without_ebpf_works_and_says_what_was_not_seen() {
    let exec = Procmon::new("exec").args(["--no-ebpf", "--interval", "50ms", "--"]);
    let output = output(&exec.args(["sh", "-c", "sleep 0.3; exit 5"]));
    assert_eq!(output.status.code(), Some(5), "{output:?}");
    for unseen in [
        "not seen: forks, execs",
        "not seen: what the kernel probes count (--no-ebpf)",
    ] {
        assert!(output.stderr.contains(unseen), "{unseen}: {output:?}");
    }
}

#[test]
fn exec_ends_with_the_command_though_a_child_holds_its_stdout() {
    let program: Program = exec(&["sh", "-c", "sleep 4 & exit 6"]).start().unwrap();
    let output = program.wait(SOON).unwrap();
    assert_eq!(output.status.code(), Some(6), "{output:?}");
}
