//! Threads whose births no hook sees: the workers of io_uring.

use procmon_tests::{Procmon, jsonl, skip};

use crate::support::*;

const ASLEEP: &str = "procmon.cpu.off_cpu.time{procmon.off_cpu.reason=\"sleep\"}";
const READS: u32 = 200;

#[test]
fn a_worker_of_io_uring_is_counted_from_the_pass_that_meets_it() {
    // SAFETY: a null pointer, which the call refuses when it is allowed.
    unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, 0) };
    let refused = std::io::Error::last_os_error();
    if refused.raw_os_error() != Some(libc::EFAULT) {
        skip!("no io_uring here: {refused}");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lines");
    let exec = Procmon::new("exec").args(["--interval", "50ms", "--jsonl"]);
    let command = victim_command(&format!("worker-reads={READS}"));
    output(&exec.arg(&file).arg("--").args(command));
    let objects = jsonl::read(&file).unwrap();
    let ended = objects.iter().find(|object| object.has_exited()).unwrap();
    assert_eq!(ended.exit_code(), Some(0));
    // The first thread sleeps while the worker does: alone it would have slept as long
    // as it lived at most.
    let (asleep, lived) = (ns(ended, ASLEEP), ns(ended, "process.uptime"));
    assert!(asleep > lived + lived / 2, "{asleep} of {lived} ns");
    // The worker is one thread that has ended, once.
    assert_eq!(ends(&objects), 1);
}
