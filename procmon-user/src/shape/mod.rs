//! What the consumers get: everything, and what of it OTLP and /metrics send.
//!
//! [`Shaper`] decides each tick which processes have series of their own
//! (`top_n`, `cap`), and sums the others up (`fold`, `group`, `tree`).

mod cap;
mod fold;
mod group;
mod key;
mod order;
mod settings;
mod shaper;
mod tick;
mod top_n;
mod tree;

use std::sync::{Arc, OnceLock};

use crate::analysis::Derived;
use crate::analysis::history::Past;
use crate::frame::Frame;
use crate::process::ProcessSample;

pub use group::Group;
pub use settings::{GroupBy, Key, LEAST_SERIES, Settings};
pub use shaper::Shaper;

/// One frame and what follows from it, as every consumer sees it.
#[derive(Debug)]
pub struct View {
    /// The raw totals.
    pub frame: Arc<Frame>,
    /// What follows, in the order of `frame.processes`.
    pub derived: Vec<Derived>,
    /// What OTLP and /metrics send of it. The other consumers show every
    /// process.
    pub folding: Folding,
    /// What the history says, where one is kept.
    pub history: Option<Past>,
}

/// Who has series of his own, and what is summed up.
#[derive(Clone, Debug, Default)]
pub struct Folding {
    /// Those that have series of their own; `None`: all.
    own: Option<Own>,
    /// What is summed up, by name.
    pub groups: Vec<Group>,
    /// See [`View::series_folded`].
    series_folded: OnceLock<u64>,
}

/// Processes that have series of their own.
#[derive(Clone, Debug, Default)]
struct Own {
    /// Live ones: the place in the frame, and [`OwnSeries::was_folded`].
    live: Vec<(u32, bool)>,
    /// Those that have ended, by their place in the frame's list.
    ended: Vec<u32>,
}

/// A live process that has series of its own.
#[derive(Clone, Copy, Debug)]
pub struct OwnSeries<'a> {
    /// Its totals.
    pub sample: &'a ProcessSample,
    /// What follows.
    pub derived: &'a Derived,
    /// It was folded before: what it had done until it got series of its own
    /// is in a group's counters.
    pub was_folded: bool,
}

impl View {
    /// A view whose processes all have series of their own.
    pub fn of_all(frame: Arc<Frame>, derived: Vec<Derived>) -> Self {
        Self {
            frame,
            derived,
            folding: Folding::default(),
            history: None,
        }
    }

    /// Live processes with what follows for them.
    pub fn processes(&self) -> impl Iterator<Item = (&ProcessSample, &Derived)> {
        self.frame.processes.iter().zip(&self.derived)
    }

    /// Live processes that have series of their own, by pid.
    pub fn own_series(&self) -> impl Iterator<Item = OwnSeries<'_>> {
        self.own().map(|(place, was_folded)| OwnSeries {
            sample: &self.frame.processes[place],
            derived: &self.derived[place],
            was_folded,
        })
    }

    /// Their places in the frame.
    pub fn own_places(&self) -> impl Iterator<Item = usize> {
        self.own().map(|(place, _)| place)
    }

    /// Their places, and [`OwnSeries::was_folded`].
    fn own(&self) -> impl Iterator<Item = (usize, bool)> {
        let some = self.folding.own.as_ref().map(|own| &*own.live);
        let all = match some {
            Some(_) => 0,
            None => self.frame.processes.len(),
        };
        let some = some.unwrap_or_default().iter();
        let some = some.map(|(place, was_folded)| (*place as usize, *was_folded));
        some.chain((0..all).map(|place| (place, false)))
    }

    /// How many series there are: of processes with series of their own, and of
    /// groups.
    pub fn series(&self) -> u64 {
        self.sum_series(cap::of_process)
    }

    /// How many there are once each counter has counted something.
    pub fn series_of_the_busy(&self) -> u64 {
        self.sum_series(cap::of_busy_process)
    }

    fn sum_series(&self, of: fn(&ProcessSample, &Derived, u64) -> u64) -> u64 {
        let at_unix_ns = self.frame.at_unix_ns;
        let own = self.own_series();
        let own: u64 = own.map(|own| of(own.sample, own.derived, at_unix_ns)).sum();
        own + self.folding.groups.iter().map(cap::of_group).sum::<u64>()
    }

    /// How many series processes would have, were they not folded. Counted when
    /// it is asked for first: it is dear, and few ask.
    pub fn series_folded(&self) -> u64 {
        let Some(own) = &self.folding.own else {
            return 0;
        };
        *self.folding.series_folded.get_or_init(|| {
            let mut own = own.live.iter().map(|(place, _)| *place as usize).peekable();
            let all = self.processes().enumerate();
            let folded = all.filter(|(place, _)| own.next_if_eq(place).is_none());
            let at_unix_ns = self.frame.at_unix_ns;
            let series = |(_, (sample, derived))| cap::of_process(sample, derived, at_unix_ns);
            folded.map(series).sum()
        })
    }

    /// Processes that have ended, and whose series of their own end now; when
    /// nothing is folded, all that have ended.
    pub fn own_ended(&self) -> impl Iterator<Item = &ProcessSample> {
        let some = self.folding.own.as_ref().map(|own| &*own.ended);
        let all: &[ProcessSample] = match some {
            Some(_) => &[],
            None => &self.frame.exited,
        };
        let some = some.unwrap_or_default().iter();
        let some = some.map(|place| &self.frame.exited[*place as usize]);
        some.chain(all)
    }
}

#[cfg(test)]
mod tests;
