//! What a profile costs: processor, and memory beyond that of an agent that has
//! none and keeps no history.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use procmon_tests::{Procmon, Program, Protocol, Victim};

use crate::{
    Effort,
    collector::Sink,
    interrupt, stats,
    table::{Table, Value},
    usage,
};

/// Its name, the samples of its history, and what it may take: percent of a
/// core, MiB.
struct Budget {
    profile: &'static str,
    samples: usize,
    core_percent: f64,
    mebibytes: f64,
}

const BUDGETS: [Budget; 3] = [
    Budget {
        profile: "minimal",
        samples: 0,
        core_percent: 0.1,
        mebibytes: 1.0,
    },
    Budget {
        profile: "standard",
        samples: 100,
        core_percent: 0.5,
        mebibytes: 2.0,
    },
    Budget {
        profile: "intensive",
        samples: 1000,
        core_percent: 2.0,
        mebibytes: 5.0,
    },
];

/// The allocator and the encoder have what they need after so many ticks.
const WARM: usize = 50;
/// Between ticks while memory is measured: a history is full soon.
const FAST: &str = "10ms";
const PATIENCE: Duration = Duration::from_secs(120);
const SETTLED: Duration = Duration::from_secs(3);

/// The rows of `procmon run --profile`.
pub fn measure(effort: Effort, table: &mut Table) -> Result<()> {
    let victim = Victim::held_before("")?;
    let sink = Sink::start(drop)?;
    for budget in &BUDGETS {
        memory(budget, victim.pid(), &sink, effort, table)?;
    }
    processor(victim.pid(), &sink, effort, table)
}

fn memory(budget: &Budget, pid: u32, sink: &Sink, effort: Effort, table: &mut Table) -> Result<()> {
    let ticks = effort.pick(budget.samples.max(WARM), WARM);
    let profile = ["--profile", budget.profile];
    let mut more = Vec::new();
    let (mut at_rest, mut filled) = (0.0, 0.0);
    for _ in 0..effort.pick(3, 1) {
        at_rest = after(
            WARM,
            start(pid, sink).env("PROCMON_HISTORY_RETAIN", "false"),
        )?;
        filled = after(ticks, start(pid, sink).args(profile))?;
        more.push(filled - at_rest);
    }
    table.limit(
        &format!("profile {}: memory", budget.profile),
        format!("without {at_rest:.1} MiB"),
        format!("after {ticks} ticks {filled:.1} MiB"),
        Value::Mebibytes(stats::median(&more)),
        Value::Mebibytes(budget.mebibytes),
    );
    Ok(())
}

/// The resident set after so many ticks, MiB.
fn after(ticks: usize, procmon: Procmon) -> Result<f64> {
    let program = procmon.args(["--interval", FAST, "--jsonl", "-"]).start()?;
    program.wait_for_stdout(PATIENCE, |text| text.lines().count() >= ticks)?;
    let rss = usage::rss_mib(program.pid())?;
    end(program)?;
    Ok(rss)
}

/// All side by side, for two intervals of the longest.
fn processor(pid: u32, sink: &Sink, effort: Effort, table: &mut Table) -> Result<()> {
    let watched = Duration::from_secs(effort.pick(120, 5));
    let programs: Vec<Program> = BUDGETS
        .iter()
        .map(|budget| {
            let profile = ["--profile", budget.profile];
            start(pid, sink).args(profile).start()
        })
        .collect::<Result<_>>()?;
    thread::sleep(SETTLED);
    let used = || -> Result<Vec<u64>> {
        programs
            .iter()
            .map(|program| usage::cpu_ns(program.pid()))
            .collect()
    };
    let (before, begin) = (used()?, Instant::now());
    thread::sleep(watched);
    interrupt::check()?;
    let (after, took) = (used()?, begin.elapsed());
    for (index, budget) in BUDGETS.iter().enumerate() {
        let used = (after[index] - before[index]) as f64;
        table.limit(
            &format!("profile {}: processor", budget.profile),
            String::new(),
            format!("{:.1} ms in {:.0} s", used / 1e6, took.as_secs_f64()),
            Value::CorePercent(used / took.as_nanos() as f64 * 100.0),
            Value::CorePercent(budget.core_percent),
        );
    }
    programs.into_iter().try_for_each(end)
}

/// `procmon run --pid N`, with a collector and a server.
fn start(pid: u32, sink: &Sink) -> Procmon {
    Procmon::new("run")
        .pid(pid)
        .otlp(&sink.url(), Protocol::Http)
        .args(["--listen", "127.0.0.1:0"])
}

fn end(program: Program) -> Result<()> {
    program.signal(libc::SIGINT)?;
    program.wait(PATIENCE)?;
    Ok(())
}
