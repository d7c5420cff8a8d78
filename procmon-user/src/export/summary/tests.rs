use super::*;
use crate::process::fixture::{self, SECOND, ended, probes};
use crate::process::{ProcessSample, Totals};

fn text(summary: &Summary, elapsed: Duration) -> String {
    let mut out = Vec::new();
    summary.write(&mut out, elapsed).unwrap();
    String::from_utf8(out).unwrap()
}

fn worker(pid: u32) -> ProcessSample {
    let mut sample = fixture::sample(pid, "cc1");
    sample.totals = Totals {
        user_ns: Some(1_500_000_000),
        system_ns: Some(250_000_000),
        on_cpu_ns: Some(1_750_000_000),
        run_queue_ns: Some(1_000_000),
        voluntary_switches: Some(1_000),
        involuntary_switches: Some(20),
        minor_faults: Some(700),
        major_faults: Some(1),
        peak_rss: Some(u64::from(pid) * 1_048_576),
        disk_read_bytes: Some(0),
        disk_write_bytes: Some(1_048_576),
        ..Totals::default()
    };
    let mut counted = probes(&[
        (Counter::Execs, 1),
        (Counter::Mmap, 12_345),
        (Counter::Open, 30),
        (Counter::OpenFailed, 5),
    ]);
    counted.failures = vec![
        (Operation::Open, 13, 1),
        (Operation::Open, 2, 2),
        (Operation::Open, 512, 1),
    ];
    sample.probes = Some(counted);
    ended(sample, SECOND, 0)
}

#[test]
fn processes_are_summed_once_each() {
    let mut summary = Summary::new(["make", "-j2"]);
    summary.add(&worker(10));
    summary.add(&worker(20));
    summary.add(&worker(20));
    let expected = "
 procmon exec: make -j2

           2.000 s   elapsed
           3.000 s   user
           0.500 s   system
           3.500 s   on a CPU                 # 1.750 CPUs utilized
           0.002 s   waiting for a CPU
           2,040     context switches         # 2,000 voluntary, 40 involuntary
           1,402     page faults              # 1,400 minor, 2 major
           20.00 MB  largest resident set     # cc1
            0.00 MB  read from disk
            2.00 MB  written to disk
            0.00 MB  received over the network
            0.00 MB  sent over the network
               2     processes
               0     forks
               2     execs

          24,690     mmap
               0     munmap
               0     mremap
               0     brk

              70     open                     # 10 failed: ENOENT 4, other 4, EACCES 2
               0     close
               0     dup
               0     socket
               0     accept
               0     pipe
               0     other

";
    assert_eq!(text(&summary, Duration::from_secs(2)), expected);
}

#[test]
fn what_was_not_seen_is_said_and_not_shown() {
    let mut summary = Summary::new(["a\x1bb"]);
    let mut without_wait = worker(10);
    without_wait.totals.run_queue_ns = None;
    without_wait.probes = None;
    let mut with_wait = worker(20);
    with_wait.totals.disk_read_bytes = None;
    with_wait.probes = None;
    let mut third = with_wait.clone();
    third.id.pid = 30;
    third.totals.disk_read_bytes = None;
    without_wait.totals.disk_read_bytes = None;
    for sample in [&without_wait, &with_wait, &third] {
        summary.add(sample);
    }
    summary.note("2 exit records");
    let text = text(&summary, Duration::from_secs(2));
    assert!(text.contains(" procmon exec: a\\x1bb\n"), "{text}");
    assert!(
        !text.contains("read from disk") && !text.contains("mmap"),
        "{text}"
    );
    let (_, unseen) = text.split_once("\n\n not seen: ").unwrap();
    assert_eq!(
        unseen,
        "wait for a CPU of 1 of 3 processes\n \
         not seen: disk reads and writes\n \
         not seen: forks, execs, mapping and descriptor operations\n \
         not seen: 2 exit records\n\n"
    );
}

#[test]
fn nothing_seen_is_no_number() {
    let text = text(&Summary::new(["true"]), Duration::ZERO);
    assert!(!text.contains("NaN") && !text.contains("CPUs"), "{text}");
    assert!(text.contains("               0     processes\n"), "{text}");
}

#[test]
fn thousands_are_kept_apart() {
    assert_eq!(grouped(0), "0");
    assert_eq!(grouped(999), "999");
    assert_eq!(grouped(1_000), "1,000");
    assert_eq!(grouped(1_234_567), "1,234,567");
}
