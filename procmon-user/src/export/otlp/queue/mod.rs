//! Batches that wait for the collector: bounded, in order, never in the way.
//!
//! They wait in memory or, where there is a spool, on disk: then each is
//! written there before it is sent, and stays until it was taken or refused.

mod disk;
mod sender;
mod state;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

pub use crate::export::backoff::Backoff;
use crate::export::otlp::Signal;
use crate::export::otlp::encode::Batch;
use crate::export::otlp::spool::Opened;
use crate::export::otlp::transport::{Splitting, Transport};
use crate::metrics::ExporterHealth;
use disk::Disk;
use sender::Sender;
pub use state::Retried;
use state::{Shared, State};

/// How long a network that works may take for a batch before it counts as one
/// that does not.
const STUCK_AFTER: Duration = Duration::from_secs(1);

/// What was still waiting at the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Undelivered {
    /// Batches that are lost.
    pub batches: u64,
    /// Points, log records or spans in them.
    pub items: u64,
    /// Batches that are in the spool, for the next time.
    pub kept_batches: u64,
    /// Points, log records or spans in them.
    pub kept_items: u64,
}

/// The queue and the one task that empties it.
#[derive(Debug)]
pub struct Queue {
    shared: Arc<Shared>,
    disk: Option<Disk>,
    sender: JoinHandle<()>,
}

/// How the queue does; stays good after its end.
#[derive(Clone, Debug)]
pub struct QueueHealth(Arc<Shared>);

impl Queue {
    /// A queue of at most `limit` bytes in memory that a task on `runtime`
    /// empties into `transport`, beginning with what was in the spool, if there
    /// is one. `name` is what the log calls the collector of the signal `of`.
    pub fn start(
        transport: impl Transport,
        of: Signal,
        name: String,
        limit: usize,
        spool: Option<Opened>,
        backoff: Backoff,
        runtime: &Handle,
    ) -> Self {
        let mut state = State::default();
        let mut kept = format!("{limit} bytes");
        let spooled = Arc::default();
        let mut disk = None;
        if let Some(Opened {
            spool,
            found,
            lost,
            tried,
        }) = spool
        {
            state = State::with(&found);
            state.health.dropped = lost;
            state.health.retried = tried.into();
            kept = format!("{} bytes in {}", spool.limit(), spool.folder().display());
            disk = Some(Disk::new(spool, &spooled));
        }
        state.health.exporter = of.exporter();
        let shared = Arc::new(Shared {
            limit,
            of,
            name,
            kept,
            state: Mutex::new(state),
            spooled,
            wake: Notify::new(),
            tried: Condvar::new(),
        });
        let sender = Sender {
            shared: Arc::clone(&shared),
            disk: disk.clone(),
            transport: Splitting::new(transport, shared.name.clone()),
            backoff,
            failures: 0,
            rejecting: false,
            first_failure: None,
        };
        Self {
            sender: runtime.spawn(sender.run()),
            disk,
            shared,
        }
    }

    /// Waits while batches wait in memory already, as long as one after the
    /// other is taken off: where the network does not work, not at all. Blocks
    /// the thread.
    pub fn await_room(&self) {
        let mut state = self.shared.state();
        while state.is_crowded() {
            let settled = state.settled;
            let unchanged = |state: &mut State| state.settled == settled && !state.stuck;
            let waited = self
                .shared
                .tried
                .wait_timeout_while(state, STUCK_AFTER, unchanged);
            let (now, waited) = waited.unwrap_or_else(PoisonError::into_inner);
            state = now;
            state.stuck |= waited.timed_out();
        }
    }

    /// Puts a batch at the end, and into the spool; the oldest make room for
    /// it. Writes to the disk, and does not wait for the network.
    pub fn push(&self, batch: Batch) {
        let kept = self.disk.as_ref().and_then(|disk| disk.keep(&batch));
        let mut state = self.shared.state();
        let mut lost = kept.map_or(0, |kept| state.forget_before(kept.oldest));
        state.push(batch, kept.map(|kept| kept.location));
        lost += state.bound(self.shared.limit);
        state.health.dropped += lost;
        if lost > 0 && !state.overflow_said {
            state.overflow_said = true;
            log::warn!(
                "OTLP to {}: the queue of {} is full; the oldest batches are dropped",
                self.shared.name,
                self.shared.kept
            );
        }
        drop(state);
        self.shared.wake.notify_one();
    }

    /// How it does, for as long as anyone asks.
    pub fn health(&self) -> QueueHealth {
        QueueHealth(Arc::clone(&self.shared))
    }

    /// Delivers what it can until the deadline; what it cannot is told, and
    /// dropped where it is not in the spool. The spool is free then.
    pub async fn shutdown(mut self, deadline: Duration) -> Undelivered {
        self.shared.state().ending = true;
        self.shared.wake.notify_one();
        if timeout(deadline, &mut self.sender).await.is_err() {
            self.sender.abort();
            // Both let go of the spool: the task, and what it has begun.
            let _ = (&mut self.sender).await;
            if let Some(disk) = &self.disk {
                disk.finished().await;
            }
        }
        self.shared.state().give_up()
    }
}

impl QueueHealth {
    /// Batches that were delivered or refused after failed tries, since this
    /// was last asked; of very many the latest.
    pub fn take_retried(&self) -> Vec<Retried> {
        self.0.state().retried.drain(..).collect()
    }

    /// The counts as they are now; `series` is the caller's to fill in.
    pub fn get(&self) -> ExporterHealth {
        let state = self.0.state();
        ExporterHealth {
            queue_bytes: state.bytes() as u64,
            spool_bytes: self.0.spooled.load(Ordering::Relaxed),
            failing: state.stuck,
            ..state.health
        }
    }
}

#[cfg(test)]
mod spooled;
#[cfg(test)]
mod tests;
