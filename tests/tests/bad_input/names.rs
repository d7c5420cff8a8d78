//! Names that somebody chose to confuse.

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt as _, process::Command};

use procmon_tests::{Procmon, Program, program::SOON, victim};

use crate::support::*;

const NAMES: &[&[u8]] = &[
    b"two\nlines",
    b"x\n# 2020-01-01T00:00:00.000Z pid=1 executable=init",
    b"par(en) the)ses ((",
    b"quo\"tes' and \\ back\\nslashes",
    b"not utf-8 \xff\xfe\xc3",
    b"sh exited code=0",
    b"esc\x1b[2J\x1b]0;title\x07\r\t",
    b"\xe2\x80\xaeright to left",
    b" ",
    b"{\"pid\":1}",
];

#[test]
fn names_of_any_bytes_come_out_right_and_forge_no_line() {
    let public = Public::new();
    let processes: Vec<Program> = NAMES
        .iter()
        .map(|name| {
            let copy = public.copy(victim::path().unwrap(), OsStr::from_bytes(name));
            let process = Program::start(Command::new(copy).args(["print-ready", "wait"])).unwrap();
            process
                .wait_for_stdout(SOON, |text| text.contains("ready"))
                .unwrap();
            process
        })
        .collect();
    for road in [&[][..], &["--no-ebpf"]] {
        let (report, lines) = (public.path("report"), public.path("lines"));
        let run = Procmon::new("run")
            .args(["--count", "2", "--interval", "50ms", "--report"])
            .arg(&report)
            .arg("--jsonl")
            .arg(&lines)
            .args(road);
        let run = processes
            .iter()
            .fold(run, |run, process| run.pid(process.pid()));
        let output = output(&run);
        assert_eq!(output.status.code(), Some(0), "{output:?}");

        let objects = procmon_tests::jsonl::read(&lines).unwrap();
        assert_eq!(objects.len(), 2 * NAMES.len());
        for (name, process) in NAMES.iter().zip(&processes) {
            let own = of(&objects, process.pid());
            let expected = String::from_utf8_lossy(name);
            assert_eq!(own[0].json["process"]["executable"], *expected, "{road:?}");
        }

        let text = fs::read_to_string(&report).unwrap();
        let heads: Vec<&str> = text.lines().filter(|line| line.contains("pid=")).collect();
        assert_eq!(heads.len(), objects.len(), "{heads:?}");
        for head in heads {
            let mut words = head.split(' ');
            assert_eq!(words.next(), Some("#"), "{head}");
            words.next();
            let pid = words.next().unwrap().strip_prefix("pid=").unwrap();
            let pid: u32 = pid.parse().unwrap();
            assert!(
                processes.iter().any(|process| process.pid() == pid),
                "{head}"
            );
            // No process has exited, whatever it is called.
            let (_, executable) = head.split_once(" executable=").unwrap();
            let quoted = executable.starts_with('"') && executable.ends_with('"');
            assert!(quoted || !executable.contains(' '), "{head}");
        }
        assert!(!text.contains('\x1b') && !text.contains('\r'));
        fs::remove_file(report).unwrap();
        fs::remove_file(lines).unwrap();
    }
    let snapshot = processes
        .iter()
        .fold(Procmon::new("snapshot"), |snapshot, process| {
            snapshot.pid(process.pid())
        });
    let output = output(&snapshot);
    assert_eq!(output.stdout.lines().count(), 1 + NAMES.len(), "{output:?}");
    assert!(!output.stdout.contains('\x1b'));
}

#[test]
fn exec_shows_a_command_of_any_bytes_on_one_line() {
    let public = Public::new();
    let name = OsStr::from_bytes(NAMES[1]);
    let command = public.copy(victim::path().unwrap(), name);
    let output = output(&Procmon::new("exec").arg("--").arg(command).arg("exit=4"));
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert!(
        !output.stderr.lines().any(|line| line.starts_with('#')),
        "{output:?}"
    );
    let missing = Procmon::new("exec")
        .arg("--")
        .arg(public.path("a\nprocmon: forged"));
    let output = assert_refused(&missing, 127, &["not found"]);
    assert_eq!(output.stderr.lines().count(), 1, "{output:?}");
}
