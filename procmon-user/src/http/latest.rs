//! What the pages are made of: the latest view, and what is kept from view to view.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::page::Labels;
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

/// The way of the latest view from the consumer's thread to the requests.
#[derive(Debug, Default)]
pub struct Shared(Mutex<Option<Arc<Latest>>>);

impl Shared {
    /// The latest view, once there was one.
    pub fn get(&self) -> Option<Arc<Latest>> {
        let latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        latest.clone()
    }

    /// Takes in the next view.
    pub fn follow(&self, view: &Arc<View>) {
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut histograms = match &*latest {
            Some(latest) => latest.histograms.clone(),
            None => Histograms::default(),
        };
        histograms.record(view);
        let next = Arc::new(Latest {
            view: Arc::clone(view),
            histograms,
            labels: OnceLock::new(),
        });
        let last = latest.replace(next);
        drop(latest);
        // Its view may be great: nobody waits for that.
        drop(last);
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
