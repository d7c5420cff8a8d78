//! Batches that wait for the collector: bounded, in order, never in the way.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

pub use crate::export::backoff::Backoff;
use crate::export::otlp::encode::Batch;
use crate::export::otlp::transport::{Accepted, Failure, Transport};
use crate::metrics::ExporterHealth;

/// Batches that wait while a network that works takes another.
const AHEAD: usize = 1;
/// How long such a network may take for a batch before it counts as one that
/// does not work.
const STUCK_AFTER: Duration = Duration::from_secs(1);

/// What was still waiting at the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Undelivered {
    /// Batches.
    pub batches: u64,
    /// Points in them.
    pub points: u64,
}

/// The queue and the one task that empties it.
#[derive(Debug)]
pub struct Queue {
    shared: Arc<Shared>,
    sender: JoinHandle<()>,
}

/// How the queue does; stays good after its end.
#[derive(Clone, Debug)]
pub struct QueueHealth(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limit: usize,
    name: String,
    state: Mutex<State>,
    /// Something came, or the end was announced.
    wake: Notify,
    /// A try is over.
    tried: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Batch>,
    bytes: usize,
    /// The first batch is on its way: it is not dropped any more.
    sending: bool,
    ending: bool,
    /// The last try failed, or takes longer than is waited for.
    stuck: bool,
    /// Batches that were delivered or refused.
    settled: u64,
    /// Whether it was said that batches are dropped, since one was delivered.
    overflow_said: bool,
    health: ExporterHealth,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn remove(&mut self, index: usize) -> Option<Batch> {
        let batch = self.waiting.remove(index)?;
        self.bytes -= batch.body.len();
        Some(batch)
    }
}

impl Queue {
    /// A queue of at most `limit` bytes that a task on `runtime` empties into
    /// `transport`. `name` is what the log calls the collector.
    pub fn start(
        transport: impl Transport,
        name: String,
        limit: usize,
        backoff: Backoff,
        runtime: &Handle,
    ) -> Self {
        let shared = Arc::new(Shared {
            limit,
            name,
            state: Mutex::new(State {
                health: ExporterHealth {
                    exporter: "otlp",
                    ..ExporterHealth::default()
                },
                ..State::default()
            }),
            wake: Notify::new(),
            tried: Condvar::new(),
        });
        let sender = Sender {
            shared: Arc::clone(&shared),
            transport,
            backoff,
            failures: 0,
            rejecting: false,
        };
        Self {
            sender: runtime.spawn(sender.run()),
            shared,
        }
    }

    /// Waits while [`AHEAD`] batches wait already, as long as one after the
    /// other is taken off: where the network does not work, not at all. Blocks
    /// the thread.
    pub fn await_room(&self) {
        let mut state = self.shared.state();
        while !state.stuck && state.waiting.len() >= AHEAD + usize::from(state.sending) {
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

    /// Puts a batch at the end; the oldest make room for it.
    pub fn push(&self, batch: Batch) {
        let mut state = self.shared.state();
        state.bytes += batch.body.len();
        state.waiting.push_back(batch);
        while state.bytes > self.shared.limit {
            let oldest = usize::from(state.sending);
            if state.remove(oldest).is_none() {
                break;
            }
            state.health.dropped += 1;
            if !state.overflow_said {
                state.overflow_said = true;
                log::warn!(
                    "OTLP to {}: the queue of {} bytes is full; the oldest batches are dropped",
                    self.shared.name,
                    self.shared.limit
                );
            }
        }
        drop(state);
        self.shared.wake.notify_one();
    }

    /// How it does, for as long as anyone asks.
    pub fn health(&self) -> QueueHealth {
        QueueHealth(Arc::clone(&self.shared))
    }

    /// Delivers what it can until the deadline; what it cannot is dropped,
    /// and told.
    pub async fn shutdown(mut self, deadline: Duration) -> Undelivered {
        self.shared.state().ending = true;
        self.shared.wake.notify_one();
        if timeout(deadline, &mut self.sender).await.is_err() {
            self.sender.abort();
        }
        let mut state = self.shared.state();
        let left = Undelivered {
            batches: state.waiting.len() as u64,
            points: state.waiting.iter().map(|batch| batch.points).sum(),
        };
        state.waiting.clear();
        state.bytes = 0;
        state.health.dropped += left.batches;
        left
    }
}

impl QueueHealth {
    /// The counts as they are now; `series` is the caller's to fill in.
    pub fn get(&self) -> ExporterHealth {
        let state = self.0.state();
        ExporterHealth {
            queue_bytes: state.bytes as u64,
            failing: state.stuck,
            ..state.health
        }
    }
}

/// The task that sends.
struct Sender<T> {
    shared: Arc<Shared>,
    transport: T,
    backoff: Backoff,
    /// Failures in a row.
    failures: u32,
    /// The last batch was refused.
    rejecting: bool,
}

impl<T: Transport> Sender<T> {
    /// Sends until the end was announced and nothing waits.
    async fn run(mut self) {
        while let Some(batch) = self.next().await {
            let outcome = self.transport.send(batch.body.clone()).await;
            let wait = self.settle(outcome);
            if let Some((failed, wait)) = wait {
                self.pause(failed, wait).await;
            }
        }
    }

    /// The oldest batch, when there is one; `None` at the end.
    async fn next(&mut self) -> Option<Batch> {
        loop {
            {
                let mut state = self.shared.state();
                if let Some(batch) = state.waiting.front().cloned() {
                    state.sending = true;
                    return Some(batch);
                }
                if state.ending {
                    return None;
                }
            }
            self.shared.wake.notified().await;
        }
    }

    /// Books the outcome of a try; says how long to wait before the next, and
    /// since when.
    fn settle(&mut self, outcome: Result<Accepted, Failure>) -> Option<(Instant, Wait)> {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.state();
        state.sending = false;
        if let Err(Failure::Retryable { after, reason }) = outcome {
            state.health.retried += 1;
            state.stuck = true;
            drop(state);
            shared.tried.notify_all();
            self.failures += 1;
            if self.failures == 1 {
                log::warn!(
                    "OTLP to {}: {reason}; trying again until it works, up to {} bytes are kept",
                    self.shared.name,
                    self.shared.limit
                );
            }
            return Some((Instant::now(), after.map_or(Wait::Backoff, Wait::AskedFor)));
        }
        state.remove(0);
        state.settled += 1;
        state.stuck = false;
        shared.tried.notify_all();
        let refusal = match outcome {
            Ok(accepted) if accepted.rejected_points == 0 => {
                state.health.sent += 1;
                state.overflow_said = false;
                None
            }
            Ok(accepted) => {
                state.health.rejected += 1;
                state.overflow_said = false;
                Some(format!(
                    "{} points refused: {}",
                    accepted.rejected_points, accepted.message
                ))
            }
            Err(failure) => {
                state.health.rejected += 1;
                Some(format!("a batch was refused: {failure}"))
            }
        };
        drop(state);
        self.log_answer(refusal);
        None
    }

    /// Says once that a collector came back, refuses, or refuses no more.
    fn log_answer(&mut self, refusal: Option<String>) {
        let name = &self.shared.name;
        if self.failures > 0 {
            log::info!(
                "OTLP to {name}: it answers again after {} failed tries",
                self.failures
            );
            self.failures = 0;
        }
        match &refusal {
            Some(refusal) if !self.rejecting => log::warn!("OTLP to {name}: {refusal}"),
            None if self.rejecting => log::info!("OTLP to {name}: it takes everything again"),
            _ => {}
        }
        self.rejecting = refusal.is_some();
    }

    /// Waits before the next try; the end cuts it short.
    async fn pause(&mut self, failed: Instant, wait: Wait) {
        let jittered = |ending| match wait {
            Wait::Backoff => self.backoff.wait(self.failures, ending),
            Wait::AskedFor(after) => after,
        };
        let mut until = failed + jittered(self.is_ending());
        let mut ending = self.is_ending();
        loop {
            tokio::select! {
                () = sleep(until.saturating_duration_since(Instant::now())) => return,
                () = self.shared.wake.notified() => {}
            }
            if !ending && self.is_ending() {
                ending = true;
                until = until.min(failed + jittered(true));
            }
        }
    }

    fn is_ending(&self) -> bool {
        self.shared.state().ending
    }
}

/// How long to wait before a batch is sent again.
#[derive(Clone, Copy, Debug)]
enum Wait {
    /// As long as the backoff says.
    Backoff,
    /// As long as the collector says.
    AskedFor(Duration),
}

#[cfg(test)]
mod tests;
