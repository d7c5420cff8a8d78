//! Decides which processes have series of their own, and folds the others.

use std::sync::Arc;

use log::warn;

use super::cap::{self, Room};
use super::fold::Before;
use super::group::{self, Groups, Place};
use super::settings::{GroupBy, Settings};
use super::top_n::{Ranking, STICKY_TICKS, scores};
use super::tree::{self, Tree};
use super::{Folding, Own, View};
use crate::analysis::Derived;
use crate::frame::Frame;
use crate::process::identity::TICKS_PER_SECOND;
use crate::process::{ProcessId, ProcessSample};

/// Shapes frame after frame.
///
/// With [`Settings::top`] or [`Settings::max_series`] at every tick, of what is
/// additive: levels (UpDownCounters) of the processes with series of their own
/// and of `other` add up to those of all processes. For counters, let the
/// *increment* of a process be what it has done since the frame before, or
/// since its birth if it was born after that; one that is older and was not in
/// that frame has none. Then the increments of all processes, live and ended,
/// are exactly
///
/// - the increments of those that have series of their own now and had them at
///   the frame before, or were born since (their series show them), and the
///   last increments of those that had them and have ended (in their final
///   values), and
/// - how much `other` has grown, and
/// - the whole of those that lived between two frames: they are in
///   `procmon.exited.*` alone.
///
/// So what a process did until it got series of its own, or since it lost
/// them, is in `other`, and stays there. `procmon.exited.*` hold whole lives:
/// of a process that was in a frame, all but its last increment has been
/// counted before.
///
/// With [`Settings::group_by`] every process is in exactly one group, those
/// between two frames too, whether it has series of its own or not: the groups
/// alone add up to the whole.
#[derive(Debug)]
pub struct Shaper {
    settings: Settings,
    groups: Groups,
    before: Option<Past>,
    tick: u64,
    warned: bool,
}

/// The frame before, and what was decided. Consumers hold on to the frame
/// anyway until the next one is there.
#[derive(Debug)]
struct Past {
    frame: Arc<Frame>,
    /// In the order of its processes.
    decided: Vec<Decided>,
}

/// What was decided about a process.
#[derive(Clone, Copy, Debug)]
struct Decided {
    /// It has series of its own.
    own: bool,
    /// See [`super::OwnSeries::was_folded`].
    was_folded: bool,
    /// Its group, when it is in one.
    group: Option<Place>,
    /// The last tick at which it keeps its place.
    stays_until: u64,
}

/// Who is not remembered.
const NEW: Decided = Decided {
    own: false,
    was_folded: false,
    group: None,
    stays_until: 0,
};

/// What a tick looks at.
struct Tick<'a> {
    frame: &'a Frame,
    derived: &'a [Derived],
    past: Option<&'a Past>,
    /// For each process of the frame its place in the frame before.
    places: Vec<Option<u32>>,
}

impl Tick<'_> {
    /// When the frame before was, or the first one.
    fn since_unix_ns(&self) -> u64 {
        let frame = self.past.map_or(self.frame, |past| &past.frame);
        frame.at_unix_ns
    }

    fn len(&self) -> usize {
        self.frame.processes.len()
    }

    /// What was decided of a process at the frame before, if it was there.
    fn decided(&self, place: usize) -> Option<&Decided> {
        Some(&self.past?.decided[self.places[place]? as usize])
    }

    /// The sample of a process in the frame before.
    fn sample_before(&self, place: usize) -> Option<&ProcessSample> {
        Some(&self.past?.frame.processes[self.places[place]? as usize])
    }

    fn before(&self, place: usize) -> Before<'_> {
        match self.sample_before(place) {
            Some(sample) => Before::Sample(sample),
            None => self.unseen(self.frame.processes[place].id),
        }
    }

    /// What is known of what a process had done that was not in the frame
    /// before.
    fn unseen(&self, id: ProcessId) -> Before<'static> {
        const TICK_NS: u64 = 1_000_000_000 / TICKS_PER_SECOND;
        match self.past {
            // Its start is rounded down.
            Some(past) if (id.start_ticks + 1) * TICK_NS > past.frame.at_boot_ns => Before::Birth,
            _ => Before::Unknown,
        }
    }

    fn series(&self, place: usize) -> u64 {
        let sample = &self.frame.processes[place];
        cap::of_process(sample, &self.derived[place], self.frame.at_unix_ns)
    }

    /// The place in the frame before of one that has ended.
    fn place_of_ended(&self, ended: &ProcessSample) -> Option<usize> {
        let past = self.past?;
        let place = tree::place(&past.frame, ended.id.pid)?;
        (past.frame.processes[place].id == ended.id).then_some(place)
    }
}

impl Shaper {
    /// A shaper that has seen nothing.
    pub fn new(settings: Settings) -> Self {
        Self {
            groups: Groups::new(settings.group_by),
            settings,
            before: None,
            tick: 0,
            warned: false,
        }
    }

    /// Shapes the next frame.
    pub fn shape(&mut self, frame: Arc<Frame>, derived: Vec<Derived>) -> View {
        if self.settings.sends_all() {
            return View::of_all(frame, derived);
        }
        let past = self.before.take();
        let tick = Tick {
            places: places(past.as_ref().map(|past| &*past.frame), &frame),
            frame: &frame,
            derived: &derived,
            past: past.as_ref(),
        };
        let (folding, decided) = self.decide(&tick);
        self.tick += 1;
        self.before = Some(Past {
            frame: Arc::clone(&frame),
            decided,
        });
        View {
            frame,
            derived,
            folding,
        }
    }

    fn decide(&mut self, tick: &Tick<'_>) -> (Folding, Vec<Decided>) {
        let most = match (self.settings.top, self.settings.group_by) {
            (0, None) => tick.len(),
            (top, _) => top.min(tick.len()),
        };
        let series: Option<Vec<u64>> = (self.settings.max_series.is_some())
            .then(|| (0..tick.len()).map(|place| tick.series(place)).collect());
        let mut decided: Vec<Decided> = (0..tick.len())
            .map(|place| match tick.decided(place) {
                Some(before) => Decided {
                    own: false,
                    was_folded: before.was_folded || !before.own,
                    ..*before
                },
                None => NEW,
            })
            .collect();
        let room = self.room(&series);
        let mut order = match &room {
            _ if most == 0 => Vec::new(),
            // Nobody has to go before anybody else.
            room if most == tick.len() && room.as_ref().is_none_or(Room::holds_all) => {
                (0..).take(most).collect()
            }
            Some(room) => {
                let mut order = self.order(tick, most.min(room.most()), &mut decided);
                order.truncate(room.holds(&order));
                order
            }
            None => self.order(tick, most, &mut decided),
        };
        for place in &order {
            decided[*place as usize].own = true;
        }

        self.groups.begin();
        match self.settings.group_by {
            Some(by) => self.group(tick, by, &mut decided),
            None => self.fold(tick, &mut decided),
        }
        let ended = self.ended(tick);
        let (since, at) = (tick.since_unix_ns(), tick.frame.at_unix_ns);
        let mut groups = self.groups.now(since, at);
        if let (Some(series), Some(cap)) = (&series, self.settings.max_series) {
            let mut own: u64 = order.iter().map(|place| series[*place as usize]).sum();
            while own + self.groups.series() > cap
                && let Some(place) = order.pop()
            {
                own -= series[place as usize];
                self.withdraw(tick, place as usize, &mut decided[place as usize]);
                groups = self.groups.now(since, at);
            }
            self.warn_once(cap, most - order.len());
        }
        self.groups.forget_empty();

        let folded = decided.iter().enumerate().filter(|(_, one)| !one.own);
        let series_folded = folded
            .map(|(place, _)| match &series {
                Some(series) => series[place],
                None => tick.series(place),
            })
            .sum();
        let live = (0..).zip(&decided).filter(|(_, one)| one.own);
        let own = Own {
            live: live.map(|(place, one)| (place, one.was_folded)).collect(),
            ended,
        };
        let folding = Folding {
            own: Some(own),
            groups,
            series_folded,
        };
        (folding, decided)
    }

    /// The room there is for processes; `None` when it has no bounds.
    fn room<'a>(&self, series: &'a Option<Vec<u64>>) -> Option<Room<'a>> {
        let cap = self.settings.max_series?;
        Some(Room {
            left: cap.saturating_sub(self.groups.series()),
            series: series.as_ref()?,
        })
    }

    /// The processes that are to have series of their own, this many at most:
    /// the chosen first, then those that keep their places, then the others,
    /// each from the first to the last.
    fn order(&self, tick: &Tick<'_>, most: usize, decided: &mut [Decided]) -> Vec<u32> {
        let mut chosen = Ranking::new(most);
        let mut others = Ranking::new(most);
        for (place, sample) in (0..).zip(&tick.frame.processes) {
            let scores = scores(sample, tick.sample_before(place as usize));
            let ranking = match sample.chosen {
                true => &mut chosen,
                false => &mut others,
            };
            ranking.offer(place, &scores);
        }
        let is_chosen = |place: u32| tick.frame.processes[place as usize].chosen;
        let had_own = |place: u32| tick.decided(place as usize).is_some_and(|one| one.own);
        let all = || (0..).take(tick.len());

        let others = others.first();
        let mut order = Order::new(most, tick.len());
        order.add(chosen.first());
        order.add(all().filter(|place| is_chosen(*place)));
        let first = &others[..others.len().min(most - order.places.len())];
        // The first tick knows of nobody what he does.
        if tick.past.is_some() {
            for place in first {
                decided[*place as usize].stays_until = self.tick + STICKY_TICKS;
            }
        }
        let stays =
            |place: &u32| had_own(*place) && decided[*place as usize].stays_until >= self.tick;
        order.add(first.iter().copied().filter(stays));
        order.add(all().filter(stays));
        order.add(first.iter().copied());
        order.add(all());
        order.places
    }

    /// Puts what has no series of its own into `other`.
    fn fold(&mut self, tick: &Tick<'_>, decided: &mut [Decided]) {
        if self.groups.is_empty() && decided.iter().all(|one| one.own) {
            return;
        }
        let since = tick.since_unix_ns();
        let other = self.groups.other(since);
        for (place, sample) in tick.frame.processes.iter().enumerate() {
            let one = &mut decided[place];
            one.group = None;
            if !one.own {
                one.group = Some(other);
                self.groups.add_member(other, sample);
            } else if tick.decided(place).is_none_or(|before| before.own) {
                continue;
            }
            self.groups
                .add_increments(other, sample, tick.before(place), since);
        }
    }

    /// Puts every process into its group.
    fn group(&mut self, tick: &Tick<'_>, by: GroupBy, decided: &mut [Decided]) {
        let since = tick.since_unix_ns();
        for (place, sample) in tick.frame.processes.iter().enumerate() {
            let before = tick.sample_before(place);
            let stays = before.is_some_and(|before| group::stays(by, before, sample));
            let kept = decided[place].group.filter(|_| stays);
            let group = kept.unwrap_or_else(|| self.group_of(tick, by, sample));
            decided[place].group = Some(group);
            self.groups.add_member(group, sample);
            self.groups
                .add_increments(group, sample, tick.before(place), since);
        }
    }

    fn group_of(&mut self, tick: &Tick<'_>, by: GroupBy, sample: &ProcessSample) -> Place {
        let past = tick.past;
        let name = match by {
            GroupBy::Tree => match tree::of(sample, tick.frame, past.map(|past| &*past.frame)) {
                Tree::Named(name) => name.into(),
                Tree::OfBefore(place) => {
                    let group = past.and_then(|past| past.decided[place].group);
                    return group.expect("everyone is in a group");
                }
            },
            by => group::name(by, sample),
        };
        let max_series = self.settings.max_series;
        self.groups.named(&name, tick.since_unix_ns(), max_series)
    }

    /// Counts the last increments of those that have ended; returns those that
    /// had series of their own, by their place in the list of the ended.
    fn ended(&mut self, tick: &Tick<'_>) -> Vec<u32> {
        let since = tick.since_unix_ns();
        let mut own = Vec::new();
        for (place, sample) in (0..).zip(&tick.frame.exited) {
            let past = tick.past.zip(tick.place_of_ended(sample));
            let before = match past {
                Some((past, before)) => Before::Sample(&past.frame.processes[before]),
                None => tick.unseen(sample.id),
            };
            let decided = past.map(|(past, before)| &past.decided[before]);
            if decided.is_some_and(|one| one.own) {
                own.push(place);
            }
            let group = match (decided.and_then(|one| one.group), self.settings.group_by) {
                (None, Some(by)) => Some(self.group_of(tick, by, sample)),
                (group, _) => group,
            };
            if let Some(group) = group {
                self.groups.add_increments(group, sample, before, since);
            }
        }
        own
    }

    /// Takes a process's own series away again, for there is no room.
    fn withdraw(&mut self, tick: &Tick<'_>, place: usize, decided: &mut Decided) {
        decided.own = false;
        if self.settings.group_by.is_some() {
            return;
        }
        let since = tick.since_unix_ns();
        let other = self.groups.other(since);
        let sample = &tick.frame.processes[place];
        decided.group = Some(other);
        self.groups.add_member(other, sample);
        // Of one that was folded before, the increments are there already.
        if tick.decided(place).is_none_or(|before| before.own) {
            self.groups
                .add_increments(other, sample, tick.before(place), since);
        }
    }

    fn warn_once(&mut self, cap: u64, withdrawn: usize) {
        if self.warned || (withdrawn == 0 && !self.groups.refused()) {
            return;
        }
        self.warned = true;
        warn!(
            "more than the {cap} series that --max-series allows: {withdrawn} processes that \
             would have series of their own are folded; procmon.agent.series.folded counts on"
        );
    }
}

/// Places in a row, none of them twice.
struct Order {
    most: usize,
    places: Vec<u32>,
    taken: Vec<bool>,
}

impl Order {
    fn new(most: usize, all: usize) -> Self {
        Self {
            most,
            places: Vec::with_capacity(most),
            taken: vec![false; all],
        }
    }

    /// Adds those that are not there yet, until it is full.
    fn add(&mut self, places: impl IntoIterator<Item = u32>) {
        if self.places.len() == self.most {
            return;
        }
        for place in places {
            if !std::mem::replace(&mut self.taken[place as usize], true) {
                self.places.push(place);
                if self.places.len() == self.most {
                    return;
                }
            }
        }
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
