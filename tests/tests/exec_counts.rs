//! `procmon exec --jsonl` against strace, and against what the victim was told to do.

use std::{collections::BTreeMap, time::Duration};

use procmon_tests::{
    Procmon, jsonl, need,
    strace::{self, FILES, MEMORY, file_key, memory_key},
    victim,
};

const LIMIT: Duration = Duration::from_secs(60);

type Counts = BTreeMap<String, u64>;

/// The victim with these operations, as a command.
fn victim(operations: &str) -> Vec<String> {
    let path = victim::path().unwrap().display().to_string();
    std::iter::once(path)
        .chain(operations.split_whitespace().map(str::to_owned))
        .collect()
}

/// What procmon counts of a command and its children.
fn counted_by_procmon(command: &[String]) -> Counts {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("out.jsonl");
    let procmon = Procmon::new("exec")
        .arg("--jsonl")
        .arg(&file)
        .arg("--")
        .args(command);
    let output = procmon.output(LIMIT).unwrap();
    assert!(output.status.success(), "{output:?}");
    let objects = jsonl::read(&file).unwrap();
    for ((pid, _), object) in jsonl::last(&objects) {
        assert!(
            object.has_exited(),
            "the last object of {pid} does not tell its end: {object:?}"
        );
    }
    jsonl::totals(&objects, &[MEMORY, FILES])
}

/// Makes what we start from now on find itself at the same addresses every time: how often the
/// loader calls munmap depends on where the kernel puts a library that is aligned to more than a
/// page, as all are on arm64. Where it is forbidden (containers) the pages are the alignment.
fn fix_addresses() {
    // SAFETY: takes flags only.
    unsafe { libc::personality(libc::ADDR_NO_RANDOMIZE as libc::c_ulong) };
}

macro_rules! assert_counts_equal_strace {
    ($command:expr) => {
        fix_addresses();
        let strace = need!(strace::available());
        let command = $command;
        let expected = strace::count(&strace, &command, LIMIT).unwrap();
        assert_eq!(
            counted_by_procmon(&command),
            expected,
            "procmon left, strace right: {command:?}"
        );
    };
}

/// A bit of every kind, and failures of several.
const EVERYTHING: &str = "mmap=100:8192 munmap=40 mmap-fail=3 munmap-fail=2 mremap=7 mremap-fail=1 brk=5:4096 \
    brk=2:-8192 touch=100000 open=50 open-keep=9 open2=2 open-fail=11 open-fail-dir=4 close-kept=5 close-fail=6 \
    close-range=3 dup=8 dup3=7 dup-fcntl=6 dup-fail=5 socket=4 socket-fail=2 socketpair=3 accept=5 accept-fail=2 \
    pipe=6 eventfd=1 epoll=2 timerfd=3 memfd=4 inotify=5 signalfd=6 pidfd=7 uncounted=100";

#[test]
fn exec_jsonl_counts_what_strace_counts_for_the_victim() {
    assert_counts_equal_strace!(victim(EVERYTHING));
}

#[test]
fn exec_jsonl_counts_what_strace_counts_for_threads_of_the_victim() {
    // With an arena for each thread, how often libc calls munmap depends on
    // where the kernel happens to put it. SAFETY: tests run one at a time.
    unsafe { std::env::set_var("MALLOC_ARENA_MAX", "1") };
    assert_counts_equal_strace!(victim(&format!(
        "threads=8 {}",
        EVERYTHING.replace("brk=5:4096 brk=2:-8192", "")
    )));
}

#[test]
fn exec_jsonl_counts_what_strace_counts_for_a_bash_pipeline() {
    let script = "for i in 1 2 3; do cat /etc/passwd | tr a-z A-Z | wc -l; done; ls /nonexistent; cd /nonexistent; true";
    assert_counts_equal_strace!(["bash", "--norc", "-c", script].map(str::to_owned).to_vec());
}

#[test]
fn exec_jsonl_counts_what_strace_counts_for_a_forking_program() {
    assert_counts_equal_strace!(victim(
        "fork=50 children=20 mmap=10:4096 munmap=5 open=5 open-fail=2 fork=3 children=2 pipe=4 dup-fail=1"
    ));
}

#[test]
fn exec_jsonl_counts_what_strace_counts_for_a_program_that_becomes_another() {
    assert_counts_equal_strace!(victim("open=10 open-keep=3 mmap=5:4096 exec=/bin/true"));
}

#[test]
fn the_difference_of_two_victim_runs_is_the_difference_asked_for() {
    let few = counted_by_procmon(&victim("uncounted=1"));
    let many = counted_by_procmon(&victim(EVERYTHING));
    let mut difference = many;
    for (key, count) in few {
        let left = difference.get(&key).copied().unwrap_or(0);
        assert!(
            left >= count,
            "{key}: {left} with operations, {count} without"
        );
        difference.insert(key, left - count);
    }
    difference.retain(|_, count| *count != 0);

    let closed = 50
        + 5
        + 2
        + (8 + 7 + 6)
        + (4 + 2 * 3)
        + (1 + 2 * 5)
        + 2 * 6
        + (1 + 2 + 3 + 4 + 5 + 6 + 7)
        + 3;
    let expected = Counts::from([
        (memory_key("mmap", None), 100 + 1),
        (memory_key("mmap", Some("EINVAL")), 3),
        (memory_key("munmap", None), 40),
        (memory_key("munmap", Some("EINVAL")), 2),
        (memory_key("mremap", None), 7),
        (memory_key("mremap", Some("EFAULT")), 1),
        (memory_key("brk", None), 5 + 2),
        (file_key("open", None), 50 + 9 + 2),
        (file_key("open", Some("ENOENT")), 11),
        (file_key("open", Some("EISDIR")), 4),
        (file_key("close", None), closed),
        (file_key("close", Some("EBADF")), 6),
        (file_key("dup", None), 8 + 7 + 6),
        (file_key("dup", Some("EBADF")), 5),
        (file_key("socket", None), 4 + 3 + (1 + 5)),
        (file_key("socket", Some("EAFNOSUPPORT")), 2),
        (file_key("accept", None), 5),
        (file_key("accept", Some("EBADF")), 2),
        (file_key("pipe", None), 6),
        (file_key("other", None), 1 + 2 + 3 + 4 + 5 + 6 + 7),
    ]);
    assert_eq!(difference, expected);
}
