//! procmon as people run it on a whole host, with a collector.

use std::{collections::HashSet, thread, time::Duration};

use anyhow::{Context as _, Result, ensure};
use procmon_tests::{Procmon, Program, Protocol};

use super::Cost;
use crate::{
    Effort, interrupt,
    peers::arrivals::{Arrivals, Counted},
    stats, usage,
};

/// The first tick reads every name, and the queue finds its size.
const SETTLED: usize = 3;
const PATIENCE: Duration = Duration::from_secs(120);
const END: Duration = Duration::from_secs(30);
/// A tick's frame is there for a fifth of the interval at most: of so many looks
/// at the resident memory in one, most are between ticks.
const LOOKS: u32 = 50;
/// What arrives is decoded while procmon rests, which takes longer than its tick:
/// of so many processes a second is enough for both, of more it has several.
/// From 2.5 s on, procmon would keep its last view for whoever scrapes.
const A_SECOND: usize = 12_500;

/// What it took, and what arrived.
pub struct Ours {
    /// A tick's.
    pub cost: Cost,
    /// Ticks that were measured.
    pub ticks: usize,
    /// Of the crowd, how many arrived in the tick with the fewest.
    pub fewest: usize,
    /// Processes of the whole host, as they arrived.
    pub processes: usize,
    /// The most it was seen to have resident, during a tick, MiB.
    pub peak_mib: f64,
}

impl Ours {
    /// Measured twice, the same number of ticks each time.
    pub fn with(self, again: Self) -> Self {
        let mean = |one: f64, other: f64| (one + other) / 2.0;
        let both = |one: Option<f64>, other: Option<f64>| Some(mean(one?, other?));
        let (one, other) = (self.cost, again.cost);
        Self {
            cost: Cost {
                cpu_ms: mean(one.cpu_ms, other.cpu_ms),
                system: both(one.system, other.system),
                wall: one
                    .wall
                    .zip(other.wall)
                    .map(|(one, other)| (one + other) / 2),
                rss_mib: both(one.rss_mib, other.rss_mib),
                wire: one.wire.max(other.wire),
            },
            ticks: self.ticks + again.ticks,
            fewest: self.fewest.min(again.fewest),
            processes: self.processes.max(again.processes),
            peak_mib: self.peak_mib.max(again.peak_mib),
        }
    }
}

/// `procmon run --all --otlp`, and these options.
pub fn measure(crowd: &[u32], effort: Effort, options: &[&str]) -> Result<Ours> {
    let pids: HashSet<i64> = crowd.iter().copied().map(i64::from).collect();
    let ticks = effort.pick(10, 2);
    let interval = crowd.len().div_ceil(A_SECOND);
    let arrivals = Arrivals::start()?;
    let mut command = Procmon::new("run")
        .env(Procmon::LISTEN, "")
        .args(["--all", "--overhead-budget", "off"])
        .args(["--interval", &format!("{interval}s")])
        .otlp(&arrivals.url(), Protocol::Http)
        .args(options)
        .command()?;
    interrupt::bind(&mut command);
    let mut procmon = Program::start(&mut command)?;
    let before = after(SETTLED, &arrivals, &pids, &mut procmon)?;
    let after = after(SETTLED + ticks, &arrivals, &pids, &mut procmon)?;
    let system = usage::system_part(procmon.pid())?;
    let resident = resident(&procmon, Duration::from_secs(interval as u64))?;
    procmon.signal(libc::SIGINT)?;
    let output = procmon.wait(END)?;
    ensure!(output.status.success(), "procmon failed: {output:?}");
    let ((cpu, counted), (cpu_then, then)) = (after, before);
    let fewest = counted.of(&pids, SETTLED).into_iter().take(ticks).min();
    let delays = counted.delays(&pids, SETTLED);
    let delays: Vec<f64> = delays.iter().map(Duration::as_secs_f64).collect();
    Ok(Ours {
        cost: Cost {
            cpu_ms: (cpu - cpu_then) as f64 / 1e6 / ticks as f64,
            system: Some(system),
            wall: Some(Duration::from_secs_f64(stats::median(&delays))),
            rss_mib: Some(stats::median(&resident)),
            wire: Some((counted.wire - then.wire) / ticks),
        },
        ticks,
        fewest: fewest.context("no tick arrived")?,
        processes: counted.newest().max(pids.len()),
        peak_mib: resident.into_iter().fold(0.0, f64::max),
    })
}

/// What it has resident over an interval, between its ticks and during one, MiB.
fn resident(procmon: &Program, interval: Duration) -> Result<Vec<f64>> {
    let look = |_| {
        thread::sleep(interval / LOOKS);
        interrupt::check()?;
        usage::rss_mib(procmon.pid())
    };
    (0..LOOKS).map(look).collect()
}

/// What it had used, and what had arrived, when so many ticks were over.
fn after(
    ticks: usize,
    arrivals: &Arrivals,
    crowd: &HashSet<i64>,
    procmon: &mut Program,
) -> Result<(u64, Counted)> {
    let arrived = interrupt::wait(PATIENCE, || {
        arrivals.over(crowd) >= ticks || !procmon.is_running()
    })?;
    let counted = arrivals.counted()?;
    ensure!(
        arrived && procmon.is_running(),
        "no {ticks} ticks within {PATIENCE:?}, {} arrived; procmon said: {}",
        arrivals.over(crowd),
        procmon.stderr()
    );
    Ok((usage::cpu_ns(procmon.pid())?, counted))
}
