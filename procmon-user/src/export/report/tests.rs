use std::path::{Path, PathBuf};
use std::sync::Arc;

use procmon_common::{Counter, Operation};

use super::*;
use crate::analysis::Rates;
use crate::export::sink::Place;
use crate::frame::{Frame, HostMemory};
use crate::process::fixture::{self, SECOND, ended, frame, probes};
use crate::process::{ConnectionState, Connections, Exit, Totals};

/// The block as the format's first document shows it.
const SAMPLE: &str = "\
**Process Metrics**

Memory Usage:
  RSS (Physical):      390.45 MB
  VMS (Virtual):      1065.23 MB
  USS (Unique):        385.12 MB

Memory Changes (since last snapshot):
  RSS Delta:            +0.15 MB
  VMS Delta:            +0.00 MB
  USS Delta:            +0.12 MB

Resources:
  CPU Usage:             12.3%
  Threads:                 24
  File Descriptors:       156
";

const FIRST: &str = "\
**Process Metrics**

Memory Usage:
  RSS (Physical):      390.30 MB
  VMS (Virtual):      1065.23 MB
  USS (Unique):        385.00 MB

Memory Changes (since last snapshot):
  RSS Delta:              n/a
  VMS Delta:              n/a
  USS Delta:              n/a

Resources:
  CPU Usage:              n/a
  Threads:                 24
  File Descriptors:       156
";

/// A report to a file, and its rates.
struct Log {
    report: Report,
    rates: Rates,
    path: PathBuf,
    read: usize,
    _folder: tempfile::TempDir,
}

impl Log {
    fn new(all: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("process_metrics.log");
        Self {
            report: Report::new(open(&path), all),
            rates: Rates::default(),
            path,
            read: 0,
            _folder: folder,
        }
    }

    /// What a frame adds to the file.
    fn add(&mut self, frame: Frame) -> String {
        let view = fixture::view(frame, &mut self.rates);
        self.report.write(&view).unwrap();
        let text = std::fs::read_to_string(&self.path).unwrap();
        let added = text[self.read..].to_owned();
        self.read = text.len();
        added
    }
}

fn open(path: &Path) -> Sink {
    Sink::open(&Place::of(path), "blocks").unwrap()
}

fn megabytes(number: f64) -> Option<u64> {
    Some((number * MEGABYTE).round() as u64)
}

fn postgres(rss: f64, uss: f64, cpu_ns: u64) -> ProcessSample {
    let mut sample = fixture::sample(1234, "postgres");
    sample.totals = Totals {
        user_ns: Some(cpu_ns),
        system_ns: Some(0),
        rss: megabytes(rss),
        virtual_memory: megabytes(1065.23),
        uss: megabytes(uss),
        threads: Some(24),
        descriptors: Some(156),
        ..Totals::default()
    };
    sample
}

#[test]
fn blocks_are_those_of_the_first_document() {
    let mut log = Log::new(false);
    let first = log.add(frame(100 * SECOND, vec![postgres(390.3, 385.0, 0)], vec![]));
    let head = "# 2023-11-14T22:15:00.000Z pid=1234 executable=postgres\n";
    assert_eq!(first, format!("{head}{FIRST}"));
    let process = postgres(390.45, 385.12, 1_845_000_000);
    let second = log.add(frame(115 * SECOND, vec![process], vec![]));
    let head = "\n# 2023-11-14T22:15:15.000Z pid=1234 executable=postgres\n";
    assert_eq!(second, format!("{head}{SAMPLE}"));
}

#[test]
fn a_number_that_was_not_read_is_not_there() {
    let mut log = Log::new(false);
    let text = log.add(frame(SECOND, vec![fixture::sample(7, "sh")], vec![]));
    let numbers = text.lines().filter(|line| line.starts_with("  "));
    for line in numbers {
        assert!(
            line.ends_with("  n/a") && line.len() == NUMBER_END,
            "{line}"
        );
    }
    assert!(!text.contains("Activity"));
}

#[test]
fn activity_is_what_happened_since_the_last_block() {
    let process = |calls: u64| {
        let mut sample = fixture::sample(7, "sh");
        sample.probes = Some(probes(&[
            (Counter::Mmap, 10 + calls),
            (Counter::Open, 100 + calls),
            (Counter::Pipe, 100 + calls),
            (Counter::Close, 50),
            (Operation::Open.failed(), calls),
        ]));
        sample.totals.disk_write_bytes = Some(1_048_576 * calls);
        sample.totals.voluntary_switches = Some(calls);
        sample.totals.involuntary_switches = Some(1_000);
        sample.totals.run_queue_ns = Some(1_500_000 * calls);
        sample
    };
    let mut log = Log::new(false);
    let first = log.add(frame(SECOND, vec![process(5)], vec![]));
    let (_, activity) = first
        .split_once("Activity (since last snapshot):\n")
        .unwrap();
    assert!(activity.lines().all(|line| line.ends_with("  n/a")));
    let second = log.add(frame(2 * SECOND, vec![process(8)], vec![]));
    let (_, activity) = second
        .split_once("Activity (since last snapshot):\n")
        .unwrap();
    let expected = "  \
  Mapped (mmap):            3
  Unmapped (munmap):        0
  Remapped (mremap):        0
  Break Moved (brk):        0
  Descriptor Opens:         6
  Descriptor Closes:        0
  Failed Calls:             3
  Network Received:      0.00 MB
  Network Sent:          0.00 MB
  Disk Written:          3.00 MB
  Context Switches:         3
  Run Queue Wait:        4.50 ms
";
    assert_eq!(activity, expected);
}

#[test]
fn a_new_sequence_of_the_probes_is_no_change() {
    let mut log = Log::new(false);
    let mut process = fixture::sample(7, "sh");
    process.probes = Some(probes(&[(Counter::Mmap, 10)]));
    log.add(frame(SECOND, vec![process.clone()], vec![]));
    process.probes.as_mut().unwrap().since_unix_ns += SECOND;
    let text = log.add(frame(2 * SECOND, vec![process], vec![]));
    assert!(text.contains("  Mapped (mmap):          n/a\n"), "{text}");
}

#[test]
fn an_end_is_told_once_with_its_final_numbers() {
    let mut log = Log::new(false);
    log.add(frame(SECOND, vec![postgres(1.0, 1.0, 0)], vec![]));
    let last = ended(postgres(2.0, 1.0, SECOND), 3 * SECOND, 7);
    let text = log.add(frame(4 * SECOND, vec![], vec![last]));
    let head = "\n# 2023-11-14T22:13:23.000Z pid=1234 executable=postgres exited code=7\n";
    assert!(text.starts_with(head), "{text}");
    assert!(
        text.contains("  RSS Delta:            +1.00 MB\n"),
        "{text}"
    );
    assert!(text.contains("  CPU Usage:             50.0%\n"), "{text}");
    assert_eq!(log.add(frame(5 * SECOND, vec![], vec![])), "");
}

#[test]
fn an_end_by_a_signal_names_it() {
    let mut log = Log::new(false);
    let mut last = fixture::sample(7, "sh");
    last.exit = Some(Exit {
        at_unix_ns: 0,
        code: None,
        signal: Some(libc::SIGKILL),
    });
    let text = log.add(frame(SECOND, vec![], vec![last]));
    assert!(
        text.starts_with("# 1970-01-01T00:00:00.000Z pid=7 executable=sh exited signal=SIGKILL\n")
    );
}

#[test]
fn names_cannot_forge_lines() {
    assert_eq!(printable("a\nb\x1b[2Jc\u{9b}"), "a\\nb\\x1b[2Jc\\x9b");
    assert_eq!(printable("gr\u{fc}n \u{fffd}"), "gr\u{fc}n \u{fffd}");
    let mut log = Log::new(false);
    let text = log.add(frame(SECOND, vec![fixture::sample(7, "a\n# b")], vec![]));
    assert!(text.contains("executable=\"a\\n# b\"\n**Process"), "{text}");
    assert_eq!(word("a exited code=0"), "\"a exited code=0\"");
    assert_eq!(word("a\"b"), "\"a\\\"b\"");
    assert_eq!(word(""), "\"\"");
    assert_eq!(printable("a\u{2028}\u{202e}b"), "a\\x2028\\x202eb");
}

#[test]
fn only_the_chosen_are_reported() {
    let mut log = Log::new(false);
    let mut child = fixture::sample(8, "child");
    child.chosen = false;
    let text = log.add(frame(SECOND, vec![fixture::sample(7, "sh"), child], vec![]));
    assert!(text.contains("pid=7") && !text.contains("pid=8"), "{text}");
}

#[test]
fn a_report_that_goes_on_keeps_its_distance() {
    let mut log = Log::new(false);
    log.add(frame(SECOND, vec![fixture::sample(7, "sh")], vec![]));
    log.report = Report::new(open(&log.path), false);
    let text = log.add(frame(2 * SECOND, vec![fixture::sample(7, "sh")], vec![]));
    assert!(text.starts_with("\n# "), "{text}");
}

#[test]
fn a_host_is_reported_with_its_largest_processes() {
    let host = |boot_ns: u64, busy: u64| {
        let processes = (1..=30)
            .map(|pid| {
                let mut sample = fixture::sample(pid, "sh");
                sample.chosen = false;
                sample.totals.rss = (pid != 30).then_some(u64::from(pid) * 1_048_576);
                sample
            })
            .collect();
        let mut frame = frame(boot_ns, processes, vec![]);
        frame.host.cpu_ns = vec![("user", busy), ("idle", 5), ("iowait", boot_ns)];
        frame.host.pressure = vec![("memory", "some", busy / 2)];
        frame.host.memory = Some(HostMemory {
            total: 1_048_576 * 1024,
            available: 1_048_576 * 624,
            swap_total: 1_048_576 * 10,
            swap_free: 1_048_576 * 9,
            ..HostMemory::default()
        });
        frame
    };
    let mut log = Log::new(true);
    let text = log.add(host(SECOND, 0));
    let (block, processes) = text.split_once("\n\n# ").unwrap();
    let expected = "\
# 2023-11-14T22:13:21.000Z host, then the 20 largest of 30 processes by resident set
**Host Metrics**

Memory Usage:
  Used:                400.00 MB
  Available:           624.00 MB
  Total:              1024.00 MB
  Swap Used:             1.00 MB
  Swap Total:           10.00 MB

Resources:
  CPU Usage:              n/a
  CPUs:                     2
  Processes:               30

Top Memory:
  29 sh:                  2.8%
  28 sh:                  2.7%
  27 sh:                  2.6%
  26 sh:                  2.5%
  25 sh:                  2.4%
  24 sh:                  2.3%
  23 sh:                  2.2%
  22 sh:                  2.1%
  21 sh:                  2.1%
  20 sh:                  2.0%

Stalled (since last snapshot):
  memory (some):          n/a";
    assert_eq!(block, expected);
    let pids: Vec<u32> = format!("# {processes}")
        .lines()
        .filter(|line| line.starts_with("# "))
        .map(|line| line.split_once("pid=").unwrap().1)
        .map(|rest| rest.split_once(' ').unwrap().0.parse().unwrap())
        .collect();
    assert_eq!(pids, (10..30).rev().collect::<Vec<_>>());

    let text = log.add(host(3 * SECOND, SECOND));
    assert!(text.contains("  CPU Usage:             50.0%\n"), "{text}");
    assert!(text.contains("  memory (some):         25.0%\n"), "{text}");
}

#[test]
fn only_those_with_more_than_a_hundredth_of_memory_are_top() {
    let mut log = Log::new(true);
    let mut processes = vec![fixture::sample(7, "small"), fixture::sample(8, "large")];
    processes[0].totals.rss = Some(1000);
    processes[1].totals.rss = Some(1001);
    let mut frame = frame(SECOND, processes, vec![]);
    frame.host.memory = Some(HostMemory {
        total: 100_000,
        ..HostMemory::default()
    });
    let text = log.add(frame);
    let (_, top) = text.split_once("Top Memory:\n").unwrap();
    let (top, _) = top.split_once("\n\n").unwrap();
    assert_eq!(top, "  8 large:                1.0%");
}

#[test]
fn connections_are_told_by_state_and_by_the_port_they_go_to() {
    let mut log = Log::new(false);
    let mut process = fixture::sample(7, "sh");
    process.totals.connections = Some(Arc::default());
    let text = log.add(frame(SECOND, vec![process.clone()], vec![]));
    assert!(!text.contains("Connections"), "{text}");
    let mut connections = Connections::default();
    (connections.udp, connections.remote_ports) = (2, vec![(5432, 3)]);
    connections.add_tcp(ConnectionState::Established);
    process.totals.connections = Some(Arc::new(connections));
    let text = log.add(frame(2 * SECOND, vec![process], vec![]));
    let (_, section) = text.split_once("\nConnections:\n").unwrap();
    let expected = "  \
  TCP (established):        1
  to port 5432:             3
  UDP:                      2
";
    assert_eq!(section, expected);
}

#[test]
fn of_a_host_only_the_ends_of_those_shown_are_told() {
    let mut log = Log::new(true);
    let first = fixture::sample(7, "sh");
    log.add(frame(SECOND, vec![first.clone()], vec![]));
    let unseen = ended(fixture::sample(8, "true"), 2 * SECOND, 0);
    let seen = ended(first, 2 * SECOND, 0);
    let text = log.add(frame(3 * SECOND, vec![], vec![unseen, seen]));
    assert!(
        text.contains("pid=7 executable=sh exited code=0\n"),
        "{text}"
    );
    assert!(!text.contains("pid=8"), "{text}");
}
