//! What the tests of outages share: processes that are watched, a receiver, a spool, and the
//! ground truth, which is what procmon wrote to a file at the same ticks.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use procmon_tests::{
    Output, Procmon, Program, Protocol, jsonl,
    program::SOON,
    receiver::{
        Receiver,
        decode::{Arrived, own},
    },
    time,
};

/// The interval of most runs.
pub const INTERVAL: Duration = Duration::from_millis(300);
/// A metric that each process has at each tick, and how many points.
const ALWAYS: (&str, usize) = ("process.cpu.time ", 2);

/// The scene of an outage.
pub struct Outage {
    pub receiver: Receiver,
    pub folder: tempfile::TempDir,
    sleepers: Vec<Program>,
}

impl Outage {
    /// A receiver, and this many processes beside our own.
    pub fn with(processes: usize) -> Self {
        let sleeper = |_| Program::start(Command::new("sleep").arg("1000")).unwrap();
        Self {
            receiver: Receiver::start().unwrap(),
            folder: tempfile::tempdir().unwrap(),
            sleepers: (0..processes).map(sleeper).collect(),
        }
    }

    /// The processes that are watched.
    pub fn pids(&self) -> Vec<u32> {
        let sleepers = self.sleepers.iter().map(Program::pid);
        sleepers.chain([std::process::id()]).collect()
    }

    /// The file with the ground truth.
    pub fn truth(&self) -> PathBuf {
        self.folder.path().join("truth.jsonl")
    }

    pub fn state_dir(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// The files of the spool.
    pub fn spool(&self) -> PathBuf {
        self.state_dir().join("spool")
    }

    /// A procmon that watches them, sends to the receiver over HTTP, and has a spool.
    pub fn procmon(&self, interval: Duration) -> Procmon {
        self.procmon_writing(interval, &self.truth())
    }

    /// The same with its ground truth elsewhere.
    pub fn procmon_writing(&self, interval: Duration, truth: &Path) -> Procmon {
        let run = self
            .pids()
            .iter()
            .fold(Procmon::new("run"), |run, pid| run.pid(*pid));
        run.args(["--interval", &format!("{}ms", interval.as_millis())])
            .otlp(&self.receiver.url(), Protocol::Http)
            .arg("--jsonl")
            .arg(truth)
            .env("OTEL_EXPORTER_OTLP_TIMEOUT", "700")
            .env("PROCMON_STATE_DIR", self.state_dir())
    }

    /// The ticks so far, in milliseconds since 1970, at which a process was seen.
    pub fn ticks(&self) -> BTreeSet<u64> {
        let text = std::fs::read_to_string(self.truth()).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
        // It is asked for many times a second, and the objects of the others are many.
        let own = format!("\"pid\":{},", std::process::id());
        let own: Vec<&str> = whole.lines().filter(|line| line.contains(&own)).collect();
        let objects = jsonl::parse(&own.join("\n")).unwrap();
        let own = objects.iter().filter(|o| o.pid == std::process::id());
        own.map(|object| {
            let at = object.json["timestamp"].as_str().unwrap();
            time::parse(at).unwrap() / 1_000_000
        })
        .collect()
    }

    /// Waits for this many further ticks; says how many there are then.
    pub fn wait_ticks(&self, more: usize) -> usize {
        let wanted = self.ticks().len() + more;
        let until = Instant::now() + SOON;
        loop {
            let ticks = self.ticks().len();
            if ticks >= wanted {
                return ticks;
            }
            assert!(Instant::now() < until, "{ticks} of {wanted} ticks");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until between two ticks: all of the last one is where it goes.
    pub fn wait_between_ticks(&self) {
        self.wait_ticks(1);
        std::thread::sleep(INTERVAL / 2);
    }

    /// Every tick's points are there: of each process, once each, in order, with their times.
    /// Bodies that came twice do not count, and procmon has counted them.
    pub fn assert_all_arrived(&self) {
        self.assert_arrived(&self.ticks());
    }

    /// The same of these ticks alone.
    pub fn assert_arrived(&self, ticks: &BTreeSet<u64>) {
        let bodies = self.receiver.bodies();
        let arrived = Arrived::of(&bodies);
        assert!(!ticks.is_empty());
        for pid in self.pids() {
            let times = arrived.times(pid, ALWAYS.0);
            let seen: BTreeSet<_> = times.keys().map(|time| time / 1_000_000).collect();
            assert_eq!(&seen, ticks, "process {pid}");
            assert!(times.values().all(|count| *count == ALWAYS.1), "{times:?}");
        }
        let twice: Vec<_> = arrived.points.iter().filter(|(_, n)| **n > 1).collect();
        assert!(twice.is_empty(), "in different bodies: {twice:?}");
        assert!(arrived.order.is_sorted(), "{:?}", arrived.order);
        let counted = own(
            &bodies,
            "procmon.agent.export.batches",
            &["otlp", "retried"],
        );
        let counted = counted.expect("procmon's own metrics");
        assert!(
            arrived.repeated <= counted.unsigned_abs(),
            "{} batches came twice, and {counted} were counted",
            arrived.repeated
        );
    }
}

/// Waits until the receiver answers again, as procmon says.
pub fn wait_answered(procmon: &Program) {
    procmon
        .wait_for_stderr(SOON, |text| text.contains("answers again"))
        .unwrap();
}

/// Ends a procmon, which delivers what it can; what it said.
pub fn end(procmon: Program) -> Output {
    procmon.signal(libc::SIGINT).unwrap();
    let output = procmon.wait(2 * SOON).unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(!output.stderr.contains("panicked"), "{output:?}");
    output
}

/// Kills a procmon at once.
pub fn kill(procmon: Program) {
    procmon.signal(libc::SIGKILL).unwrap();
    procmon.wait(SOON).unwrap();
}
