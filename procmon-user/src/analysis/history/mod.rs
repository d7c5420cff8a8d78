//! The last samples of every process, group and of the host, in bounded memory,
//! and what they add up to.
//!
//! Memory: a sample takes one byte, and one to four more for each of its eight
//! values that differs from the sample before: 1 byte of an idle process, 20 of
//! a server that moves hundreds of KiB by every way. An eighth more may be
//! unused, and a process takes up to [`SERIES_BYTES`] beside its samples. Where
//! that is more than may be, each keeps fewer samples.

mod cap;
mod ring;
mod row;
mod series;
mod settings;
mod snapshot;

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::mem::size_of;
use std::sync::Arc;

use crate::analysis::Derived;
use crate::frame::Frame;
use crate::process::{ByProcess, ProcessId, ProcessSample};
use cap::Cap;
pub use row::{Column, Row, centipercent};
pub use series::{Aggregate, Series, Spread};
pub use settings::{LEAST_DEPTH, Settings};
pub use snapshot::{Snapshot, SnapshotError};

/// What a process takes beside its samples: its entry in a table that may be
/// half empty.
pub const SERIES_BYTES: usize = 2 * size_of::<(ProcessId, Series)>();

/// A group by what it is named after and its name.
pub type GroupKey = (Cow<'static, str>, Arc<str>);

/// Keeps the past.
#[derive(Debug)]
pub struct History {
    processes: ByProcess<Series>,
    groups: HashMap<GroupKey, Metered>,
    host: Metered,
    /// When the last frames were taken, ns since boot, oldest first: whoever is
    /// sampled is in every frame from his first sample on.
    times: VecDeque<u64>,
    cap: Cap,
}

/// A series whose CPU use follows from totals.
#[derive(Clone, Debug, Default)]
struct Metered {
    series: Series,
    /// When they were read and what they were, ns.
    cpu: Option<(u64, u64)>,
    /// The tick it was in last.
    tick: u64,
}

/// What the history says at a tick.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Past {
    /// Of the live processes, in the frame's order; the samples of this frame
    /// are in. `None`: there was no room for one more.
    pub live: Vec<Option<Aggregate>>,
    /// Of those that have ended, in the frame's order, with their final totals.
    pub exited: Vec<Option<Aggregate>>,
    /// How the history does.
    pub health: HistoryHealth,
}

/// How the history does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HistoryHealth {
    /// The most samples that each keeps.
    pub depth: u32,
    /// Bytes it takes.
    pub bytes: u64,
    /// Processes and groups it has no room for now.
    pub left_out: u64,
}

impl History {
    /// A history without a past.
    pub fn new(settings: &Settings) -> Self {
        Self {
            processes: ByProcess::default(),
            groups: HashMap::new(),
            host: Metered::default(),
            times: VecDeque::new(),
            cap: Cap::new(settings),
        }
    }

    /// Takes a frame in: what is in it is sampled, what is not is forgotten.
    /// `groups` are those it was summed up into.
    pub fn record<'a>(
        &mut self,
        frame: &Frame,
        derived: &[Derived],
        groups: impl Iterator<Item = (GroupKey, &'a ProcessSample)>,
    ) -> Past {
        self.cap.begin();
        self.times.push_back(frame.at_boot_ns);
        let live = frame.processes.iter().zip(derived);
        let mut past = Past {
            live: live
                .map(|(sample, derived)| {
                    self.process(sample.id, Row::of_process(sample, Some(derived)))
                })
                .collect(),
            ..Past::default()
        };
        for sample in &frame.exited {
            let row = Row::of_process(sample, None);
            past.exited.push(self.process(sample.id, row));
        }
        self.forget(frame);
        for (key, sum) in groups {
            self.group(key, sum, frame);
        }
        let cap = &mut self.cap;
        self.groups.retain(|_, group| {
            let stays = group.tick == frame.tick;
            if !stays {
                cap.took(group.series.heap_bytes(), 0);
            }
            stays
        });
        self.host(frame);
        self.fit();
        past.health = self.cap.health(self.bytes());
        past
    }

    /// When the newest so many samples were taken, ns since boot, oldest first.
    pub fn times(&self, samples: u32) -> impl Iterator<Item = u64> {
        let skip = self.times.len().saturating_sub(samples as usize);
        self.times.iter().skip(skip).copied()
    }

    /// The samples of a process.
    pub fn process_series(&self, id: ProcessId) -> Option<&Series> {
        self.processes.get(&id)
    }

    /// The samples of a group: by what, and its name.
    pub fn group_series(&self, by: &str, name: &str) -> Option<&Series> {
        let key = (Cow::Owned(by.to_owned()), Arc::from(name));
        self.groups.get(&key).map(|group| &group.series)
    }

    /// The samples of the host: CPU use and memory.
    pub fn host_series(&self) -> &Series {
        &self.host.series
    }

    fn process(&mut self, id: ProcessId, row: Row) -> Option<Aggregate> {
        let capacity = self.processes.capacity();
        // The table doubles when it is full.
        if self.processes.len() == capacity
            && !self.cap.has_room(table_bytes(2 * capacity))
            && !self.processes.contains_key(&id)
        {
            self.cap.leave_out();
            return None;
        }
        let series = self.processes.entry(id).or_default();
        let before = series.heap_bytes();
        series.push(row, self.cap.depth());
        self.cap.took(before, series.heap_bytes());
        Some(series.aggregate())
    }

    fn group(&mut self, key: GroupKey, sum: &ProcessSample, frame: &Frame) {
        let totals = &sum.totals;
        let cpu_ns = totals.user_ns.zip(totals.system_ns).map(|(u, s)| u + s);
        let group = self.groups.entry(key).or_default();
        let cores = group.cores(cpu_ns, frame);
        group.push(Row::of_totals(sum, cores), frame, &mut self.cap);
    }

    fn host(&mut self, frame: &Frame) {
        let host = &frame.host;
        let idle = |mode: &str| matches!(mode, "idle" | "iowait" | "steal");
        let busy = host.cpu_ns.iter().filter(|(mode, _)| !idle(mode));
        let busy = (!host.cpu_ns.is_empty()).then(|| busy.map(|(_, ns)| ns).sum());
        let mut row = Row::default();
        row.0[Column::Cpu as usize] = self.host.cores(busy, frame).map(centipercent);
        let memory = host.memory.as_ref();
        let used = memory.map(|memory| memory.total.saturating_sub(memory.available) >> 10);
        row.0[Column::Memory as usize] = used;
        self.host.push(row, frame, &mut self.cap);
    }

    /// Forgets the processes that are neither in the frame nor to come back
    /// with their ends.
    fn forget(&mut self, frame: &Frame) {
        if self.processes.len() == frame.processes.len()
            && frame.exited.is_empty()
            && self.cap.has_all()
        {
            return;
        }
        let mut here: Vec<ProcessId> = frame.processes.iter().map(|sample| sample.id).collect();
        here.extend(&frame.ending);
        here.sort_unstable();
        let cap = &mut self.cap;
        self.processes.retain(|id, series| {
            let stays = here.binary_search(id).is_ok();
            if !stays {
                cap.took(series.heap_bytes(), 0);
            }
            stays
        });
    }

    /// Lets each have fewer samples until all of them fit.
    fn fit(&mut self) {
        while self.cap.must_shrink(self.bytes()) {
            self.trim();
        }
        while self.times.len() > self.cap.depth() as usize {
            self.times.pop_front();
        }
    }

    /// Takes from each the samples it may not have, and the room it does not
    /// need.
    fn trim(&mut self) {
        let depth = self.cap.depth();
        let series = self.processes.values_mut();
        let groups = self.groups.values_mut().map(|group| &mut group.series);
        let mut bytes = 0;
        for series in series.chain(groups).chain([&mut self.host.series]) {
            series.trim(depth);
            series.shrink();
            bytes += series.heap_bytes();
        }
        self.cap.recounted(bytes);
    }

    /// What the tables take, however few samples there are.
    fn fixed_bytes(&self) -> usize {
        let group = 2 * size_of::<(GroupKey, Metered)>();
        table_bytes(self.processes.capacity()) + group * self.groups.len()
    }

    fn bytes(&self) -> usize {
        self.fixed_bytes() + self.cap.heap_bytes()
    }
}

/// What a table with room for so many processes takes: an eighth of its places
/// stays empty.
fn table_bytes(capacity: usize) -> usize {
    capacity * 8 / 7 * size_of::<(ProcessId, Series)>()
}

impl Metered {
    /// CPU use since the totals before, in cores.
    fn cores(&mut self, cpu_ns: Option<u64>, frame: &Frame) -> Option<f64> {
        let now = cpu_ns.map(|ns| (frame.at_boot_ns, ns));
        let before = std::mem::replace(&mut self.cpu, now);
        let ((at, ns), (before_at, before_ns)) = (now?, before?);
        let elapsed = at.checked_sub(before_at).filter(|ns| *ns > 0)?;
        Some(ns.saturating_sub(before_ns) as f64 / elapsed as f64)
    }

    fn push(&mut self, row: Row, frame: &Frame, cap: &mut Cap) {
        let before = self.series.heap_bytes();
        self.series.push(row, cap.depth());
        cap.took(before, self.series.heap_bytes());
        self.tick = frame.tick;
    }
}

#[cfg(test)]
mod tests;
