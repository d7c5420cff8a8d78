//! A procmon that runs, and what it takes.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use procmon_tests::{Procmon, Program};

use crate::usage;

const SOON: Duration = Duration::from_secs(20);

/// The program in a process of its own.
pub struct Running {
    program: Program,
    started: Instant,
}

impl Running {
    /// `procmon run --pid PID --interval 1s` with these outputs.
    pub fn start(outputs: &[&str], pid: u32) -> Result<Self> {
        let started = Instant::now();
        let program = Procmon::new("run")
            .pid(pid)
            .args(["--interval", "1s"])
            .args(outputs)
            .env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
            // As people run it: it serves.
            .env(Procmon::LISTEN, "")
            .start()?;
        Ok(Self { program, started })
    }

    /// Seconds from the start to the first line on stdout.
    pub fn first_line(&self) -> Result<f64> {
        let holds = |text: &str| text.contains('\n');
        self.program.wait_for_stdout(SOON, holds)?;
        Ok(self.started.elapsed().as_secs_f64())
    }

    /// Seconds from SIGINT to its end.
    pub fn interrupt(self) -> Result<f64> {
        let begin = Instant::now();
        self.program.signal(libc::SIGINT)?;
        let output = self.program.wait(SOON)?;
        let took = begin.elapsed().as_secs_f64();
        ensure!(output.status.success(), "procmon failed: {output:?}");
        Ok(took)
    }

    /// What it has run, ns.
    pub fn cpu_ns(&self) -> Result<u64> {
        usage::cpu_ns(self.program.pid())
    }

    /// VmRSS.
    pub fn rss_mib(&self) -> Result<f64> {
        usage::rss_mib(self.program.pid())
    }
}
