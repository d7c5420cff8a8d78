//! Processes that are one resource.

use std::collections::HashMap;
use std::sync::Arc;

use super::cap;
use super::fold::{Before, Sum};
use super::settings::GroupBy;
use crate::metrics::{GroupReading, ProcessReading};
use crate::process::{ProcessId, ProcessSample};

/// `procmon.group.by` of what is left beside the top processes.
const TOP: &str = "top";
/// `procmon.group.name` of what is left of the processes.
const OTHER: &str = "other";
/// `procmon.group.name` of the groups there is no room for.
const OTHER_GROUPS: &str = "_OTHER";
/// How many groups there may be beside `other`.
const MOST_GROUPS: usize = 1_000;
/// How many ticks a group that is empty is kept.
const EMPTY_TICKS: u64 = 60;

/// A group at a tick.
#[derive(Clone, Debug)]
pub struct Group {
    /// `procmon.group.by`.
    pub by: &'static str,
    /// `procmon.group.name`.
    pub name: Arc<str>,
    /// Processes in it now.
    pub members: u64,
    /// What they hold now and what they have done since they came in, in the
    /// form of a process: it was created when the group's counters began. Only
    /// metrics that are additive say anything.
    pub sum: ProcessSample,
    at_unix_ns: u64,
}

impl Group {
    /// What the rows of the group table read.
    pub fn own_reading(&self) -> GroupReading {
        GroupReading {
            members: self.members,
        }
    }

    /// What the rows of the process table read.
    pub fn reading(&self) -> ProcessReading<'_> {
        ProcessReading {
            sample: &self.sum,
            derived: None,
            at_unix_ns: self.at_unix_ns,
        }
    }
}

/// The place of a group in [`Groups`].
pub type Place = u32;

/// The groups there are.
#[derive(Debug, Default)]
pub struct Groups {
    by: Option<GroupBy>,
    slots: Vec<Option<Slot>>,
    /// Places that may be used again. That of a group that was given up in
    /// this tick is not among them: its members still name it.
    free: Vec<Place>,
    by_name: HashMap<Arc<str>, Place>,
    /// The series of all groups at the end of the last tick.
    series: u64,
    /// Groups that have been begun since.
    new: u64,
    refused: bool,
}

#[derive(Debug)]
struct Slot {
    name: Arc<str>,
    members: u64,
    sum: Sum,
    start_unix_ns: u64,
    series: u64,
    empty_ticks: u64,
}

impl Groups {
    /// Groups by a key, or `other` alone.
    pub fn new(by: Option<GroupBy>) -> Self {
        Self {
            by,
            ..Self::default()
        }
    }

    /// Begins a tick. While the groups had more series than may be, those with
    /// the fewest members are given up: their members are in `other` then.
    pub fn begin(&mut self, max_series: Option<u64>) {
        self.new = 0;
        while max_series.is_some_and(|most| self.series > most)
            && let Some(place) = self.smallest()
        {
            self.refused = true;
            self.give_up(place);
        }
        for slot in self.slots.iter_mut().flatten() {
            slot.members = 0;
            slot.sum.begin();
        }
    }

    fn smallest(&self) -> Option<Place> {
        let other = self.other_name();
        let groups = (0..).zip(&self.slots);
        let groups = groups.filter_map(|(place, slot)| Some((place, slot.as_ref()?)));
        let groups = groups.filter(|(_, slot)| &*slot.name != other);
        let smallest = groups.min_by_key(|(_, slot)| (slot.members, Arc::clone(&slot.name)));
        smallest.map(|(place, _)| place)
    }

    fn give_up(&mut self, place: Place) {
        if let Some(slot) = self.slots[place as usize].take() {
            self.series -= slot.series;
            self.by_name.remove(&slot.name);
        }
    }

    /// A place where a process was, if there is a group still.
    pub fn still(&self, place: Place) -> Option<Place> {
        self.slots[place as usize].is_some().then_some(place)
    }

    /// The group of what is left over, begun at a time if it is not there yet.
    pub fn other(&mut self, start_unix_ns: u64) -> Place {
        self.named(self.other_name(), start_unix_ns, None)
    }

    fn other_name(&self) -> &'static str {
        match self.by {
            Some(_) => OTHER_GROUPS,
            None => OTHER,
        }
    }

    /// Whether there is anything in any group, or was.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// The group of this name, begun at a time if it is not there yet. Where
    /// that would be one too many, or more series than may be, it is `other`.
    pub fn named(&mut self, name: &str, start_unix_ns: u64, max_series: Option<u64>) -> Place {
        if let Some(place) = self.by_name.get(name) {
            return *place;
        }
        if name != self.other_name() && !self.has_room(max_series) {
            self.refused = true;
            return self.other(start_unix_ns);
        }
        self.new += 1;
        let name: Arc<str> = name.into();
        let slot = Some(Slot {
            name: Arc::clone(&name),
            members: 0,
            sum: Sum::default(),
            start_unix_ns,
            series: 0,
            empty_ticks: 0,
        });
        let place = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            Place::try_from(self.slots.len() - 1).expect("few groups")
        });
        self.slots[place as usize] = slot;
        self.by_name.insert(name, place);
        place
    }

    /// Whether one more group may be. A group that is to be needs as many
    /// series as those there are need, and `other` has to have room too.
    fn has_room(&self, max_series: Option<u64>) -> bool {
        let has_other = self.by_name.contains_key(self.other_name());
        let groups = self.by_name.len() - usize::from(has_other);
        if groups >= MOST_GROUPS {
            return false;
        }
        let each = self.series.div_ceil(self.by_name.len().max(1) as u64);
        let wanted = self.series + (self.new + 2) * each.max(SERIES_A_GROUP);
        max_series.is_none_or(|most| wanted <= most)
    }

    /// Whether a group has been refused for want of room.
    pub fn refused(&self) -> bool {
        self.refused
    }

    /// A process is in a group now.
    pub fn add_member(&mut self, place: Place, sample: &ProcessSample) {
        let slot = self.slot(place);
        slot.members += 1;
        slot.sum.add_levels(sample);
    }

    /// What a process did since the frame before counts in a group.
    pub fn add_increments(
        &mut self,
        place: Place,
        sample: &ProcessSample,
        before: Before<'_>,
        since_unix_ns: u64,
    ) {
        let sum = &mut self.slot(place).sum;
        sum.add_increments(sample, before, since_unix_ns);
    }

    fn slot(&mut self, place: Place) -> &mut Slot {
        let slot = self.slots[place as usize].as_mut();
        slot.expect("a group with members is kept")
    }

    /// The groups as they are now, by name. They may be asked for again when
    /// something was added to them.
    pub fn now(&mut self, since_unix_ns: u64, at_unix_ns: u64) -> Vec<Group> {
        let by = self.by.map_or(TOP, GroupBy::name);
        let slots = self.slots.iter_mut().flatten();
        let now = |slot: &mut Slot| {
            slot.sum.end(since_unix_ns);
            let group = slot.group(by, at_unix_ns);
            slot.series = cap::of_group(&group);
            group
        };
        let mut groups: Vec<Group> = slots.map(now).collect();
        groups.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        self.series = self.slots.iter().flatten().map(|slot| slot.series).sum();
        groups
    }

    /// The series of all groups when they were last asked for.
    pub fn series(&self) -> u64 {
        self.series
    }

    /// Ends a tick. Groups that have long been empty are forgotten: when they
    /// come again, they begin anew. `other` stays.
    pub fn end(&mut self) {
        let other = self.other_name();
        for place in 0..self.slots.len() {
            let Some(group) = &mut self.slots[place] else {
                continue;
            };
            group.empty_ticks = match group.members {
                0 => group.empty_ticks + 1,
                _ => 0,
            };
            if group.empty_ticks > EMPTY_TICKS && &*group.name != other {
                self.give_up(place as Place);
            }
        }
        let slots = (0..).zip(&self.slots);
        let free = slots.filter(|(_, slot)| slot.is_none());
        self.free = free.map(|(place, _)| place).collect();
    }
}

/// About how many series a group has.
const SERIES_A_GROUP: u64 = 50;

impl Slot {
    fn group(&self, by: &'static str, at_unix_ns: u64) -> Group {
        Group {
            by,
            name: Arc::clone(&self.name),
            members: self.members,
            sum: ProcessSample {
                id: ProcessId {
                    pid: 0,
                    start_ticks: 0,
                },
                created_unix_ns: self.start_unix_ns,
                metadata: Arc::default(),
                chosen: false,
                wanted: self.sum.wanted(),
                matched: None,
                totals: self.sum.totals(),
                probes: self.sum.probes(self.start_unix_ns),
                exit: None,
            },
            at_unix_ns,
        }
    }
}
