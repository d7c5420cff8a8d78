//! Totals of fixtures, and of processes that run.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::*;

fn fixture(tree: &Path, pid: u32, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = tree.join(format!("proc/{pid}/{name}"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

fn stat(state: char, flags: u64, threads: u32) -> String {
    format!(
        "7 (a)\n(b) {state} 3 0 0 0 -1 {flags} 11 0 12 0 13 14 0 0 20 0 {threads} 0 15 8192 2 0\n"
    )
}

const STATUS: &str = "Tgid:\t7\nVmHWM:\t 9 kB\nVmRSS:\t 6 kB\nRssAnon:\t 1 kB\nRssFile:\t 2 kB\n\
    RssShmem:\t 3 kB\nVmPTE:\t 4 kB\nVmSwap:\t 5 kB\nvoluntary_ctxt_switches:\t1\n\
    nonvoluntary_ctxt_switches:\t2\n";
const SCHED: &str =
    "se.nr_migrations : 3\nnr_voluntary_switches : 4\nnr_involuntary_switches : 5\n";
const IO: &str = "rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 5\nwrite_bytes: 6\n";
const LIMITS: &str = "Max open files            1024                 4096                 files\n\
    Max address space         65536                unlimited            bytes\n";

#[test]
fn every_field_has_its_file() {
    let tree = tempfile::tempdir().unwrap();
    fixture(
        tree.path(),
        7,
        &[
            ("stat", &stat('S', 0, 2)),
            ("status", STATUS),
            ("io", IO),
            ("limits", LIMITS),
            ("fd/0", ""),
            ("fd/1", ""),
            ("task/7/schedstat", "100 200 1\n"),
            ("task/7/sched", SCHED),
            ("task/8/schedstat", "1000 2000 1\n"),
            ("task/8/sched", SCHED),
        ],
    );
    let mut errors = ReadErrors::default();
    let reading = read_totals(&ProcRoot::under(tree.path()), 7, &mut errors).unwrap();
    assert_eq!(errors.as_slice(), []);
    assert_eq!(
        reading.id,
        ProcessId {
            pid: 7,
            start_ticks: 15
        }
    );
    assert_eq!(
        reading.facts,
        Facts {
            program: reading.facts.program,
            parent_pid: 3,
            state: State::Sleeping,
            zombie: false,
            wait_status: None,
            kernel_thread: false,
        }
    );
    let expected = Totals {
        user_ns: Some(130_000_000),
        system_ns: Some(140_000_000),
        on_cpu_ns: Some(1100),
        run_queue_ns: Some(2200),
        migrations: Some(6),
        voluntary_switches: Some(8),
        involuntary_switches: Some(10),
        threads: Some(2),
        rss_anon: Some(1 << 10),
        rss_file: Some(2 << 10),
        rss_shmem: Some(3 << 10),
        rss: Some(6 << 10),
        virtual_memory: Some(8192),
        swap: Some(5 << 10),
        page_tables: Some(4 << 10),
        peak_rss: Some(9 << 10),
        minor_faults: Some(11),
        major_faults: Some(12),
        descriptors: Some(2),
        descriptor_soft_limit: Some(1024),
        descriptor_hard_limit: Some(4096),
        virtual_memory_limit: Some(65_536),
        disk_read_bytes: Some(5),
        disk_write_bytes: Some(6),
        read_calls: Some(3),
        write_calls: Some(4),
        read_chars: Some(1),
        write_chars: Some(2),
        ..Totals::default()
    };
    assert_eq!(reading.totals, expected);
}

#[test]
fn what_cannot_be_read_is_absent_and_counted() {
    let tree = tempfile::tempdir().unwrap();
    fixture(
        tree.path(),
        7,
        &[
            ("stat", &stat('R', 0, 1)),
            ("io", "rchar: x\n"),
            ("task/7/x", ""),
        ],
    );
    let mut errors = ReadErrors::default();
    let reading = read_totals(&ProcRoot::under(tree.path()), 7, &mut errors).unwrap();
    assert_eq!(reading.totals.minor_faults, Some(11));
    assert_eq!(reading.totals.read_chars, None);
    assert_eq!(reading.totals.descriptors, None);
    assert_eq!(
        errors.as_slice(),
        [
            ("schedstat", "ENOENT", 1),
            ("sched", "ENOENT", 1),
            ("status", "ENOENT", 2),
            ("io", "malformed", 1),
            ("limits", "ENOENT", 1),
            ("fd", "ENOENT", 1),
        ]
    );
}

#[test]
fn a_leader_that_ended_first_does_not_end_the_process() {
    let tree = tempfile::tempdir().unwrap();
    let thread = "8 (x) R 3 0 0 0 -1 0 0 0 0 0 0 0 0 0 20 0 2 0 16 65536 9 0\n";
    fixture(
        tree.path(),
        7,
        &[
            ("stat", &stat('Z', 0, 2)),
            ("status", "Tgid:\t7\n"),
            ("io", IO),
            ("limits", LIMITS),
            ("task/7/schedstat", "1 2 1\n"),
            ("task/7/sched", SCHED),
            ("task/7/stat", &stat('Z', 0, 2)),
            ("task/8/schedstat", "1 2 1\n"),
            ("task/8/sched", SCHED),
            ("task/8/stat", thread),
            ("task/8/status", STATUS),
            ("task/8/fd/0", ""),
        ],
    );
    let mut errors = ReadErrors::default();
    let reading = read_totals(&ProcRoot::under(tree.path()), 7, &mut errors).unwrap();
    assert_eq!(errors.as_slice(), []);
    assert!(!reading.facts.zombie);
    assert_eq!(reading.totals.virtual_memory, Some(65_536));
    assert_eq!(reading.totals.rss, Some(6 << 10));
    assert_eq!(reading.totals.descriptors, Some(1));
}

#[test]
fn a_zombie_keeps_its_times_and_has_no_memory() {
    let mut child = Command::new("true").spawn().unwrap();
    let root = ProcRoot::system();
    let mut errors = ReadErrors::default();
    let reading = loop {
        let reading = read_totals(&root, child.id(), &mut errors).unwrap();
        if reading.facts.zombie {
            break reading;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    };
    assert_eq!(reading.facts.parent_pid, std::process::id());
    assert!(reading.totals.on_cpu_ns.unwrap() > 0 && reading.totals.minor_faults.unwrap() > 0);
    assert_eq!(
        (reading.totals.rss_anon, reading.totals.descriptors),
        (None, None)
    );
    child.wait().unwrap();
    let gone = read_totals(&root, child.id(), &mut errors).unwrap_err();
    assert!(gone.is_gone());
    assert_eq!(errors.as_slice(), []);
}

#[test]
fn a_process_that_waits_is_read_exactly() {
    let mut child = Command::new("cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (root, mut errors) = (ProcRoot::system(), ReadErrors::default());
    let mut reader = TotalsReader::default();
    // It may sleep on its way to where it waits: there it reads the same twice.
    let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
    let reading = loop {
        let reading = reader.read(&root, child.id(), &mut errors).unwrap();
        let again = reader.read(&root, child.id(), &mut errors).unwrap();
        let exe = fs::read_link(format!("/proc/{}/exe", child.id())).unwrap();
        let waits = reading.facts.state == State::Sleeping && again == reading;
        if exe.ends_with("cat") && waits {
            break reading;
        }
        assert!(std::time::Instant::now() < end, "{reading:?} {again:?}");
    };
    let totals = &reading.totals;
    let entries = fs::read_dir(format!("/proc/{}/fd", child.id()))
        .unwrap()
        .count();
    assert_eq!(totals.descriptors, Some(entries as u64));
    assert_eq!(totals.threads, Some(1));
    let kinds = [totals.rss_anon, totals.rss_file, totals.rss_shmem];
    assert_eq!(
        totals.rss,
        Some(kinds.into_iter().map(Option::unwrap).sum())
    );
    assert!(totals.voluntary_switches.unwrap() > 0);
    assert_eq!(errors.as_slice(), []);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn this_process() {
    let mut errors = ReadErrors::default();
    let reading = read_totals(&ProcRoot::system(), std::process::id(), &mut errors).unwrap();
    let clock = crate::proc::clock::now_boot_ns() / NS_PER_TICK;
    assert!(reading.id.start_ticks <= clock && reading.id.start_ticks + 60_000 > clock);
    assert_eq!(
        reading.facts.parent_pid,
        std::os::unix::process::parent_id()
    );
    assert!(reading.totals.threads.unwrap() >= 2);
    assert!(!reading.facts.kernel_thread);
}
