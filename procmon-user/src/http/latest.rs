//! What the pages are made of: the latest view, and what is kept from view to view.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::timeout;

use super::page::Labels;
use crate::frame::AgentHealth;
use crate::metrics::agent::AGENT;
use crate::metrics::{AgentReading, Instrument, Points, Value};
use crate::process::{Basics, Histogram};
use crate::shape::View;

/// A view, as it is served until the next one.
#[derive(Debug)]
pub struct Latest {
    /// The view.
    pub view: Arc<View>,
    /// The agent's histograms, this view in them.
    pub histograms: Histograms,
    labels: OnceLock<Labels>,
}

impl Latest {
    /// The labels of its processes; made when they are asked for first.
    pub fn labels(&self) -> &Labels {
        self.labels.get_or_init(|| Labels::of(&self.view))
    }

    /// procmon's own process; what its sockets moved is known when it is watched.
    pub fn own(&self) -> Basics {
        let own = self.view.frame.agent.own.clone();
        match self.watched(std::process::id()) {
            Some(watched) => Basics {
                received: watched.received,
                transmitted: watched.transmitted,
                ..own
            },
            None => own,
        }
    }

    /// A process that is watched.
    pub fn watched(&self, pid: u32) -> Option<Basics> {
        let processes = &self.view.frame.processes;
        let place = processes.binary_search_by_key(&pid, |sample| sample.id.pid);
        place.ok().map(|place| Basics::of(&processes[place]))
    }
}

/// Why there is no view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// There was none so far.
    NotYet,
    /// The next one takes long.
    Late,
}

/// The way of the latest view from the consumer's thread to the requests.
#[derive(Debug)]
pub struct Shared {
    latest: watch::Sender<Option<Arc<Latest>>>,
    kept: Mutex<Between>,
}

/// What is kept when the view is not.
#[derive(Debug, Default)]
struct Between {
    histograms: Histograms,
    agent: Option<Arc<AgentHealth>>,
    /// When the last view was of, ns since boot.
    at_boot_ns: Option<u64>,
    /// When somebody asked last.
    asked: Option<Instant>,
}

/// A view that nobody may ask for is not kept when the next comes this soon:
/// whoever asks then waits for that one.
const SOON: Duration = Duration::from_millis(2500);
/// Nobody has asked for so long: nobody may ask.
const FORGOTTEN: Duration = Duration::from_secs(300);

impl Between {
    /// Whether a view of this time is to be kept until the next: it is as much
    /// memory as everything else together.
    fn keeps(&self, at_boot_ns: u64) -> bool {
        let asked = self.asked.is_some_and(|asked| asked.elapsed() < FORGOTTEN);
        let since_last = |last| Duration::from_nanos(at_boot_ns.saturating_sub(last));
        let is_next_soon = self.at_boot_ns.is_some_and(|last| since_last(last) <= SOON);
        asked || !is_next_soon
    }
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            latest: watch::Sender::new(None),
            kept: Mutex::default(),
        }
    }
}

impl Shared {
    /// The latest view; where it is not kept, the next.
    ///
    /// # Errors
    /// When there was none so far, or the next takes longer than `patience`.
    pub async fn get(&self, patience: Duration) -> Result<Arc<Latest>, Absent> {
        {
            let mut kept = self.kept();
            kept.asked = Some(Instant::now());
            if kept.agent.is_none() {
                return Err(Absent::NotYet);
            }
        }
        let mut latest = self.latest.subscribe();
        let there = timeout(patience, latest.wait_for(Option::is_some)).await;
        let there = there.ok().and_then(Result::ok);
        there.and_then(|view| view.clone()).ok_or(Absent::Late)
    }

    /// How procmon did at the end of the latest tick, once there was one.
    pub fn agent(&self) -> Option<Arc<AgentHealth>> {
        self.kept().agent.clone()
    }

    /// Lets go of the view when a tick begins: its memory is what the next is
    /// made of. A page that is on its way keeps it.
    pub fn let_go(&self) {
        drop(self.latest.send_replace(None));
    }

    /// Takes in the next view.
    pub fn follow(&self, view: &Arc<View>) {
        let mut kept = self.kept();
        kept.histograms.record(view);
        kept.agent = Some(Arc::clone(&view.frame.agent));
        let at_boot_ns = view.frame.at_boot_ns;
        let keeps = kept.keeps(at_boot_ns);
        kept.at_boot_ns = Some(at_boot_ns);
        if !keeps {
            return;
        }
        let next = Arc::new(Latest {
            view: Arc::clone(view),
            histograms: kept.histograms.clone(),
            labels: OnceLock::new(),
        });
        drop(kept);
        drop(self.latest.send_replace(Some(next)));
    }

    fn kept(&self) -> MutexGuard<'_, Between> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The histograms of the agent table, whose rows read one value a view.
#[derive(Clone, Debug, Default)]
pub struct Histograms(Vec<Kept>);

/// One series.
#[derive(Clone, Debug)]
struct Kept {
    row: usize,
    attributes: Vec<(&'static str, String)>,
    histogram: Histogram,
}

impl Histograms {
    fn record(&mut self, view: &View) {
        let reading = AgentReading {
            health: &view.frame.agent,
            exporters: &[],
            series_folded: 0,
            loops: &[],
            history: None,
        };
        let rows = AGENT.iter().enumerate();
        let kept = rows.filter(|(_, row)| row.instrument == Instrument::ExponentialHistogram);
        for (index, row) in kept {
            let mut point = |attributes: &[(&'static str, &str)], value: Value<'_>| {
                if let Value::Float(seconds) = value {
                    let ns = (seconds * 1e9).round() as u64;
                    self.of(index, attributes).record(ns);
                }
            };
            (row.read)(&reading, &mut point);
        }
    }

    fn of(&mut self, row: usize, attributes: &[(&'static str, &str)]) -> &mut Histogram {
        let is_it = |kept: &Kept| {
            let own = kept.attributes.iter().map(|(key, value)| (*key, &**value));
            kept.row == row && own.eq(attributes.iter().copied())
        };
        let place = self.0.iter().position(is_it).unwrap_or_else(|| {
            let owned = |(key, value): &(&'static str, &str)| (*key, (*value).to_owned());
            self.0.push(Kept {
                row,
                attributes: attributes.iter().map(owned).collect(),
                histogram: Histogram::default(),
            });
            self.0.len() - 1
        });
        &mut self.0[place].histogram
    }

    /// The series of a row.
    pub fn each(&self, row: usize, out: &mut dyn Points) {
        for kept in self.0.iter().filter(|kept| kept.row == row) {
            let attributes = kept.attributes.iter();
            let attributes: Vec<_> = attributes.map(|(key, value)| (*key, &**value)).collect();
            out.point(&attributes, Value::Histogram(&kept.histogram));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::Rates;
    use crate::process::fixture;

    const LONG: Duration = Duration::from_secs(60);

    fn a_view() -> Arc<View> {
        let frame = fixture::frame(0, vec![fixture::sample(7, "sh")], vec![]);
        Arc::new(fixture::view(frame, &mut Rates::default()))
    }

    #[tokio::test]
    async fn whoever_asks_during_a_tick_gets_the_view_it_makes_and_nobody_keeps_the_last() {
        let shared = Arc::new(Shared::default());
        assert_eq!(shared.get(LONG).await.err(), Some(Absent::NotYet));
        let first = a_view();
        shared.follow(&first);
        assert!(Arc::ptr_eq(&shared.get(LONG).await.unwrap().view, &first));
        shared.let_go();
        assert_eq!(Arc::strong_count(&first), 1);
        assert!(shared.agent().is_some());
        let asking = tokio::spawn({
            let shared = Arc::clone(&shared);
            async move {
                shared
                    .get(LONG)
                    .await
                    .map(|latest| Arc::clone(&latest.view))
            }
        });
        tokio::task::yield_now().await;
        let second = a_view();
        shared.follow(&second);
        assert!(Arc::ptr_eq(&asking.await.unwrap().unwrap(), &second));
    }

    #[tokio::test]
    async fn a_view_is_kept_while_somebody_asks_or_when_the_next_comes_late() {
        let shared = Shared::default();
        let follow = |at_ms: u64| {
            let mut view = a_view();
            let own = Arc::get_mut(&mut view).unwrap();
            Arc::get_mut(&mut own.frame).unwrap().at_boot_ns = at_ms * 1_000_000;
            shared.let_go();
            shared.follow(&view);
            Arc::strong_count(&view) > 1
        };
        assert!(follow(0), "nobody knows when the next comes");
        assert!(!follow(1000));
        assert!(follow(11_000));
        assert!(!follow(12_000));
        // Whoever asks now gets the next.
        assert_eq!(
            shared.get(Duration::from_millis(1)).await.err(),
            Some(Absent::Late)
        );
        assert!(follow(13_000));
        assert!(shared.get(LONG).await.is_ok());
        shared.kept().asked = Instant::now().checked_sub(FORGOTTEN);
        assert!(!follow(14_000));
    }

    #[tokio::test]
    async fn a_tick_that_takes_too_long_is_told() {
        let shared = Shared::default();
        shared.follow(&a_view());
        shared.let_go();
        let patience = Duration::from_millis(10);
        assert_eq!(shared.get(patience).await.err(), Some(Absent::Late));
    }
}
