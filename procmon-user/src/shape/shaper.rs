//! Decides which processes have series of their own, and folds the others.

use std::sync::{Arc, OnceLock};

use log::warn;

use super::cap::Room;
use super::fold::Before;
use super::group::{Groups, Place};
use super::key;
use super::order::order;
use super::settings::{GroupBy, Settings};
use super::tick::{Decided, NEW, Past, Tick};
use super::tree::{self, Tree};
use super::{Folding, Own, View};
use crate::analysis::Derived;
use crate::frame::Frame;
use crate::process::ProcessSample;

/// Shapes frame after frame.
///
/// With [`Settings::top`] or [`Settings::max_series`] at every tick, of what is
/// additive: levels (UpDownCounters) of the processes with series of their own
/// and of `other` add up to those of all processes. For counters, let the
/// *increment* of a process be what it has done since it was last in a frame,
/// or since its birth if it was in none and was born after the frame before
/// (one that has ended: after the first frame); an older one has none. Then the increments of all processes, live and ended,
/// are exactly
///
/// - the increments of those that have series of their own now and had them at
///   the frame before, or were born since (their series show them), and the
///   last increments of those that had them there and have ended (in their
///   final values), and
/// - how much `other` has grown, and
/// - the whole of those that have ended and were in no frame: they are in
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
        let tick = Tick::new(&frame, &derived, past.as_ref());
        let (folding, decided) = self.decide(&tick);
        let lingering = tick.lingering(|group| self.groups.still(group));
        let first = past.as_ref().map(|past| past.first_boot_ns);
        self.groups.end();
        self.tick += 1;
        self.before = Some(Past {
            decided,
            lingering,
            first_boot_ns: first.unwrap_or(frame.at_boot_ns),
            frame: Arc::clone(&frame),
        });
        View {
            frame,
            derived,
            folding,
            history: None,
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
        let mut places = self.choose(tick, most, series.as_deref(), &mut decided);
        for place in &places {
            decided[*place as usize].own = true;
        }

        self.groups.begin(self.settings.max_series);
        match self.settings.group_by {
            Some(by) => self.group(tick, by, &mut decided),
            None => self.fold(tick, &mut decided),
        }
        let ended = self.ended(tick);
        let (since, at) = (tick.since_unix_ns(), tick.frame.at_unix_ns);
        if let Some(series) = &series {
            self.fit(tick, series, &mut places, &mut decided);
            self.warn_once(most - places.len());
        }
        let groups = self.groups.now(since, at);

        let live = (0..).zip(&decided).filter(|(_, one)| one.own);
        let own = Own {
            live: live.map(|(place, one)| (place, one.was_folded)).collect(),
            ended,
        };
        let folding = Folding {
            own: Some(own),
            groups,
            series_folded: OnceLock::new(),
        };
        (folding, decided)
    }

    /// The processes that are to have series of their own, the most important
    /// first: this many at most, and those there is room for.
    fn choose(
        &self,
        tick: &Tick<'_>,
        most: usize,
        series: Option<&[u64]>,
        decided: &mut [Decided],
    ) -> Vec<u32> {
        let room = self.settings.max_series.zip(series);
        let room = room.map(|(cap, series)| Room {
            left: cap.saturating_sub(self.groups.series()),
            series,
        });
        // Nobody has to go before anybody else.
        if most == 0 || most == tick.len() && room.as_ref().is_none_or(Room::holds_all) {
            return (0..).take(most).collect();
        }
        let Some(room) = room else {
            return order(tick, self.tick, most, decided);
        };
        let mut places = order(tick, self.tick, most.min(room.most()), decided);
        places.truncate(room.holds(&places));
        places
    }

    /// Withdraws processes, the least important first, until everything fits:
    /// the groups may have more series than at the tick before.
    fn fit(
        &mut self,
        tick: &Tick<'_>,
        series: &[u64],
        places: &mut Vec<u32>,
        decided: &mut [Decided],
    ) {
        let Some(cap) = self.settings.max_series else {
            return;
        };
        let (since, at) = (tick.since_unix_ns(), tick.frame.at_unix_ns);
        let mut own: u64 = places.iter().map(|place| series[*place as usize]).sum();
        self.groups.now(since, at);
        while own + self.groups.series() > cap
            && let Some(place) = places.pop()
        {
            own -= series[place as usize];
            self.withdraw(tick, place as usize, &mut decided[place as usize]);
            self.groups.now(since, at);
        }
    }

    /// Puts what has no series of its own into `other`.
    fn fold(&mut self, tick: &Tick<'_>, decided: &mut [Decided]) {
        let shows_all = |(place, one): (usize, &Decided)| {
            one.own && tick.decided(place).is_none_or(|before| before.own)
        };
        if self.groups.is_empty() && decided.iter().enumerate().all(shows_all) {
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
            let stays = before.is_some_and(|before| key::stays(by, before, sample));
            let kept = decided[place].group.filter(|_| stays);
            let kept = kept.and_then(|group| self.groups.still(group));
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
                    let group = group.and_then(|group| self.groups.still(group));
                    return group.unwrap_or_else(|| self.groups.other(tick.since_unix_ns()));
                }
            },
            by => key::name(by, sample),
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
            let last = tick.last_of_ended(sample);
            let before = match last {
                Some((last, _)) => Before::Sample(last),
                None => tick.before_brief(sample),
            };
            let decided = last.map(|(_, decided)| decided);
            let is_own = decided.is_some_and(|one| one.own);
            if is_own {
                own.push(place);
            }
            let group = decided.and_then(|one| one.group);
            let group = group.and_then(|group| self.groups.still(group));
            let group = match self.settings.group_by {
                Some(by) => Some(group.unwrap_or_else(|| self.group_of(tick, by, sample))),
                // Who lingered has series of its own no more.
                None if last.is_some() && !is_own => Some(self.groups.other(since)),
                None => None,
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

    fn warn_once(&mut self, withdrawn: usize) {
        let cap = self.settings.max_series.unwrap_or(u64::MAX);
        if self.warned || (withdrawn == 0 && !self.groups.refused()) {
            return;
        }
        self.warned = true;
        warn!(
            "more than {cap} series, which is what --max-series allows: {withdrawn} processes \
             are folded into others' sums now; procmon.agent.series.folded goes on to tell"
        );
    }
}
