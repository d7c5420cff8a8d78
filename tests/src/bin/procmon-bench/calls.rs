//! What a system call costs more, with all of procmon attached.

use anyhow::Result;

use crate::{
    Effort, alone, floor, stats,
    table::{Table, Value},
    watched::{self, ALL, CHOSEN, Probes},
    worker::{Pair, Work},
};

const WORKS: [Work; 5] = [
    Work::MunmapFails,
    Work::DupClose,
    Work::Brk,
    Work::Getppid,
    Work::Switch,
];
/// Those of them that are traced.
const CALLS: [&str; 4] = ["munmap", "dup", "close", "brk"];
/// What a traced and an untraced call may cost more than with an empty program
/// on the same hooks: that much is the kernel's and differs by host, from 10 ns
/// an untraced call to 60, whatever the program does.
const TRACED: Value = Value::Nanoseconds(90.0);
const UNTRACED: Value = Value::Nanoseconds(20.0);

/// Nanoseconds of each of [`WORKS`].
type Times = [f64; WORKS.len()];

struct Round {
    base: Times,
    floor: Times,
    chosen: Times,
    other: Times,
    all: Times,
}

/// The rows of the system calls' probes.
pub fn measure(effort: Effort, table: &mut Table) -> Result<()> {
    let mut ours = Pair::start()?;
    let mut others = Pair::start()?;
    let pids = ours.pids();
    let batches = effort.pick(200, 50);
    let rounds = effort.pick(5, 1);
    let mut done = Vec::new();
    for _ in 0..rounds {
        let mut measure = || times(&mut ours, batches);
        let base = alone::with(|| Ok(()), &mut measure)?;
        let floor = alone::with(|| floor::calls(&CALLS), &mut measure)?;
        let all = alone::with(|| watched::load(ALL, Probes::All, &[]), &mut measure)?;
        let (chosen, other) = alone::with(
            || watched::load(CHOSEN, Probes::All, &pids),
            || Ok((measure()?, times(&mut others, batches)?)),
        )?;
        done.push(Round {
            base,
            floor,
            chosen,
            other,
            all,
        });
    }
    for (index, work) in WORKS.into_iter().enumerate() {
        let what = match work {
            Work::MunmapFails => "munmap that fails (traced)",
            Work::DupClose => "dup or close (traced)",
            Work::Brk => "brk (traced)",
            Work::Getppid => "getppid (untraced)",
            Work::Switch => "switch, wakeup, read, write (all of procmon)",
        };
        let base = stats::lowest(&done, |round| round.base[index]);
        let floor = stats::lowest(&done, |round| round.floor[index]) - base;
        let mut row = |who: &str, of: fn(&Round) -> &Times, limit: Option<Value>| {
            let more = stats::lowest(&done, |round| of(round)[index]) - base;
            let what = format!("{what}, {who}");
            let base_text = format!("{base:.0} ns, empty program {floor:+.0} ns");
            let with = format!("{:.0} ns, {more:+.0} ns", base + more);
            let over = Value::Nanoseconds(more - floor);
            match limit {
                Some(limit) => table.limit(&what, base_text, with, over, limit),
                None => table.tell(&what, base_text, with, over),
            }
        };
        let limit = match work {
            Work::Switch => None,
            Work::Getppid => Some(UNTRACED),
            _ => Some(TRACED),
        };
        row("watched process", |round| &round.chosen, limit);
        row("another process", |round| &round.other, limit);
        row("--all", |round| &round.all, limit);
    }
    Ok(())
}

fn times(pair: &mut Pair, batches: usize) -> Result<Times> {
    let mut times = [0.0; WORKS.len()];
    for (time, work) in times.iter_mut().zip(WORKS) {
        *time = pair.measure(work, batches)?;
    }
    Ok(times)
}
