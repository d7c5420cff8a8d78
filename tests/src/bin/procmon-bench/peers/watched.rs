//! What the watched work feels: the same portion of work again and again, with
//! nobody looking, with empty programs on procmon's hooks, with procmon, with
//! bpftrace.

mod judge;
mod script;
mod with;
mod work;

use anyhow::Result;

use self::{
    judge::{Estimate, JUDGED, SHOWN},
    with::With,
    work::{Setup, Took, WORKS, Work},
};
use super::Report;
use crate::{Effort, alone, document, interrupt, stats, table::Verdict};

/// procmon may slow the work so many times as much as empty programs do.
const THAN_EMPTY: f64 = 1.5;

/// In one of how many rounds bpftrace is measured: it takes longer to attach
/// than all others to be measured, and is far from its limit.
const BPFTRACE_EVERY: usize = 3;

/// What the portions of one round took, by [`With::ALL`]; none where the
/// condition could not be had or was not due.
type Round = [Option<Took>; With::ALL.len()];

/// One kind of work, and its rounds.
struct Watched {
    work: Work,
    /// Why it cannot go on.
    broken: Option<String>,
    rounds: Vec<Round>,
}

/// All rows.
pub fn measure(effort: Effort, report: &mut Report) -> Result<()> {
    let mut works = Vec::new();
    for (name, setup) in WORKS {
        works.extend(set_up(effort, name, setup, report)?);
    }
    let mut refused: [Option<String>; With::ALL.len()] = Default::default();
    let rounds = effort.pick(60, 2);
    for round in 0..rounds {
        eprintln!("  round {} of {rounds}", round + 1);
        let mut measured: Vec<Round> = vec![Default::default(); works.len()];
        // Whoever is first is not always the same.
        for index in (0..With::ALL.len()).map(|index| (index + round) % With::ALL.len()) {
            let with = With::ALL[index];
            let is_due = with != With::Bpftrace || round % BPFTRACE_EVERY == 0;
            if refused[index].is_some() || !is_due {
                continue;
            }
            match under(with, &mut works)? {
                Ok(tooks) => {
                    for (measured, took) in measured.iter_mut().zip(tooks) {
                        measured[index] = took;
                    }
                }
                Err(why) => refused[index] = Some(why),
            }
        }
        for (watched, measured) in works.iter_mut().zip(measured) {
            watched.rounds.push(measured);
        }
    }
    for watched in &works {
        tell(watched, &refused, report);
    }
    Ok(())
}

/// Work that cannot run here has a row that says why.
fn set_up(
    effort: Effort,
    name: &str,
    setup: Setup,
    report: &mut Report,
) -> Result<Option<Watched>> {
    eprintln!("  setting up {name}");
    let work = setup(effort).and_then(|mut work| {
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
        })),
        Err(error) => {
            let why = document::cell(&error);
            eprintln!("  {name}: not measured: {why}");
            let cells = [name, "all", &format!("not measured: {why}"), "-", "-"];
            report.feels.row(cells.map(str::to_owned));
            Ok(None)
        }
    }
}

/// What a portion of each work takes under one condition; or why that cannot be had.
fn under(with: With, works: &mut [Watched]) -> Result<Result<Vec<Option<Took>>, String>> {
    let attached = match with.attach() {
        Ok(attached) => attached,
        Err(error) => {
            interrupt::check()?;
            let why = document::cell(&error);
            eprintln!("  {}: not measured: {why}", with.name());
            return Ok(Err(why));
        }
    };
    if !attached.alone {
        alone::note_disturbance();
    }
    if with != With::Nothing && !attached.traces() {
        return Ok(Err("it attached no program".to_owned()));
    }
    let tooks = works.iter_mut().map(Watched::run).collect();
    attached.end()?;
    interrupt::check()?;
    Ok(Ok(tooks))
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
        ];
        report.feels.row(cells.map(str::to_owned));
        return;
    }
    for (index, with) in With::ALL.into_iter().enumerate() {
        let cells = if let Some(why) = &refused[index] {
            let why = format!("not measured: {why}");
            [name, with.name(), &why, "-", "-"].map(str::to_owned)
        } else {
            let cpu: Vec<f64> = watched.took(index, |took| took.cpu);
            let more = |of: fn(&Took) -> f64| match with {
                With::Nothing => String::new(),
                _ => Estimate::of(&watched.more(index, of), SHOWN).to_string(),
            };
            let cells = [
                name.to_owned(),
                with.name().to_owned(),
                format!("{:.1} ms", stats::median(&cpu) * 1e3),
                more(|took| took.cpu),
                more(|took| took.wall),
            ];
            eprintln!("  {}", cells.join(", "));
            cells
        };
        report.feels.row(cells);
    }
    let [empty, ours, bpftrace] = [With::Empty, With::Procmon, With::Bpftrace].map(position);
    judge(
        watched,
        [empty, ours],
        THAN_EMPTY,
        "the empty programs",
        report,
    );
    judge(watched, [bpftrace, ours], 1.0, "bpftrace", report);
}

/// Whether procmon slows the work at most so many times as much as another.
fn judge(
    watched: &Watched,
    [other, ours]: [usize; 2],
    times: f64,
    whom: &str,
    report: &mut Report,
) {
    let cpu = |took: &Took| took.cpu;
    let over = |round: &Round| Some(more(round, ours, cpu)? - times * more(round, other, cpu)?);
    let over: Vec<f64> = watched.rounds.iter().filter_map(over).collect();
    let (other, ours) = (watched.more(other, cpu), watched.more(ours, cpu));
    let (mut result, mut verdict) = ("not measured".to_owned(), Verdict::Told);
    if !over.is_empty() {
        let over = Estimate::of(&over, JUDGED);
        verdict = over.at_most_zero();
        let ratio = stats::median(&ours) / stats::median(&other);
        result = match ratio.is_sign_positive() {
            true => format!("{ratio:.2} ×; over the limit by {over}"),
            // One of them did not slow it at all.
            false => format!("over the limit by {over}"),
        };
    }
    report.limits.push(
        &format!(
            "{}: procmon's slowdown against that of {whom}",
            watched.work.name
        ),
        Estimate::of(&other, SHOWN).to_string(),
        Estimate::of(&ours, SHOWN).to_string(),
        result,
        format!("at most {times:.1} ×"),
        verdict,
    );
}

fn position(with: With) -> usize {
    With::ALL
        .iter()
        .position(|it| *it == with)
        .unwrap_or_default()
}

impl Watched {
    /// Does one portion, unless one has failed.
    fn run(&mut self) -> Option<Took> {
        if self.broken.is_some() {
            return None;
        }
        let took = self.work.run();
        took.map_err(|error| {
            let why = document::cell(&error);
            eprintln!("  {}: {why}", self.work.name);
            self.broken = Some(why);
        })
        .ok()
    }

    /// Of every round in which it was measured.
    fn took(&self, index: usize, of: impl Fn(&Took) -> f64) -> Vec<f64> {
        let tooks = self.rounds.iter().filter_map(|round| round[index].as_ref());
        tooks.map(of).collect()
    }

    /// How much more it took than with nobody looking, by round: 0.1 is a tenth.
    fn more(&self, index: usize, of: impl Fn(&Took) -> f64) -> Vec<f64> {
        let more = |round| more(round, index, &of);
        self.rounds.iter().filter_map(more).collect()
    }
}

/// How much more a portion took than with nobody looking in the same round.
fn more(round: &Round, index: usize, of: impl Fn(&Took) -> f64) -> Option<f64> {
    let without = round[position(With::Nothing)].as_ref()?;
    Some(of(round[index].as_ref()?) / of(without) - 1.0)
}
