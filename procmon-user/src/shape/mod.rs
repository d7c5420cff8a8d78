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

use std::sync::Arc;

use crate::analysis::Derived;
use crate::frame::Frame;
use crate::process::ProcessSample;

pub use group::Group;
pub use settings::{GroupBy, LEAST_SERIES, Settings};
pub use shaper::Shaper;
pub use top_n::STICKY_TICKS;

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
}

/// Who has series of his own, and what is summed up.
#[derive(Clone, Debug, Default)]
pub struct Folding {
    /// Those that have series of their own; `None`: all.
    own: Option<Own>,
    /// What is summed up, by name.
    pub groups: Vec<Group>,
    /// Series that processes would have, were they not folded.
    pub series_folded: u64,
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
        }
    }

    /// Live processes with what follows for them.
    pub fn processes(&self) -> impl Iterator<Item = (&ProcessSample, &Derived)> {
        self.frame.processes.iter().zip(&self.derived)
    }

    /// Live processes that have series of their own, by pid.
    pub fn own_series(&self) -> impl Iterator<Item = OwnSeries<'_>> {
        let some = self.folding.own.as_ref().map(|own| &*own.live);
        let all = match some {
            Some(_) => 0,
            None => self.frame.processes.len(),
        };
        let some = some.unwrap_or_default().iter();
        let some = some.map(|(place, was_folded)| (*place as usize, *was_folded));
        let places = some.chain((0..all).map(|place| (place, false)));
        places.map(|(place, was_folded)| OwnSeries {
            sample: &self.frame.processes[place],
            derived: &self.derived[place],
            was_folded,
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
