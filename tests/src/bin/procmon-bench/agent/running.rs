//! A procmon that runs, and what it takes.

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use procmon_tests::{Procmon, Program};

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

    /// What all of its threads have run, by the scheduler's own account.
    pub fn cpu_ns(&self) -> Result<u64> {
        let mut sum = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.program.pid()))? {
            let text = fs::read_to_string(task?.path().join("schedstat"))?;
            let ran = text.split_whitespace().next().context("empty schedstat")?;
            sum += ran.parse::<u64>()?;
        }
        Ok(sum)
    }

    /// VmRSS.
    pub fn rss_mib(&self) -> Result<f64> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.program.pid()))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next());
        Ok(kib.context("no VmRSS")?.parse::<f64>()? / 1024.0)
    }
}
