//! Processes that are one resource.

use std::borrow::Cow;
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
/// `procmon.group.name` of processes that have no container, pod, unit, owner
/// or rule.
const NONE: &str = "_NONE";
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
    by_name: HashMap<Arc<str>, Place>,
    /// The series of all groups at the end of the last tick.
    series: u64,
    /// Groups that have been begun since, and there was no room for.
    new: u64,
    refused: bool,
}

#[derive(Debug)]
struct Slot {
    name: Arc<str>,
    members: u64,
    sum: Sum,
    start_unix_ns: u64,
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

    /// Begins a tick.
    pub fn begin(&mut self) {
        self.new = 0;
        for slot in self.slots.iter_mut().flatten() {
            slot.members = 0;
            slot.sum.begin();
        }
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
            empty_ticks: 0,
        });
        let place = match self.slots.iter().position(Option::is_none) {
            Some(place) => {
                self.slots[place] = slot;
                place
            }
            None => {
                self.slots.push(slot);
                self.slots.len() - 1
            }
        };
        let place = Place::try_from(place).expect("few groups");
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
        let mut groups: Vec<_> = self
            .slots
            .iter_mut()
            .flatten()
            .map(|slot| {
                slot.sum.end(since_unix_ns);
                slot.group(by, at_unix_ns)
            })
            .collect();
        groups.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        self.series = groups.iter().map(cap::of_group).sum();
        groups
    }

    /// The series of all groups when they were last asked for.
    pub fn series(&self) -> u64 {
        self.series
    }

    /// Forgets groups that have long been empty: when they come again, they
    /// begin anew. `other` stays.
    pub fn forget_empty(&mut self) {
        let other = self.other_name();
        for slot in &mut self.slots {
            let Some(group) = slot else { continue };
            group.empty_ticks = match group.members {
                0 => group.empty_ticks + 1,
                _ => 0,
            };
            if group.empty_ticks > EMPTY_TICKS && &*group.name != other {
                self.by_name.remove(&group.name);
                *slot = None;
            }
        }
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
                matched: None,
                totals: self.sum.totals(),
                probes: self.sum.probes(self.start_unix_ns),
                exit: None,
            },
            at_unix_ns,
        }
    }
}

/// `procmon.group.name` of a process, by every key but the tree.
pub fn name(by: GroupBy, sample: &ProcessSample) -> Cow<'_, str> {
    let metadata = &sample.metadata;
    let name = match by {
        GroupBy::Executable => Some(&metadata.executable).filter(|name| !name.is_empty()),
        GroupBy::Container => metadata.container_id.as_ref(),
        GroupBy::Pod => metadata.pod_uid.as_ref(),
        GroupBy::Unit => metadata.unit.as_ref(),
        GroupBy::User => match (&metadata.owner, metadata.user_id) {
            (None, Some(uid)) => return uid.to_string().into(),
            (owner, _) => owner.as_ref(),
        },
        GroupBy::Rule => sample.matched.as_ref().map(|matched| &matched.name),
        GroupBy::Tree => None,
    };
    name.map_or(NONE, String::as_str).into()
}

/// Whether a process is in the group it was in, whatever its words are.
pub fn stays(by: GroupBy, before: &ProcessSample, now: &ProcessSample) -> bool {
    match by {
        GroupBy::Tree => true,
        GroupBy::Rule => match (&before.matched, &now.matched) {
            (Some(before), Some(now)) => Arc::ptr_eq(before, now),
            (before, now) => before.is_none() && now.is_none(),
        },
        _ => Arc::ptr_eq(&before.metadata, &now.metadata),
    }
}
