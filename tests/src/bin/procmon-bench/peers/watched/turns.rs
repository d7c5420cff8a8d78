//! What empty programs on the hooks cost the work: with them and without, in
//! turns, hundreds of times.
//!
//! How fast a shared machine is changes by a third within seconds, and what is to
//! be told is a hundredth: portions are short, and those that are compared come
//! one right after the other. Each tracepoint that is let go takes the kernel some
//! 30 to 60 ms, so the programs are hung only on the hooks that the work is slowed
//! by: on any other one costs nothing. The work goes on meanwhile, since the first
//! portion after a rest takes a tenth more.

use std::{collections::BTreeSet, thread};

use anyhow::Result;
use aya::sys::{Stats, enable_stats};
use procmon_tests::tracers;

use super::{
    Watched,
    work::{Took, Work},
};
use crate::{
    Effort, alone, document,
    floor::{Empty, Place},
    interrupt,
};

/// Without the hooks that are met so seldom the programs seem to cost less, which
/// is the side to err on.
const SELDOM: u64 = 100;

/// A portion without the programs, and the next with them.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    /// What the one without took.
    pub nothing: Took,
    /// What the one with them took.
    pub empty: Took,
}

/// All turns of every work.
pub fn measure(effort: Effort, works: &mut [Watched]) -> Result<()> {
    let loaded = alone::load(|| Ok((Empty::load()?, enable_stats(Stats::RunTime)?)));
    let (((mut programs, hooks), counted), ours) = match loaded {
        Ok(loaded) => loaded,
        Err(error) => {
            eprintln!("  no turns: {}", document::cell(&error));
            return Ok(());
        }
    };
    let mut slowing = Vec::new();
    for watched in &mut *works {
        let met = watched.once(|work| met(work, &mut programs, &hooks, &ours));
        let met = met.unwrap_or_default();
        eprintln!(
            "  {}: is slowed by {} hooks of {}",
            watched.work.name,
            met.len(),
            hooks.len()
        );
        slowing.push(met);
    }
    drop(counted);
    let turns = effort.pick(720, 4);
    for turn in 0..turns {
        if turn % 50 == 0 {
            eprintln!("  turn {} of {turns}", turn + 1);
        }
        let due = |(watched, _): &(&mut Watched, _)| turn % watched.work.every == 0;
        for (watched, hooks) in works.iter_mut().zip(&slowing).filter(due) {
            let measured = watched.once(|work| take(work, &mut programs, hooks));
            watched.turns.extend(measured);
            interrupt::check()?;
        }
    }
    Ok(())
}

/// The hooks that the work is slowed by: those it comes by, but for those of fewer
/// than one run in [`SELDOM`].
fn met<'a>(
    work: &mut Work,
    programs: &mut Empty,
    hooks: &'a [Place],
    ours: &BTreeSet<u32>,
) -> Result<Vec<&'a Place>> {
    let mut met = Vec::new();
    for place in hooks {
        let before = tracers::runs(ours);
        let hung = programs.hang([place])?;
        work.run()?;
        drop(hung);
        met.push((place, tracers::runs(ours) - before));
    }
    let all: u64 = met.iter().map(|(_, runs)| runs).sum();
    // Of the system calls' one at least: it makes all calls slower, whatever is
    // hung on the others (kernel/tracepoint.c, syscall_regfunc).
    let calls = met.iter().filter(|(place, _)| place.is_call());
    let call = calls.max_by_key(|(_, runs)| *runs).map(|(place, _)| *place);
    let slows = met
        .iter()
        .filter(|(place, runs)| runs * SELDOM >= all || Some(*place) == call);
    Ok(slows.map(|(place, _)| *place).collect())
}

fn take(work: &mut Work, programs: &mut Empty, hooks: &[&Place]) -> Result<Turn> {
    // Other work was on this CPU, or the programs have just gone.
    work.run()?;
    let nothing = work.run()?;
    let hung = programs.hang(hooks.iter().copied())?;
    let empty = work.run()?;
    thread::scope(|scope| {
        let gone = scope.spawn(|| drop(hung));
        while !gone.is_finished() {
            work.run()?;
        }
        Ok(Turn { nothing, empty })
    })
}
