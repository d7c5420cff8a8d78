//! Whose child a process is, and to which trace it belongs.

use std::collections::HashMap;

use super::ids::{Ids, SpanId, TraceId};
use crate::export::otlp::KEPT_VIEWS;
use crate::process::{Pids, ProcessId, ProcessSample};
use crate::shape::View;

/// These never end, so their spans never come: init and kthreadd. Who is their
/// child begins a trace.
const ENDLESS: [u32; 2] = [1, 2];

/// Where a span belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lineage {
    /// The trace of its first ancestor that is watched.
    pub trace: TraceId,
    /// The parent's span, where the parent is watched.
    pub parent: Option<SpanId>,
}

/// One that is remembered.
#[derive(Clone, Copy, Debug)]
struct Kin {
    id: ProcessId,
    lineage: Lineage,
    /// The last view that it was in.
    view: u64,
}

/// Everybody who was seen, by pid; of those with one pid the latest last.
#[derive(Debug, Default)]
pub struct Family {
    known: HashMap<u32, Vec<Kin>, foldhash::fast::RandomState>,
    views: u64,
}

impl Family {
    /// Those that have ended since the view before, in the order of their ends,
    /// and where they belong.
    pub fn ended<'a>(&mut self, ids: &Ids, view: &'a View) -> Vec<(&'a ProcessSample, Lineage)> {
        let frame = &*view.frame;
        self.views += 1;
        let now = self.views;
        let mut new = Vec::new();
        for sample in frame.processes.iter().chain(&frame.exited) {
            match self.find_mut(sample.id) {
                Some(kin) => kin.view = now,
                None => new.push(sample),
            }
        }
        for id in &frame.ending {
            if let Some(kin) = self.find_mut(*id) {
                kin.view = now;
            }
        }
        self.meet(ids, new);
        let ended = frame.exited.iter().filter_map(|sample| {
            let kin = self.find(sample.id)?;
            Some((sample, kin.lineage))
        });
        let ended = ended.collect();
        // The record of a child may come later than its parent's.
        for kin in self.known.values_mut() {
            kin.retain(|kin| now - kin.view < KEPT_VIEWS);
        }
        self.known.retain(|_, kin| !kin.is_empty());
        ended
    }

    /// Finds out where new ones belong: parents first, as their children are of
    /// their traces.
    fn meet(&mut self, ids: &Ids, mut new: Vec<&ProcessSample>) {
        new.sort_by_key(|sample| sample.id.start_ticks);
        for born_together in new.chunk_by(|one, next| one.id.start_ticks == next.id.start_ticks) {
            self.meet_of_one_tick(ids, born_together.to_vec());
        }
    }

    /// Those that began in the same 10 ms: their starts do not tell who came
    /// first.
    fn meet_of_one_tick(&mut self, ids: &Ids, mut new: Vec<&ProcessSample>) {
        while !new.is_empty() {
            let pids: Pids = new.iter().map(|sample| sample.id.pid).collect();
            let (waiting, ready): (Vec<_>, Vec<_>) = new
                .iter()
                .partition(|sample| parent_pid(sample).is_some_and(|pid| pids.contains(&pid)));
            // Whoever waits for each other is nobody's child.
            let (waiting, ready) = match ready.is_empty() {
                true => (Vec::new(), waiting),
                false => (waiting, ready),
            };
            for sample in ready {
                self.add(ids, sample);
            }
            new = waiting;
        }
    }

    fn add(&mut self, ids: &Ids, sample: &ProcessSample) {
        let id = sample.id;
        let parent = parent_pid(sample).and_then(|pid| self.alive_at(pid, id.start_ticks));
        let lineage = match parent {
            Some(parent) => Lineage {
                trace: parent.lineage.trace,
                parent: Some(ids.span(parent.id)),
            },
            None => Lineage {
                trace: ids.trace(id),
                parent: None,
            },
        };
        let all = self.known.entry(id.pid).or_default();
        all.push(Kin {
            id,
            lineage,
            view: self.views,
        });
        all.sort_by_key(|kin| kin.id.start_ticks);
    }

    /// Who had a pid at a time.
    fn alive_at(&self, pid: u32, ticks: u64) -> Option<&Kin> {
        let all = self.known.get(&pid)?;
        all.iter().rfind(|kin| kin.id.start_ticks <= ticks)
    }

    fn find(&self, id: ProcessId) -> Option<&Kin> {
        self.known.get(&id.pid)?.iter().find(|kin| kin.id == id)
    }

    fn find_mut(&mut self, id: ProcessId) -> Option<&mut Kin> {
        let all = self.known.get_mut(&id.pid)?;
        all.iter_mut().find(|kin| kin.id == id)
    }
}

fn parent_pid(sample: &ProcessSample) -> Option<u32> {
    let parent = sample.metadata.parent_pid;
    parent.filter(|pid| !ENDLESS.contains(pid) && *pid != sample.id.pid)
}
