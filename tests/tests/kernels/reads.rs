//! What procmon opens below /proc/PID, by strace.

use std::{fs, process::Command};

use procmon_tests::{Procmon, Program, Victim, need, program::file_name, strace};

use crate::LIMIT;

/// How many times procmon opened, or followed, a file of a process.
fn opened(trace: &str, pid: u32, file: &str) -> usize {
    let call = format!("/proc/{pid}>, \"{file}\"");
    trace.lines().filter(|line| line.contains(&call)).count()
}

#[test]
fn metadata_is_read_on_events_and_not_on_ticks() {
    let strace = need!(strace::available());
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut victim = Victim::held_before("exec=/bin/cat").unwrap();
    let procmon = Procmon::new("run").args(["--all", "--interval", "300ms", "--count", "20"]);
    let procmon = procmon.args(["--jsonl", "-"]).command().unwrap();
    let mut traced = Command::new(strace);
    traced
        .args(["-f", "-y", "-e", "trace=openat,readlinkat", "-o"])
        .arg(file.path())
        .arg(procmon.get_program())
        .args(procmon.get_args());
    let program = Program::start(&mut traced).unwrap();
    let own = format!("\"pid\":{},", victim.pid());
    let ticks = |text: &str| text.lines().filter(|line| line.contains(&own)).count();
    program
        .wait_for_stdout(LIMIT, |text| ticks(text) >= 5)
        .unwrap();
    let before = fs::read_to_string(file.path()).unwrap();
    victim.go().unwrap();
    let output = program.wait(LIMIT).unwrap();
    assert!(output.status.success(), "{output:?}");
    // Traced, it may be late and leave ticks out.
    assert!(ticks(&output.stdout) > 8, "{output:?}");
    let named = format!(r#""executable":"{}""#, file_name("/bin/cat"));
    assert!(output.stdout.contains(&named));

    let after = fs::read_to_string(file.path()).unwrap();
    // Once, if the self-check at the start has looked at it.
    let checked = opened(&before, victim.pid(), "status");
    assert!(checked <= 1);
    for (programs, trace) in [(1, before), (2, after)] {
        for file in ["cmdline", "exe"] {
            assert_eq!(opened(&trace, victim.pid(), file), programs, "{file}");
        }
        // The kernel half tells of these; /proc of the groups it does not note, once a program,
        // where version 1 is in use.
        assert_eq!(opened(&trace, victim.pid(), "status"), checked);
        assert!(opened(&trace, victim.pid(), "cgroup") <= programs);
    }
}
