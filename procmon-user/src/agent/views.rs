//! The way of the views from the collector to its consumers, and how many of
//! them each consumer was too slow for.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use log::warn;
use tokio::sync::broadcast;

use crate::heartbeat::{Heartbeat, Heartbeats};
use crate::shape::View;

/// How many views a consumer may be behind before it loses the oldest; a power
/// of two, as the way keeps no other number.
const VIEWS: usize = 16;

/// A way for views, to subscribe consumers to before it is used. It closes when
/// it is dropped.
#[derive(Debug)]
pub struct Views {
    way: broadcast::Sender<Arc<View>>,
    sent: Arc<AtomicU64>,
    consumers: Mutex<Vec<ConsumerHealth>>,
    heartbeats: Heartbeats,
    hooks: Mutex<Hooks>,
}

/// What is to be done when a tick begins.
#[derive(Default)]
struct Hooks(Vec<Box<dyn Fn() + Send>>);

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} hooks", self.0.len())
    }
}

/// How a consumer does.
#[derive(Clone, Debug)]
pub struct ConsumerHealth {
    /// `procmon.consumer`.
    pub name: &'static str,
    sent: Arc<AtomicU64>,
    progress: Arc<Progress>,
    heartbeat: Heartbeat,
}

/// How far a consumer has come.
#[derive(Debug, Default)]
struct Progress {
    received: AtomicU64,
    /// Views it was too slow for, as far as it has noticed.
    lost: AtomicU64,
    ended: AtomicBool,
    said: AtomicBool,
}

impl Default for Views {
    fn default() -> Self {
        Self {
            way: broadcast::channel(VIEWS).0,
            sent: Arc::default(),
            consumers: Mutex::default(),
            heartbeats: Heartbeats::default(),
            hooks: Mutex::default(),
        }
    }
}

impl Views {
    /// All views, for a consumer of this name.
    pub(super) fn subscribe(
        &self,
        name: &'static str,
    ) -> (broadcast::Receiver<Arc<View>>, ConsumerHealth) {
        let health = ConsumerHealth {
            name,
            sent: Arc::clone(&self.sent),
            progress: Arc::default(),
            heartbeat: self.heartbeats.of(name),
        };
        let mut consumers = self
            .consumers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        consumers.push(health.clone());
        (self.way.subscribe(), health)
    }

    /// The loops of the consumers, and whoever else is among them.
    pub fn heartbeats(&self) -> &Heartbeats {
        &self.heartbeats
    }

    /// Does this whenever a tick begins, on the collector's thread: so that
    /// whoever keeps a view lets go of it, and its memory is there for the next.
    pub fn when_a_tick_begins(&self, hook: impl Fn() + Send + 'static) {
        let mut hooks = self.hooks.lock().unwrap_or_else(PoisonError::into_inner);
        hooks.0.push(Box::new(hook));
    }

    /// A tick begins.
    pub(super) fn begin_tick(&self) {
        let hooks = self.hooks.lock().unwrap_or_else(PoisonError::into_inner);
        hooks.0.iter().for_each(|hook| hook());
    }

    /// Sends a view to every consumer.
    pub(crate) fn send(&self, view: View) {
        // Without a consumer nobody listens: that is no failure.
        let _ = self.way.send(Arc::new(view));
        self.sent.fetch_add(1, Ordering::SeqCst);
    }

    /// How many views all consumers together were too slow for; says once of
    /// each that it is.
    pub(super) fn dropped(&self) -> u64 {
        let consumers = self
            .consumers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let dropped = |consumer: &ConsumerHealth| {
            let dropped = consumer.dropped();
            if dropped > 0 && !consumer.progress.said.swap(true, Ordering::Relaxed) {
                warn!("{} is too slow: frames are lost", consumer.name);
            }
            dropped
        };
        consumers.iter().map(dropped).sum()
    }
}

impl ConsumerHealth {
    /// Views it was too slow for. One that hangs does not notice what it loses:
    /// that is all that was sent, but for what it has received and what waits.
    pub fn dropped(&self) -> u64 {
        let lost = self.progress.lost.load(Ordering::SeqCst);
        if self.progress.ended.load(Ordering::SeqCst) {
            return lost;
        }
        let received = self.progress.received.load(Ordering::SeqCst);
        let behind = self.sent.load(Ordering::SeqCst).saturating_sub(received);
        lost.max(behind.saturating_sub(VIEWS as u64))
    }

    /// It has received a view.
    pub(super) fn received(&self) {
        self.heartbeat.beat();
        self.progress.received.fetch_add(1, Ordering::SeqCst);
    }

    /// It is done with it.
    pub(super) fn consumed(&self) {
        self.heartbeat.rest();
    }

    /// It has noticed that it lost views.
    pub(super) fn lost(&self, count: u64) {
        self.progress.lost.fetch_add(count, Ordering::SeqCst);
    }

    /// It receives no more: what is sent from now on, it does not lose.
    pub(super) fn end(&self) {
        let dropped = self.dropped();
        self.progress.lost.fetch_max(dropped, Ordering::SeqCst);
        self.heartbeat.rest();
        self.progress.ended.store(true, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::broadcast::error::TryRecvError;

    use super::*;
    use crate::analysis::Rates;
    use crate::process::fixture;

    #[test]
    fn what_a_consumer_loses_is_counted_while_it_hangs_and_not_again_when_it_goes_on() {
        let views = Views::default();
        let (mut way, health) = views.subscribe("slow");
        let send = |count: usize| {
            for _ in 0..count {
                views.send(fixture::view(
                    fixture::frame(0, vec![], vec![]),
                    &mut Rates::default(),
                ));
            }
        };
        send(VIEWS);
        assert_eq!(health.dropped(), 0);
        send(5);
        assert_eq!((health.dropped(), views.dropped()), (5, 5));
        assert_eq!(way.try_recv().unwrap_err(), TryRecvError::Lagged(5));
        health.lost(5);
        assert_eq!(health.dropped(), 5);
        while way.try_recv().is_ok() {
            health.received();
        }
        assert_eq!(health.dropped(), 5);
        send(VIEWS + 2);
        health.end();
        send(10);
        assert_eq!(health.dropped(), 7);
    }
}
