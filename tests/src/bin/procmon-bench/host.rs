//! A whole host: every process of it and two thousand more, from the kernel
//! and from /proc.

use std::process::{Child, Command};

use anyhow::{Context as _, Result};
use procmon::{
    collector::{Collector, Contract, Missed, Selection},
    kernel::Sizes,
};

use crate::{
    Effort, stats,
    table::{Table, Value},
    usage,
    watched::{self, ALL, Probes},
};

const SELECTION: Selection = Selection::All {
    kernel_threads: false,
};

/// The rows of `--all`.
pub fn measure(effort: Effort, table: &mut Table) -> Result<()> {
    let sleepers = Sleepers::start(effort.pick(2000, 100))?;
    let rounds = effort.pick(9, 2);
    let mut kernel = watched::load(ALL, Probes::All, &[])?;
    let mut read = Vec::new();
    for _ in 0..=rounds {
        read.push(cpu_ms(|| Ok(kernel.meet_all()?))?);
    }
    kernel.detach_in_background();
    let mut roads = [
        Collector::open(SELECTION, Some(Sizes::default()), Contract::default())?,
        Collector::open(SELECTION, None, Contract::default())?,
    ];
    let mut ticks: [Vec<f64>; 2] = [Vec::new(), Vec::new()];
    // The first tick reads every name; it is not typical.
    for round in 0..=rounds {
        for (road, ticks) in roads.iter_mut().zip(&mut ticks) {
            let took = cpu_ms(|| Ok(road.tick(Missed::default()).map(drop)?))?;
            if round > 0 {
                ticks.push(took);
            }
        }
    }
    let [kernel, proc] = roads;
    kernel.close();
    proc.close();
    let [tick, scan] = ticks.map(|ticks| stats::median(&ticks));
    let read = stats::median(&read[1..]);
    let number = sleepers.number();
    let mut row = |what: &str, ours: f64| {
        table.tell(
            &format!("every process, {number} sleeping: {what}"),
            format!("/proc: {scan:.1} ms"),
            format!("{ours:.1} ms"),
            Value::Ratio(scan / ours),
        );
    };
    row("kernel's numbers alone", read);
    row("a whole tick", tick);
    Ok(())
}

/// Milliseconds on a CPU that this thread needs for it.
pub fn cpu_ms(mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    let before = usage::thread_ns()?;
    work()?;
    Ok((usage::thread_ns()? - before) as f64 / 1e6)
}

/// Processes that do nothing.
pub struct Sleepers(Vec<Child>);

impl Sleepers {
    /// As many as are asked for.
    pub fn start(number: usize) -> Result<Self> {
        let mut sleepers = Self(Vec::new());
        for _ in 0..number {
            let child = Command::new("sleep").arg("3600").spawn();
            sleepers.0.push(child.context("cannot start `sleep`")?);
        }
        Ok(sleepers)
    }

    /// How many there are.
    pub fn number(&self) -> usize {
        self.0.len()
    }
}

impl Drop for Sleepers {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // Both fail only when it has ended already.
            let _ = child.kill();
        }
        for child in &mut self.0 {
            let _ = child.wait();
        }
    }
}
