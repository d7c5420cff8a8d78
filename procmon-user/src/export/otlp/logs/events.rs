//! What happened to processes between two views.

use std::num::NonZeroU64;

use procmon_common::Counter;

use crate::export::otlp::KEPT_VIEWS;
use crate::frame::Frame;
use crate::process::identity::NS_PER_TICK;
use crate::process::{ByProcess, ProcessSample};
use crate::shape::View;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// It executed programs, so many since the view before; the present one is
    /// the last.
    Exec(u64),
    /// The kernel chose it, so many times, to be killed for want of memory.
    OomKilled(u64),
    /// It ended.
    Exit,
}

/// An event of a process.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// What happened.
    pub what: What,
    /// To whom.
    pub sample: &'a ProcessSample,
    /// When, ns of Unix time; `None` where the kernel half did not note it.
    pub at_unix_ns: Option<u64>,
}

/// Remembers what was told of each process. Counts tell what happened to the
/// living, not views: one that was lost costs none of that. The ends in it are
/// lost with it.
#[derive(Debug, Default)]
pub struct Happened {
    known: ByProcess<Told>,
    views: u64,
    /// When the last view was, ns of CLOCK_BOOTTIME.
    last_boot_ns: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Told {
    execs: u64,
    oom_kills: u64,
    /// The last view that it was in.
    view: u64,
}

impl Told {
    /// What does not count as news of a process that is seen for the first time:
    /// one that was there at the last view already, and was watched only now, did
    /// most of what it did before.
    fn before(sample: &ProcessSample, last_boot_ns: Option<u64>) -> Self {
        let (Some(last), Some(probes)) = (last_boot_ns, &sample.probes) else {
            return Self::default();
        };
        // Its start is rounded down.
        if sample.id.start_boot_ns() + NS_PER_TICK > last {
            return Self::default();
        }
        let older = |count: u64, latest: Option<NonZeroU64>| {
            count.saturating_sub(latest.is_some_and(|at| at.get() > last).into())
        };
        Self {
            execs: older(probes.get(Counter::Execs), probes.executed_boot_ns),
            oom_kills: older(probes.get(Counter::OomKills), probes.oom_killed_boot_ns),
            view: 0,
        }
    }
}

impl Happened {
    /// What happened since the view before, in the order of the times. What is
    /// of one process is in its order also where times are not known.
    pub fn since_the_view_before<'a>(&mut self, view: &'a View) -> Vec<Event<'a>> {
        let frame = &*view.frame;
        self.views += 1;
        let mut events = Vec::new();
        for sample in frame.processes.iter().chain(&frame.exited) {
            self.of(sample, frame, &mut events);
        }
        for id in &frame.ending {
            if let Some(told) = self.known.get_mut(id) {
                told.view = self.views;
            }
        }
        self.known
            .retain(|_, told| self.views - told.view < KEPT_VIEWS);
        self.last_boot_ns = Some(frame.at_boot_ns);
        let latest = frame.at_unix_ns;
        // Stable: what has the same time stays as it is.
        events.sort_by_key(|event| event.at_unix_ns.unwrap_or(latest));
        events
    }

    fn of<'a>(&mut self, sample: &'a ProcessSample, frame: &Frame, events: &mut Vec<Event<'a>>) {
        let last_boot_ns = self.last_boot_ns;
        let told = self.known.entry(sample.id);
        let told = told.or_insert_with(|| Told::before(sample, last_boot_ns));
        told.view = self.views;
        let end = sample.exit.map(|exit| exit.at_unix_ns);
        let mut add = |what, at_unix_ns| {
            events.push(Event {
                what,
                sample,
                at_unix_ns,
            });
        };
        if let Some(probes) = &sample.probes {
            let at = |boot_ns: Option<NonZeroU64>| {
                // Without one of its own it comes before the end.
                boot_ns.map(|at| frame.unix_ns(at.get())).or(end)
            };
            let execs = probes.get(Counter::Execs);
            let oom_kills = probes.get(Counter::OomKills);
            let mut counted = [
                (
                    execs,
                    &mut told.execs,
                    What::Exec as fn(u64) -> What,
                    at(probes.executed_boot_ns),
                ),
                (
                    oom_kills,
                    &mut told.oom_kills,
                    What::OomKilled,
                    at(probes.oom_killed_boot_ns),
                ),
            ];
            for (now, before, what, at_unix_ns) in &mut counted {
                let since = std::mem::replace(*before, *now);
                // Counts that began anew are all new.
                let new = now.checked_sub(since).unwrap_or(*now);
                if new > 0 {
                    add(what(new), *at_unix_ns);
                }
            }
        }
        if sample.exit.is_some() {
            add(What::Exit, end);
            self.known.remove(&sample.id);
        }
    }
}
