//! What the tests watch: two victims, one procmon, one collector.

use std::time::SystemTime;

use procmon_tests::{Collector, Procmon, Program, Protocol, Victim, program::SOON};

/// What a victim does when it may.
pub const OPERATIONS: &str = "mmap=1000:8192 munmap=400 open=70 open-fail=30 dup=5";

/// Two victims watched by one procmon that feeds a collector.
pub struct Scene {
    pub first: Victim,
    pub second: Victim,
    pub procmon: Program,
    /// Just before procmon was started.
    pub began: u64,
}

impl Scene {
    /// Both victims are held before [`OPERATIONS`] and again after.
    pub fn set(collector: &Collector, protocol: Protocol) -> Self {
        let operations = format!("{OPERATIONS} print-ready wait");
        let first = Victim::held_before(&operations).unwrap();
        let second = Victim::held_before(&operations).unwrap();
        let began = now();
        let procmon = Procmon::new("run")
            .pid(first.pid())
            .pid(second.pid())
            .args(["--interval", "200ms"])
            .otlp(&collector.endpoint(protocol), protocol)
            .start()
            .unwrap();
        let scene = Self {
            first,
            second,
            procmon,
            began,
        };
        let pids = scene.pids();
        let seen = collector.wait_for(SOON, |points| {
            pids.iter()
                .all(|pid| points.iter().any(|point| point.pid() == Some(*pid)))
        });
        if let Err(error) = seen {
            panic!("{error:#}\nprocmon said:\n{}", scene.procmon.stderr());
        }
        scene
    }

    /// The process numbers of both.
    pub fn pids(&self) -> [i64; 2] {
        [self.first.pid().into(), self.second.pid().into()]
    }

    /// Lets the first victim act.
    pub fn act(&mut self) {
        self.first.go().unwrap();
        self.first.wait_ready(2).unwrap();
    }
}

/// Nanoseconds since 1970.
pub fn now() -> u64 {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    u64::try_from(since.as_nanos()).unwrap()
}
