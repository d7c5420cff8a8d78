//! The task that empties the queue.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep};

use super::disk::Disk;
use super::state::{Retried, Shared};
use crate::export::backoff::Backoff;
use crate::export::otlp::Signal;
use crate::export::otlp::spool::Location;
use crate::export::otlp::transport::{Accepted, Failure, Transport};
use crate::proc::clock::now_unix_ns;

/// The task that sends.
pub(super) struct Sender<T> {
    pub shared: Arc<Shared>,
    pub disk: Option<Disk>,
    pub transport: T,
    pub backoff: Backoff,
    /// Failures in a row.
    pub failures: u32,
    /// When the first of them was, ns of Unix time, and why.
    pub first_failure: Option<(u64, String)>,
    /// The last batch was refused.
    pub rejecting: bool,
}

impl<T: Transport> Sender<T> {
    /// Sends until the end was announced and nothing waits.
    pub async fn run(mut self) {
        while let Some((body, spooled)) = self.next().await {
            let outcome = self.transport.send(body).await;
            if let Some((failed, wait)) = self.settle(outcome) {
                self.pause(failed, wait).await;
            } else {
                self.note_settled(spooled).await;
            }
        }
    }

    /// The oldest batch, when there is one; `None` at the end.
    async fn next(&mut self) -> Option<(Bytes, Option<Location>)> {
        loop {
            let front = {
                let mut state = self.shared.state();
                let front = state.front();
                if front.is_none() && state.ending {
                    return None;
                }
                state.sending = front.is_some();
                front
            };
            let Some((body, spooled)) = front else {
                self.shared.wake.notified().await;
                continue;
            };
            let body = match (&self.disk, spooled) {
                (Some(disk), Some(location)) => disk.begin(location, body).await,
                _ => body,
            };
            if let Some(body) = body {
                self.shared.state().hold(&body);
                return Some((body, spooled));
            }
            self.give_up_first();
            self.note_settled(spooled).await;
        }
    }

    /// The oldest batch cannot be had any more.
    fn give_up_first(&self) {
        let mut state = self.shared.state();
        state.sending = false;
        state.remove(0);
        state.health.dropped += 1;
    }

    /// Tells the spool that a batch is not needed any more.
    async fn note_settled(&mut self, spooled: Option<Location>) {
        if let (Some(disk), Some(location)) = (&self.disk, spooled) {
            disk.settle(location).await;
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
                self.first_failure = Some((now_unix_ns(), reason.clone()));
                log::warn!(
                    "OTLP to {}: {reason}; trying again until it works, up to {} are kept",
                    shared.name,
                    shared.kept
                );
            }
            return Some((Instant::now(), after.map_or(Wait::Backoff, Wait::AskedFor)));
        }
        state.remove(0);
        state.settled += 1;
        state.stuck = false;
        shared.tried.notify_all();
        if let Some((began_unix_ns, reason)) = self.first_failure.take() {
            state.note_retried(Retried {
                began_unix_ns,
                ended_unix_ns: now_unix_ns(),
                failures: self.failures,
                reason,
                taken: outcome.is_ok(),
            });
        }
        let refusal = match outcome {
            Ok(accepted) if accepted.rejected == 0 => {
                state.health.sent += 1;
                state.overflow_said = false;
                None
            }
            Ok(accepted) => {
                state.health.rejected += 1;
                state.overflow_said = false;
                Some(format!(
                    "{} {} refused: {}",
                    accepted.rejected,
                    shared.of.items(),
                    accepted.message
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
            Some(refusal) if !self.rejecting => {
                let advice = match self.shared.of {
                    Signal::Metrics => String::new(),
                    of => format!("; {}=none sends no {}", of.exporters(), of.items()),
                };
                log::warn!("OTLP to {name}: {refusal}{advice}");
            }
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
