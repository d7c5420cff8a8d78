//! What these tests watch.

use std::{process::Command, time::SystemTime};

use procmon_tests::{
    Output, Procmon, Program, Protocol,
    point::Attribute,
    program::SOON,
    receiver::{Receiver, signals::Logged},
    victim,
    watching::LIMIT,
};

/// Names of events.
pub const EXEC: &str = "procmon.process.exec";
pub const EXIT: &str = "procmon.process.exit";
pub const OOM_KILLED: &str = "procmon.process.oom_killed";

/// What times may differ by that were read at different ticks, or by others.
pub const ACCURACY: u64 = 20_000_000;

/// A shell that runs a script once it may: `$0` is the victim.
pub struct Held(Program);

impl Held {
    pub fn before(script: &str) -> Self {
        let script = format!("read held; {script}");
        let victim = victim::path().unwrap();
        let shell = Program::start(Command::new("sh").args(["-c", &script]).arg(victim));
        Self(shell.unwrap())
    }

    pub fn pid(&self) -> u32 {
        self.0.pid()
    }

    pub fn go(&mut self) {
        self.0.send(b"\n").unwrap();
    }

    /// Waits for its end.
    pub fn end(self) -> Output {
        self.0.wait(SOON).unwrap()
    }

    /// Goes and ends while this procmon watches it, which will end, too.
    pub fn watched_by(mut self, procmon: Procmon) -> Program {
        let procmon = procmon.pid(self.pid()).start_watching(LIMIT).unwrap();
        self.go();
        self.end();
        procmon
    }
}

/// A procmon that sends over HTTP, often.
pub fn sending(receiver: &Receiver) -> Procmon {
    Procmon::new("run")
        .args(["--interval", "200ms"])
        .otlp(&receiver.url(), Protocol::Http)
}

/// The end of a procmon whose processes have all ended.
pub fn finish(procmon: Program) -> Output {
    let output = procmon.wait(2 * SOON).unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(!output.stderr.contains("not delivered"), "{output:?}");
    output
}

/// Ends a procmon, which delivers what it has.
pub fn stop(procmon: Program) -> Output {
    procmon.signal(libc::SIGINT).unwrap();
    finish(procmon)
}

/// The names of the events of a process, in their order.
pub fn events(logs: &[Logged], pid: u32) -> Vec<&str> {
    let of = logs.iter().filter(|record| record.pid() == Some(pid));
    of.map(|record| record.event.as_str()).collect()
}

/// The only record of a process with this name.
pub fn only<'a>(logs: &'a [Logged], pid: u32, event: &str) -> &'a Logged {
    let found: Vec<_> = logs
        .iter()
        .filter(|record| record.pid() == Some(pid) && record.event == event)
        .collect();
    assert_eq!(found.len(), 1, "{event} of {pid}: {logs:#?}");
    found[0]
}

pub fn int(number: i64) -> Option<Attribute> {
    Some(Attribute::Int(number))
}

/// Nanoseconds since 1970.
pub fn now() -> u64 {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    u64::try_from(since.as_nanos()).unwrap()
}
