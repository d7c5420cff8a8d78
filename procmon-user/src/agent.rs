//! Wires the flow: the collector's thread makes a view a tick, each consumer
//! takes views at its own pace, and all of it ends in order.

mod change;
mod consumers;
mod control;
mod keeper;
mod schedule;
mod views;

use std::borrow::Cow;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow};
use log::warn;

use crate::analysis::{Derived, History, Rates};
use crate::collector::{Collector, Missed};
use crate::frame::Frame;
use crate::heap;
use crate::heartbeat::{self, Heartbeat};
use crate::shape::{Shaper, View};
pub use change::Change;
pub use consumers::{Consumer, spawn};
pub use control::Control;
use control::{Order, Wake};
pub use keeper::Keeper;
pub use schedule::Schedule;
pub use views::{ConsumerHealth, Views};

/// What makes views of frames.
pub struct Analysis {
    /// Decides what of them is sent.
    pub shaper: Shaper,
    /// Keeps the past, where anybody wants it.
    pub history: Option<History>,
    /// Keeps that in a file, if it is to survive.
    pub keeper: Option<Keeper>,
}

impl Analysis {
    /// Makes a view, which is part of the history from now on.
    fn view(&mut self, frame: Arc<Frame>, derived: Vec<Derived>) -> View {
        let mut view = self.shaper.shape(frame, derived);
        if let Some(history) = &mut self.history {
            let groups = view.folding.groups.iter();
            let groups = groups.map(|group| {
                let key = (Cow::Borrowed(group.by), Arc::clone(&group.name));
                (key, &group.sum)
            });
            view.history = Some(history.record(&view.frame, &view.derived, groups));
            if let Some(keeper) = &mut self.keeper {
                keeper.mind(history);
            }
        }
        view
    }

    /// Keeps the history for the next start.
    fn finish(self) {
        if let (Some(history), Some(keeper)) = (self.history, self.keeper) {
            keeper.finish(&history);
        }
    }
}

/// The thread that collects.
pub struct Agent {
    thread: JoinHandle<(Collector, Result<()>)>,
    control: Control,
}

impl Agent {
    /// Starts to collect. The way of the views closes when collecting ends, so
    /// that the consumers end too; `done` is called then.
    pub fn start(
        collector: Collector,
        schedule: Schedule,
        analysis: Analysis,
        views: Views,
        control: &Control,
        done: impl FnOnce() + Send + 'static,
    ) -> Result<Self> {
        let control = control.clone();
        let its_control = control.clone();
        let heartbeat = views.heartbeats().of("collect");
        let thread = std::thread::Builder::new()
            .name("procmon-collect".to_owned())
            .spawn(move || {
                let mut collector = collector;
                let mut analysis = analysis;
                let waiting = Waiting {
                    control: &its_control,
                    heartbeat: &heartbeat,
                };
                let result = collect(&mut collector, schedule, &mut analysis, &views, &waiting);
                heartbeat.rest();
                // The consumers end while the history is written.
                drop(views);
                analysis.finish();
                done();
                (collector, result)
            })
            .context("cannot start the collector's thread")?;
        Ok(Self { thread, control })
    }

    /// Ends collecting, if it has not ended, and gives the collector back with
    /// how it went.
    pub fn stop(self) -> Result<(Collector, Result<()>)> {
        self.control.stop();
        self.thread
            .join()
            .map_err(|_| anyhow!("the collector's thread panicked"))
    }
}

/// Collects until the schedule or an order ends it, or all that was to be
/// watched has ended.
fn collect(
    collector: &mut Collector,
    mut schedule: Schedule,
    analysis: &mut Analysis,
    views: &Views,
    waiting: &Waiting<'_>,
) -> Result<()> {
    let mut rates = Rates::default();
    let mut missed = Missed::default();
    let mut is_first = true;
    loop {
        waiting.heartbeat.beat();
        missed.frames = views.dropped();
        views.begin_tick();
        let frame = Arc::new(collector.tick(missed)?);
        let derived = rates.derive(&frame);
        views.send(analysis.view(frame, derived));
        if collector.ended() {
            return Ok(());
        }
        let mut due = schedule.advance();
        let next = loop {
            let (until, then) = match due {
                Some(due) => (due, Next::Tick),
                // The rest of a duration that is no multiple of the interval.
                None => match schedule.end().filter(|_| !schedule.counted_out()) {
                    Some(end) if end > Instant::now() => (end, Next::Last),
                    _ => return Ok(()),
                },
            };
            match waiting.wait(collector, until)? {
                Waited::Due => break then,
                Waited::Stopped => break Next::Last,
                Waited::Change(change) => {
                    due = schedule.change(change.interval);
                    change.apply(collector, &mut analysis.shaper);
                }
            }
        };
        if std::mem::take(&mut is_first) {
            heap::let_go_of_the_start();
        }
        missed.ticks += u64::from(next == Next::Tick && schedule.is_late());
        missed.ticks += schedule.take_left_out();
        if next == Next::Last {
            schedule = Schedule::new(std::time::Duration::ZERO, Some(1), None);
        }
    }
}

/// What comes after a wait.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Tick,
    /// One last tick, now: what has happened since the one before is told, and
    /// whoever ended has a last object.
    Last,
}

/// Why a wait is over.
enum Waited {
    /// The time has come.
    Due,
    /// It is to end.
    Stopped,
    /// It is to go on otherwise.
    Change(Box<Change>),
}

/// What ends a wait, and shows that whoever waits lives.
struct Waiting<'a> {
    control: &'a Control,
    heartbeat: &'a Heartbeat,
}

impl Waiting<'_> {
    /// Waits until then, taking in ends and minding the overhead meanwhile.
    fn wait(&self, collector: &mut Collector, due: Instant) -> Result<Waited> {
        let wakeup = collector.wakeup();
        let mut grace = None;
        loop {
            self.heartbeat.beat();
            match self.control.order() {
                Order::Run => {}
                Order::Stop => return Ok(Waited::Stopped),
                Order::Finish(pid) => {
                    let until = *grace.get_or_insert_with(|| self.control.grace());
                    if collector.has_ended(pid) {
                        return Ok(Waited::Stopped);
                    }
                    if Instant::now() >= until {
                        warn!("the end of the command was not seen: its totals may be short");
                        return Ok(Waited::Stopped);
                    }
                }
            }
            if let Some(change) = self.control.take_change() {
                return Ok(Waited::Change(change));
            }
            let until = grace.map_or(due, |grace: Instant| grace.min(due));
            let wake = until
                .min(collector.overhead_due())
                .min(Instant::now() + heartbeat::EVERY);
            match self.control.wait(wake, wakeup)? {
                Wake::Due if Instant::now() < until => collector.mind_overhead()?,
                Wake::Due if grace.is_none() => return Ok(Waited::Due),
                Wake::Due | Wake::Told => {}
                Wake::Events => {
                    collector.absorb();
                    if collector.ended() {
                        return Ok(Waited::Stopped);
                    }
                }
            }
        }
    }
}
