//! What procmon's slowdown of the work is held to: by what the kernel accounts to
//! the programs on the hooks, beside what the hooks themselves cost. As the work
//! feels it, it is all of it and much noise: that counts against procmon only
//! where noise does not explain it.

use super::{
    Watched,
    judge::{Estimate, JUDGED, SHOWN},
    more,
    with::With,
    work::Took,
};
use crate::{peers::Report, stats, table::Verdict};

/// procmon may slow the work so many times as much as empty programs do.
const THAN_EMPTY: f64 = 1.5;
/// And so many times as much as bpftrace.
const THAN_BPFTRACE: f64 = 1.0;

const CPU: fn(&Took) -> f64 = |took| took.cpu;

/// All that one kind of work is held to.
pub fn judge(watched: &Watched, report: &mut Report) {
    let all = [
        felt(
            "slowdown as felt, against the empty programs'",
            watched,
            With::Empty,
            THAN_EMPTY,
        ),
        accounted_beyond_empty(watched),
        felt(
            "slowdown as felt, against bpftrace's",
            watched,
            With::Bpftrace,
            THAN_BPFTRACE,
        ),
        accounted_beside_bpftrace(watched),
    ];
    for comparison in all {
        comparison.tell(watched.work.name, report);
    }
}

/// One comparison; slowdowns are parts of a portion's CPU time without anybody.
struct Comparison {
    what: &'static str,
    /// The other's, by round.
    other: Vec<f64>,
    /// procmon's, by round.
    ours: Vec<f64>,
    /// procmon's whole slowdown, of the other's; `None`: one of them was not slowed.
    ratio: Option<f64>,
    /// By how much procmon's is over the limit, by round.
    over: Vec<f64>,
    times: f64,
    means: Means,
}

/// What a comparison is made of.
#[derive(Clone, Copy)]
enum Means {
    /// The CPU time of the work in rounds that are far apart.
    Felt,
    /// The kernel's account of the programs.
    Account,
}

/// The CPU time of the work with each.
fn felt(what: &'static str, watched: &Watched, with: With, times: f64) -> Comparison {
    let (other, ours) = (watched.more(with, CPU), watched.more(With::Procmon, CPU));
    let all = watched.together([With::Nothing, with, With::Procmon]);
    let over = all.map(|[nothing, other, ours]| {
        more(CPU, &nothing, &ours) - times * more(CPU, &nothing, &other)
    });
    Comparison {
        what,
        ratio: ratio(middle(&ours), middle(&other)),
        over: over.collect(),
        other,
        ours,
        times,
        means: Means::Felt,
    }
}

/// What procmon's programs take beyond empty ones, against what those cost.
fn accounted_beyond_empty(watched: &Watched) -> Comparison {
    let ours = beyond_empty(watched, With::Procmon);
    let beyond = middle(&ours);
    let floor = watched.in_turns(CPU);
    let empty = middle(&floor);
    let over = |floor: &f64| beyond - (THAN_EMPTY - 1.0) * floor;
    Comparison {
        what: "slowdown by account: empty programs in turns, procmon's beyond them",
        ratio: ratio(empty + beyond, empty),
        over: floor.iter().map(over).collect(),
        other: floor,
        ours,
        times: THAN_EMPTY,
        means: Means::Account,
    }
}

/// What procmon's programs take, against bpftrace's.
fn accounted_beside_bpftrace(watched: &Watched) -> Comparison {
    let other = beyond_empty(watched, With::Bpftrace);
    let ours = beyond_empty(watched, With::Procmon);
    let floor = middle(&watched.in_turns(CPU));
    let over = |(ours, other): (&f64, &f64)| ours - THAN_BPFTRACE * other;
    Comparison {
        what: "slowdown by account: bpftrace's and procmon's beyond the empty programs",
        ratio: ratio(floor + middle(&ours), floor + middle(&other)),
        over: ours.iter().zip(&other).map(over).collect(),
        other,
        ours,
        times: THAN_BPFTRACE,
        means: Means::Account,
    }
}

/// What the programs take beyond empty ones by the kernel's account, by account.
fn beyond_empty(watched: &Watched, with: With) -> Vec<f64> {
    let portion = stats::median(&watched.took(With::Nothing, CPU));
    let empty = stats::median(&watched.accounts(With::Empty));
    let accounts = watched.accounts(with).into_iter();
    accounts
        .map(|seconds| (seconds - empty) / portion)
        .collect()
}

/// How many times as slow; a quotient of what is not a slowdown says nothing.
fn ratio(ours: f64, other: f64) -> Option<f64> {
    (ours > 0.0 && other > 0.0).then(|| ours / other)
}

fn middle(values: &[f64]) -> f64 {
    Estimate::of(values, SHOWN).middle
}

impl Comparison {
    fn tell(&self, work: &str, report: &mut Report) {
        let (mut result, mut verdict) = ("not measured".to_owned(), Verdict::Told);
        if !self.over.is_empty() && !self.ours.is_empty() {
            let over = Estimate::of(&self.over, JUDGED);
            verdict = match (self.means, over.at_most_zero()) {
                (Means::Felt, Verdict::Holds | Verdict::Unsure) => Verdict::Told,
                (_, verdict) => verdict,
            };
            result = match self.ratio {
                Some(ratio) => format!("{ratio:.2} ×; over the limit by {over}"),
                None => format!("over the limit by {over}"),
            };
        }
        report.limits.push(
            &format!("{work}: {}", self.what),
            Estimate::of(&self.other, SHOWN).to_string(),
            Estimate::of(&self.ours, SHOWN).to_string(),
            result,
            format!("at most {:.1} ×", self.times),
            verdict,
        );
    }
}
