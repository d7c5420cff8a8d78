//! What a context switch costs more.

use anyhow::Result;

use crate::{
    Effort, alone, floor, stats,
    table::{Table, Value},
    watched::{self, ALL, CHOSEN, Probes},
    worker::{Pair, Work},
};

/// Nanoseconds of a switch and a wakeup.
struct Round {
    base: f64,
    floor: f64,
    chosen: f64,
    other: f64,
    all: f64,
}

/// The rows of the switch program.
pub fn measure(effort: Effort, table: &mut Table) -> Result<()> {
    let mut ours = Pair::start()?;
    let mut others = Pair::start()?;
    let pids = ours.pids();
    let batches = effort.pick(200, 50);
    let rounds = effort.pick(9, 2);
    let mut done = Vec::new();
    for _ in 0..rounds {
        let mut switch = || ours.measure(Work::Switch, batches);
        let base = alone::with(|| Ok(()), &mut switch)?;
        let floor = alone::with(floor::switches, &mut switch)?;
        let all = alone::with(|| watched::load(ALL, Probes::NoCalls, &[]), &mut switch)?;
        let (chosen, other) = alone::with(
            || watched::load(CHOSEN, Probes::NoCalls, &pids),
            || Ok((switch()?, others.measure(Work::Switch, batches)?)),
        )?;
        done.push(Round {
            base,
            floor,
            chosen,
            other,
            all,
        });
    }
    let base = stats::lowest(&done, |round| round.base);
    let floor = stats::lowest(&done, |round| round.floor) - base;
    let floor_text = format!("{base:.0} ns, floor {floor:+.0} ns");
    let mut row = |what: &str, of: fn(&Round) -> f64| {
        let more = stats::lowest(&done, of) - base;
        table.limit(
            what,
            floor_text.clone(),
            format!("{:.0} ns, {more:+.0} ns", base + more),
            Value::Ratio(more / floor),
            Value::Ratio(1.0),
        );
    };
    row("switch and wakeup, watched process", |round| round.chosen);
    row("switch and wakeup, another process", |round| round.other);
    row("switch and wakeup, --all", |round| round.all);
    Ok(())
}
