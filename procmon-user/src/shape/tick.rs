//! What a tick looks at: a frame, the one before, and what was decided then.

use std::sync::Arc;

use super::cap;
use super::fold::Before;
use super::group::Place;
use super::tree;
use crate::analysis::Derived;
use crate::frame::Frame;
use crate::process::identity::TICKS_PER_SECOND;
use crate::process::{ProcessId, ProcessSample};

/// The frame before, and what was decided. Consumers hold on to the frame
/// anyway until the next one is there.
#[derive(Debug)]
pub struct Past {
    /// What was there.
    pub frame: Arc<Frame>,
    /// In the order of its processes.
    pub decided: Vec<Decided>,
}

/// What was decided about a process.
#[derive(Clone, Copy, Debug)]
pub struct Decided {
    /// It has series of its own.
    pub own: bool,
    /// See [`super::OwnSeries::was_folded`].
    pub was_folded: bool,
    /// Its group, when it is in one.
    pub group: Option<Place>,
    /// The last tick at which it keeps its place.
    pub stays_until: u64,
}

/// Who is not remembered.
pub const NEW: Decided = Decided {
    own: false,
    was_folded: false,
    group: None,
    stays_until: 0,
};

/// What a tick looks at.
pub struct Tick<'a> {
    /// What is there.
    pub frame: &'a Frame,
    /// What follows, in its order.
    pub derived: &'a [Derived],
    /// The tick before, if there was one.
    pub past: Option<&'a Past>,
    /// For each process of the frame its place in the frame before.
    places: Vec<Option<u32>>,
}

impl<'a> Tick<'a> {
    /// A frame and the tick before it.
    pub fn new(frame: &'a Frame, derived: &'a [Derived], past: Option<&'a Past>) -> Self {
        Self {
            places: places(past.map(|past| &*past.frame), frame),
            frame,
            derived,
            past,
        }
    }

    /// When the frame before was, or the first one.
    pub fn since_unix_ns(&self) -> u64 {
        let frame = self.past.map_or(self.frame, |past| &past.frame);
        frame.at_unix_ns
    }

    /// How many processes there are.
    pub fn len(&self) -> usize {
        self.frame.processes.len()
    }

    /// What was decided of a process at the frame before, if it was there.
    pub fn decided(&self, place: usize) -> Option<&Decided> {
        Some(&self.past?.decided[self.places[place]? as usize])
    }

    /// The sample of a process in the frame before.
    pub fn sample_before(&self, place: usize) -> Option<&ProcessSample> {
        Some(&self.past?.frame.processes[self.places[place]? as usize])
    }

    /// What a process is compared with.
    pub fn before(&self, place: usize) -> Before<'_> {
        match self.sample_before(place) {
            Some(sample) => Before::Sample(sample),
            None => self.unseen(self.frame.processes[place].id),
        }
    }

    /// What is known of what a process had done that was not in the frame
    /// before.
    pub fn unseen(&self, id: ProcessId) -> Before<'static> {
        const TICK_NS: u64 = 1_000_000_000 / TICKS_PER_SECOND;
        match self.past {
            // Its start is rounded down.
            Some(past) if (id.start_ticks + 1) * TICK_NS > past.frame.at_boot_ns => Before::Birth,
            _ => Before::Unknown,
        }
    }

    /// How many series a process has.
    pub fn series(&self, place: usize) -> u64 {
        let sample = &self.frame.processes[place];
        cap::of_process(sample, &self.derived[place], self.frame.at_unix_ns)
    }

    /// The place in the frame before of one that has ended.
    pub fn place_of_ended(&self, ended: &ProcessSample) -> Option<usize> {
        let past = self.past?;
        let place = tree::place(&past.frame, ended.id.pid)?;
        (past.frame.processes[place].id == ended.id).then_some(place)
    }
}

/// For each process of `now` its place in the frame before. Both are by pid.
fn places(before: Option<&Frame>, now: &Frame) -> Vec<Option<u32>> {
    let mut before = (0..).zip(before.map_or(&[][..], |before| &before.processes));
    let mut next = before.next();
    let place = |sample: &ProcessSample| {
        while let Some((place, earlier)) = next {
            if earlier.id >= sample.id {
                return (earlier.id == sample.id).then_some(place);
            }
            next = before.next();
        }
        None
    };
    now.processes.iter().map(place).collect()
}
