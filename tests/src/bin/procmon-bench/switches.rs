//! What a context switch costs more.

use anyhow::Result;

use crate::{
    Effort, floor, stats,
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
    let batches = effort.pick(300, 50);
    let rounds = effort.pick(15, 3);
    let mut done = Vec::new();
    for _ in 0..rounds {
        let base = ours.measure(Work::Switch, batches)?;
        let floor = {
            let _bpf = floor::load()?;
            ours.measure(Work::Switch, batches)?
        };
        let kernel = watched::load(CHOSEN, Probes::NoCalls, &ours)?;
        let chosen = ours.measure(Work::Switch, batches)?;
        let other = others.measure(Work::Switch, batches)?;
        drop(kernel);
        let kernel = watched::load(ALL, Probes::NoCalls, &ours)?;
        let all = ours.measure(Work::Switch, batches)?;
        drop(kernel);
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
