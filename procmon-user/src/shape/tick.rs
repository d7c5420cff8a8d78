//! What a tick looks at: a frame, the one before, and what was decided then.

use std::sync::Arc;

use super::cap;
use super::fold::Before;
use super::group::Place;
use super::tree;
use crate::analysis::Derived;
use crate::frame::Frame;
use crate::process::identity::NS_PER_TICK;
use crate::process::{ProcessId, ProcessSample};

/// The frame before, and what was decided. Consumers hold on to the frame
/// anyway until the next one is there.
#[derive(Debug)]
pub struct Past {
    /// What was there.
    pub frame: Arc<Frame>,
    /// In the order of its processes.
    pub decided: Vec<Decided>,
    /// Who is in the frame no more and has not ended, by identity.
    pub lingering: Vec<Lingering>,
    /// When the first frame was, ns of CLOCK_BOOTTIME.
    pub first_boot_ns: u64,
}

/// A process without a thread whose exit record is still on its way, or one
/// that could not be read.
#[derive(Clone, Debug)]
pub struct Lingering {
    /// What was last seen of it.
    pub sample: ProcessSample,
    /// What was decided then. It has no series of its own any more.
    pub decided: Decided,
    ticks: u64,
}

/// How many ticks a process lingers. After that its end is not known to be its.
const LINGERS_TICKS: u64 = 60;

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

    /// What was decided of a process when it was last seen, if it was.
    pub fn decided(&self, place: usize) -> Option<&Decided> {
        self.last(place).map(|(_, decided)| decided)
    }

    /// The last sample of a process, if there is one.
    pub fn sample_before(&self, place: usize) -> Option<&ProcessSample> {
        self.last(place).map(|(sample, _)| sample)
    }

    fn last(&self, place: usize) -> Option<(&ProcessSample, &Decided)> {
        let past = self.past?;
        match self.places[place] {
            Some(place) => Some(past.at(place as usize)),
            None => past.lingering(self.frame.processes[place].id),
        }
    }

    /// What a process is compared with. Who was not in the frame before and is
    /// older was not to be seen by choice: what it did is nobody's.
    pub fn before(&self, place: usize) -> Before<'_> {
        match (self.sample_before(place), self.past) {
            (Some(sample), _) => Before::Sample(sample),
            (None, Some(past)) => unseen(self.frame.processes[place].id, past.frame.at_boot_ns),
            (None, None) => Before::Unknown,
        }
    }

    /// The last sample of a process that has ended and what was decided then.
    pub fn last_of_ended(&self, ended: &ProcessSample) -> Option<(&ProcessSample, &Decided)> {
        let past = self.past?;
        let place = tree::place(&past.frame, ended.id.pid);
        let last = place.map(|place| past.at(place));
        let last = last.filter(|(sample, _)| sample.id == ended.id);
        last.or_else(|| past.lingering(ended.id))
    }

    /// What a process that has ended and was in no frame is compared with: its
    /// record may have been late.
    pub fn before_brief(&self, ended: &ProcessSample) -> Before<'_> {
        match self.past {
            Some(past) => unseen(ended.id, past.first_boot_ns),
            None => Before::Unknown,
        }
    }

    /// Who is not there any more and has not ended; `group` says whether his
    /// group is there still.
    pub fn lingering(&self, group: impl Fn(Place) -> Option<Place>) -> Vec<Lingering> {
        let Some(past) = self.past else {
            return Vec::new();
        };
        let mut gone = vec![true; past.decided.len()];
        for place in self.places.iter().flatten() {
            gone[*place as usize] = false;
        }
        let gone = gone.iter().enumerate().filter(|(_, gone)| **gone);
        let gone = gone.map(|(place, _)| {
            let (sample, decided) = past.at(place);
            Lingering {
                sample: sample.clone(),
                decided: *decided,
                ticks: 0,
            }
        });
        let mut ended: Vec<_> = self.frame.exited.iter().map(|ended| ended.id).collect();
        ended.sort_unstable();
        let is_back = |id: ProcessId| {
            let place = tree::place(self.frame, id.pid);
            place.is_some_and(|place| self.frame.processes[place].id == id)
        };
        let mut lingering: Vec<_> = gone
            .filter(|one| ended.binary_search(&one.sample.id).is_err())
            .collect();
        let still = past.lingering.iter().filter(|one| {
            let id = one.sample.id;
            one.ticks < LINGERS_TICKS && ended.binary_search(&id).is_err() && !is_back(id)
        });
        lingering.extend(still.cloned());
        for one in &mut lingering {
            one.ticks += 1;
            one.decided.own = false;
            one.decided.group = one.decided.group.and_then(&group);
        }
        lingering.sort_unstable_by_key(|one| one.sample.id);
        lingering
    }

    /// How many series a process has.
    pub fn series(&self, place: usize) -> u64 {
        let sample = &self.frame.processes[place];
        cap::of_process(sample, &self.derived[place], self.frame.at_unix_ns)
    }
}

impl Past {
    fn at(&self, place: usize) -> (&ProcessSample, &Decided) {
        (&self.frame.processes[place], &self.decided[place])
    }

    fn lingering(&self, id: ProcessId) -> Option<(&ProcessSample, &Decided)> {
        let key = |one: &Lingering| one.sample.id;
        let place = self.lingering.binary_search_by_key(&id, key).ok()?;
        let one = &self.lingering[place];
        Some((&one.sample, &one.decided))
    }
}

/// What a process that was never seen is compared with: its birth, if that was
/// after a time of CLOCK_BOOTTIME.
fn unseen(id: ProcessId, boot_ns: u64) -> Before<'static> {
    // Its start is rounded down.
    match id.start_boot_ns() + NS_PER_TICK > boot_ns {
        true => Before::Birth,
        false => Before::Unknown,
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
