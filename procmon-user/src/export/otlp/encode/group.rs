//! The series of groups: one `ResourceMetrics` each.

use std::collections::HashMap;
use std::sync::Arc;

use prost::Message as _;

use super::delta::{Last, is_delta, since};
use super::series::{SeriesId, SeriesSet, Stamp};
use super::{Encoder, Source, Value, process};
use crate::metrics::group::GROUP;
use crate::shape::{Group, View};

/// `procmon.group.by` and `procmon.group.name`.
pub(super) type GroupId = (&'static str, Arc<str>);

/// What is remembered of a group.
#[derive(Debug)]
pub(super) struct TrackedGroup {
    /// Its `Resource`, encoded, without the host that all have.
    resource: Box<[u8]>,
    start_unix_ns: u64,
    sent: SeriesSet,
    /// Kept for delta temporality only: the last point and when its sum began.
    last: HashMap<SeriesId, (u64, Last)>,
    /// The number of the last view it was in.
    seen: u64,
}

impl Encoder {
    /// Writes the groups of a view, and the ends of those that are in it no
    /// more; returns how many points the former have.
    pub(super) fn groups(&mut self, view: &View) -> u64 {
        let at_unix_ns = view.frame.at_unix_ns;
        let mut points = 0;
        for group in &view.folding.groups {
            let id = (group.by, Arc::clone(&group.name));
            let start_unix_ns = group.sum.created_unix_ns;
            let mut tracked = match self.groups.remove(&id) {
                Some(tracked) if tracked.start_unix_ns == start_unix_ns => tracked,
                // Forgotten and begun anew, or never seen.
                _ => self.new_group(group),
            };
            tracked.seen = self.views;
            points += self.group_values(&mut tracked, group, at_unix_ns);
            self.groups.insert(id, tracked);
        }
        let views = self.views;
        let mut gone: Vec<_> = self
            .groups
            .extract_if(|_, tracked| tracked.seen != views)
            .collect();
        gone.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        for (_, tracked) in gone {
            self.group_end(&tracked, at_unix_ns);
        }
        points
    }

    fn new_group(&self, group: &Group) -> TrackedGroup {
        let resource = self.resources.of_group(group.by, &group.name);
        TrackedGroup {
            resource: resource.encode_to_vec().into_boxed_slice(),
            start_unix_ns: group.sum.created_unix_ns,
            sent: SeriesSet::default(),
            last: HashMap::new(),
            seen: 0,
        }
    }

    fn group_values(
        &mut self,
        tracked: &mut TrackedGroup,
        group: &Group,
        time_unix_ns: u64,
    ) -> u64 {
        let reading = group.reading();
        let probes = group.sum.probes.as_ref();
        for (index, row) in process::of(&group.sum) {
            if !row.is_of_groups() {
                continue;
            }
            let start_unix_ns = match row.source {
                Source::Probe => probes.and_then(|probes| probes.since(row.feature)),
                Source::Kernel | Source::Snapshot => Some(tracked.start_unix_ns),
            };
            let start_unix_ns = start_unix_ns.unwrap_or(tracked.start_unix_ns);
            let mut stamp = Stamp {
                start_unix_ns: start_unix_ns.min(time_unix_ns),
                time_unix_ns,
            };
            let delta = is_delta(self.temporality, row.instrument);
            let mut point = |attributes: &[(&'static str, &str)], value: Value<'_>| {
                let id = self.series.id(index, attributes);
                tracked.sent.insert(id);
                if !delta {
                    self.message.push(&self.series, id, stamp, value);
                    return;
                }
                let now = (start_unix_ns, Last::of(value, time_unix_ns));
                let last = tracked.last.insert(id, now);
                // A sum that was begun anew has no last point.
                let last = last.filter(|(start, _)| *start == start_unix_ns);
                let (start, change) = since(last.map(|(_, last)| last), value, start_unix_ns);
                stamp.start_unix_ns = start;
                self.message
                    .push(&self.series, id, stamp, change.as_value());
            };
            (row.read)(&reading, &mut point);
        }
        let stamp = Stamp {
            start_unix_ns: tracked.start_unix_ns,
            time_unix_ns,
        };
        for (index, row) in GROUP.iter().enumerate() {
            let mut point = |_: &[(&'static str, &str)], value: Value<'_>| {
                self.message.push_of_group(index, stamp, Some(value));
            };
            (row.read)(&group.own_reading(), &mut point);
        }
        self.write(&tracked.resource)
    }

    /// Says of every series that a group ever sent that it has ended.
    fn group_end(&mut self, tracked: &TrackedGroup, time_unix_ns: u64) {
        let stamp = Stamp {
            start_unix_ns: tracked.start_unix_ns,
            time_unix_ns,
        };
        for id in tracked.sent.by_row(&self.series) {
            self.message.push_end(&self.series, id, stamp, None);
        }
        for index in 0..GROUP.len() {
            self.message.push_of_group(index, stamp, None);
        }
        self.write(&tracked.resource);
    }
}
