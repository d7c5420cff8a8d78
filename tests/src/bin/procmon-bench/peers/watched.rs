//! What the watched work feels: the same portion of work again and again, with
//! nobody looking, with empty programs on procmon's hooks, with procmon, with
//! bpftrace.

mod judge;
mod limits;
mod script;
mod turns;
mod with;
mod work;

use anyhow::Result;
use aya::sys::{Stats, enable_stats};

use self::{
    judge::{Estimate, SHOWN},
    turns::Turn,
    with::{Attached, With},
    work::{Setup, Took, WORKS, Work},
};
use super::Report;
use crate::{Effort, document, interrupt, stats};

/// In one of how many rounds bpftrace is measured: it takes longer to attach
/// than all others to be measured.
const BPFTRACE_EVERY: usize = 4;

/// How many portions are one measurement where what is measured has to be
/// attached anew for each: many, beside what that takes.
const PORTIONS: usize = 6;

/// And how many before them are not measured: what comes before takes seconds
/// with some tools and nothing with others, and the first after a rest are slow.
const WARM: usize = 3;

/// What was measured of one work in one round, by [`With::ALL`]; none where
/// the condition could not be had or was not due.
type Round<T> = [Option<T>; With::ALL.len()];

/// One kind of work, and its rounds.
struct Watched {
    work: Work,
    /// Why it cannot go on.
    broken: Option<String>,
    /// What a portion took, of [`PORTIONS`].
    rounds: Vec<Round<Took>>,
    /// What of a portion the programs on its hooks took by the kernel's account, s.
    accounts: Vec<Round<f64>>,
    /// With empty programs and without, in turns.
    turns: Vec<Turn>,
}

/// All kinds of work.
struct Works {
    all: Vec<Watched>,
    /// Why a condition cannot be had, by [`With::ALL`].
    refused: [Option<String>; With::ALL.len()],
}

/// All rows.
pub fn measure(effort: Effort, report: &mut Report) -> Result<()> {
    let mut works = Works {
        all: Vec::new(),
        refused: Default::default(),
    };
    for (name, setup) in WORKS {
        works.all.extend(set_up(name, setup, report)?);
    }
    let rounds = effort.pick(20, 2);
    for round in 0..rounds {
        eprintln!("  round {} of {rounds}", round + 1);
        // Whoever is first is not always the same.
        let order = (0..With::ALL.len()).map(|index| With::ALL[(index + round) % With::ALL.len()]);
        let is_due = |with: &With| *with != With::Bpftrace || round % BPFTRACE_EVERY == 0;
        let measured = works.round(order.filter(is_due), |work, _| work.run_many(PORTIONS))?;
        for (watched, measured) in works.all.iter_mut().zip(measured) {
            watched.rounds.push(measured);
        }
    }
    account(effort, &mut works)?;
    turns::measure(effort, &mut works.all)?;
    for watched in &works.all {
        tell(watched, &works.refused, report);
    }
    Ok(())
}

/// What the programs on the hooks take, by the kernel's account of their runs.
///
/// What the work feels of them is less than the noise of a shared machine, and
/// this is not. For each run the clock is read twice, which is in it: so are
/// those of the empty programs, and nothing else.
fn account(effort: Effort, works: &mut Works) -> Result<()> {
    let _timed = match enable_stats(Stats::RunTime) {
        Ok(timed) => timed,
        Err(error) => {
            eprintln!("  the kernel does not time its programs: {error}");
            return Ok(());
        }
    };
    let rounds = effort.pick(10, 1);
    for round in 0..rounds {
        eprintln!("  account {} of {rounds}", round + 1);
        let who = [With::Empty, With::Procmon, With::Bpftrace];
        let measured = works.round(who, |work, attached| {
            let before = attached.run_time();
            work.run_many(PORTIONS)?;
            let run = attached.run_time().saturating_sub(before);
            Ok(run.as_secs_f64() / PORTIONS as f64)
        })?;
        for (watched, measured) in works.all.iter_mut().zip(measured) {
            watched.accounts.push(measured);
        }
    }
    Ok(())
}

/// Work that cannot run here has a row that says why.
fn set_up(name: &str, setup: Setup, report: &mut Report) -> Result<Option<Watched>> {
    eprintln!("  setting up {name}");
    let work = setup().and_then(|mut work| {
        // The first run fills caches.
        work.run()?;
        Ok(work)
    });
    interrupt::check()?;
    match work {
        Ok(work) => Ok(Some(Watched {
            work,
            broken: None,
            rounds: Vec::new(),
            accounts: Vec::new(),
            turns: Vec::new(),
        })),
        Err(error) => {
            let why = document::cell(&error);
            eprintln!("  {name}: not measured: {why}");
            let cells = [name, "all", &format!("not measured: {why}"), "-", "-", "-"];
            report.feels.row(cells.map(str::to_owned));
            Ok(None)
        }
    }
}

impl Works {
    /// One round: each work once under each of these conditions.
    fn round<T>(
        &mut self,
        conditions: impl IntoIterator<Item = With>,
        measure: impl Fn(&mut Work, &Attached) -> Result<T>,
    ) -> Result<Vec<Round<T>>> {
        let mut measured: Vec<Round<T>> = self.all.iter().map(|_| Round::default()).collect();
        for with in conditions {
            let index = position(with);
            if self.refused[index].is_some() {
                continue;
            }
            match self.under(with, &measure)? {
                Ok(values) => {
                    for (measured, value) in measured.iter_mut().zip(values) {
                        measured[index] = value;
                    }
                }
                Err(why) => self.refused[index] = Some(why),
            }
        }
        Ok(measured)
    }

    /// What is measured of each work under one condition; or why that cannot be had.
    fn under<T>(
        &mut self,
        with: With,
        measure: impl Fn(&mut Work, &Attached) -> Result<T>,
    ) -> Result<Result<Vec<Option<T>>, String>> {
        let attached = match with.attach() {
            Ok(attached) => attached,
            Err(error) => {
                interrupt::check()?;
                let why = document::cell(&error);
                eprintln!("  {}: not measured: {why}", with.name());
                return Ok(Err(why));
            }
        };
        if with != With::Nothing && !attached.traces() {
            return Ok(Err("it attached no program".to_owned()));
        }
        let once = |watched: &mut Watched| {
            watched.once(|work| {
                work.run_many(WARM)?;
                measure(work, &attached)
            })
        };
        let values = self.all.iter_mut().map(once).collect();
        attached.end()?;
        interrupt::check()?;
        Ok(Ok(values))
    }
}

/// What one work felt.
fn tell(watched: &Watched, refused: &[Option<String>], report: &mut Report) {
    let name = watched.work.name;
    if let Some(why) = &watched.broken {
        let cells = [
            name,
            "all",
            &format!("not measured to the end: {why}"),
            "-",
            "-",
            "-",
        ];
        report.feels.row(cells.map(str::to_owned));
        return;
    }
    for (index, with) in With::ALL.into_iter().enumerate() {
        let cells = if let Some(why) = &refused[index] {
            let why = format!("not measured: {why}");
            [name, with.name(), &why, "-", "-", "-"].map(str::to_owned)
        } else {
            let cpu = watched.took(with, |took| took.cpu);
            let accounts = watched.accounts(with);
            let more = |of: fn(&Took) -> f64| match with {
                With::Nothing => String::new(),
                _ => Estimate::of(&watched.more(with, of), SHOWN).to_string(),
            };
            let more = [more(|took| took.cpu), more(|took| took.wall)];
            let cells = cells(name, with.name(), &cpu, more, &accounts);
            eprintln!("  {}", cells.join(", "));
            cells
        };
        report.feels.row(cells);
    }
    if !watched.turns.is_empty() {
        let cpu: Vec<f64> = watched.turns.iter().map(|turn| turn.empty.cpu).collect();
        let more = |of: fn(&Took) -> f64| Estimate::of(&watched.in_turns(of), SHOWN).to_string();
        let more = [more(|took| took.cpu), more(|took| took.wall)];
        let cells = cells(name, "empty programs in turns", &cpu, more, &[]);
        report.feels.row(cells);
    }
    limits::judge(watched, report);
}

/// A row of what one work felt: of its portions, and of what the programs took
/// of them, the medians.
fn cells(work: &str, with: &str, cpu: &[f64], more: [String; 2], accounts: &[f64]) -> [String; 6] {
    let [cpu_more, wall_more] = more;
    let in_programs = match accounts.is_empty() {
        true => String::new(),
        false => ms(stats::median(accounts)),
    };
    [
        work.to_owned(),
        with.to_owned(),
        ms(stats::median(cpu)),
        cpu_more,
        wall_more,
        in_programs,
    ]
}

fn ms(seconds: f64) -> String {
    format!("{:.1} ms", seconds * 1e3)
}

fn position(with: With) -> usize {
    With::ALL
        .iter()
        .position(|it| *it == with)
        .unwrap_or_default()
}

impl Watched {
    /// Measures it once, unless it has failed.
    fn once<T>(&mut self, measure: impl FnOnce(&mut Work) -> Result<T>) -> Option<T> {
        if self.broken.is_some() {
            return None;
        }
        let measured = measure(&mut self.work);
        measured
            .map_err(|error| {
                let why = document::cell(&error);
                eprintln!("  {}: {why}", self.work.name);
                self.broken = Some(why);
            })
            .ok()
    }

    /// Of every round in which it was measured.
    fn took(&self, with: With, of: impl Fn(&Took) -> f64) -> Vec<f64> {
        let tooks = self.rounds.iter().map(|round| round[position(with)]);
        tooks.flatten().map(|took| of(&took)).collect()
    }

    /// Of every round in which it was measured with all of these.
    fn together<const N: usize>(&self, with: [With; N]) -> impl Iterator<Item = [Took; N]> {
        let all = with.map(position);
        self.rounds.iter().filter_map(move |round| {
            let mut tooks = [Took::default(); N];
            for (took, index) in tooks.iter_mut().zip(all) {
                *took = round[index]?;
            }
            Some(tooks)
        })
    }

    /// How much more it took than with nobody looking, by round: 0.1 is a tenth.
    fn more(&self, with: With, of: impl Fn(&Took) -> f64) -> Vec<f64> {
        let both = self.together([With::Nothing, with]);
        both.map(|[nothing, with]| more(&of, &nothing, &with))
            .collect()
    }

    /// How much more it took with empty programs than without, by turn.
    fn in_turns(&self, of: impl Fn(&Took) -> f64) -> Vec<f64> {
        let turns = self.turns.iter();
        turns
            .map(|turn| more(&of, &turn.nothing, &turn.empty))
            .collect()
    }

    /// What the programs took of a portion in every account, s.
    fn accounts(&self, with: With) -> Vec<f64> {
        let accounts = self.accounts.iter().map(|round| round[position(with)]);
        accounts.flatten().collect()
    }
}

/// How much more it took with somebody than with nobody looking.
fn more(of: impl Fn(&Took) -> f64, nothing: &Took, with: &Took) -> f64 {
    of(with) / of(nothing) - 1.0
}
