//! What waits, and what became of the rest.

use std::collections::VecDeque;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use super::Undelivered;
use crate::export::otlp::Signal;
use crate::export::otlp::encode::Batch;
use crate::export::otlp::spool::{Found, Location};
use crate::metrics::ExporterHealth;

/// Batches that wait while a network that works takes another.
pub(super) const AHEAD: usize = 1;

/// What the queue and its sender share.
#[derive(Debug)]
pub(super) struct Shared {
    /// Most bytes in memory.
    pub limit: usize,
    /// What is in the batches.
    pub of: Signal,
    /// What the log calls the collector.
    pub name: String,
    /// Where batches are kept, in words.
    pub kept: String,
    pub state: Mutex<State>,
    /// Bytes of the spool.
    pub spooled: Arc<AtomicU64>,
    /// Something came, or the end was announced.
    pub wake: Notify,
    /// A try is over.
    pub tried: Condvar,
}

impl Shared {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A batch that waits, in memory, in the spool, or both.
#[derive(Debug)]
pub(super) struct Waiting {
    body: Option<Bytes>,
    spooled: Option<Location>,
    items: u64,
}

/// A batch that was tried more than once, and is settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retried {
    /// When its first try had failed, ns of Unix time.
    pub began_unix_ns: u64,
    /// When it was settled.
    pub ended_unix_ns: u64,
    /// How many tries had failed.
    pub failures: u32,
    /// Why the first one had.
    pub reason: String,
    /// The collector took it in the end, wholly or partly.
    pub taken: bool,
}

/// How many of them are kept for whoever asks.
const RETRIED_KEPT: usize = 256;

#[derive(Debug, Default)]
pub(super) struct State {
    /// The oldest first.
    waiting: VecDeque<Waiting>,
    /// Bytes of the bodies in memory, and how many they are.
    bytes: usize,
    bodies: usize,
    /// The first batch is on its way: it is not dropped any more.
    pub sending: bool,
    pub ending: bool,
    /// The last try failed, or takes longer than is waited for.
    pub stuck: bool,
    /// Batches that were delivered or refused.
    pub settled: u64,
    /// Whether it was said that batches are dropped, since one was delivered.
    pub overflow_said: bool,
    pub health: ExporterHealth,
    /// What [`super::QueueHealth::take_retried`] tells.
    pub retried: VecDeque<Retried>,
}

impl State {
    /// Keeps it for whoever asks.
    pub fn note_retried(&mut self, retried: Retried) {
        if self.retried.len() == RETRIED_KEPT {
            self.retried.pop_front();
        }
        self.retried.push_back(retried);
    }

    /// The state in which these wait, in the spool.
    pub fn with(found: &[Found]) -> Self {
        let waiting = |found: &Found| Waiting {
            body: None,
            spooled: Some(found.location),
            items: found.items,
        };
        Self {
            waiting: found.iter().map(waiting).collect(),
            ..Self::default()
        }
    }

    /// The oldest batch: its body, where it is in memory, and its place in the
    /// spool, where it has one.
    pub fn front(&self) -> Option<(Option<Bytes>, Option<Location>)> {
        let front = self.waiting.front()?;
        Some((front.body.clone(), front.spooled))
    }

    /// Keeps the body of the oldest batch until it is settled.
    pub fn hold(&mut self, body: &Bytes) {
        if let Some(front) = self.waiting.front_mut()
            && front.body.is_none()
        {
            front.body = Some(body.clone());
            self.bytes += body.len();
            self.bodies += 1;
        }
    }

    /// Puts a batch at the end. The body of one that is in the spool is only
    /// kept in memory when its turn comes soon.
    pub fn push(&mut self, batch: Batch, spooled: Option<Location>) {
        let soon = spooled.is_none() || self.waiting.len() <= AHEAD;
        if soon {
            self.bytes += batch.body.len();
            self.bodies += 1;
        }
        self.waiting.push_back(Waiting {
            body: soon.then_some(batch.body),
            spooled,
            items: batch.items,
        });
    }

    /// Removes a batch.
    pub fn remove(&mut self, index: usize) -> bool {
        let removed = self.waiting.remove(index);
        if let Some(body) = removed.as_ref().and_then(|waiting| waiting.body.as_ref()) {
            self.bytes -= body.len();
            self.bodies -= 1;
        }
        removed.is_some()
    }

    /// Lets go of the oldest of those in memory, until they are no more bytes
    /// than this; says how many are lost.
    pub fn bound(&mut self, limit: usize) -> u64 {
        let mut lost = 0;
        while self.bytes > limit {
            let movable = self.waiting.iter_mut().enumerate();
            let mut movable = movable.skip(usize::from(self.sending));
            let Some((index, oldest)) = movable.find(|(_, waiting)| waiting.body.is_some()) else {
                break;
            };
            if oldest.spooled.is_none() {
                self.remove(index);
                lost += 1;
            } else if let Some(body) = oldest.body.take() {
                self.bytes -= body.len();
                self.bodies -= 1;
            }
        }
        lost
    }

    /// Forgets what the spool has dropped, all before this number; says how
    /// many are lost. One on its way is not: it is in memory.
    pub fn forget_before(&mut self, number: u64) -> u64 {
        let mut lost = 0;
        let mut index = 0;
        while let Some(waiting) = self.waiting.get_mut(index) {
            match waiting.spooled {
                Some(location) if location.number >= number => break,
                Some(_) if index == 0 && self.sending => {
                    waiting.spooled = None;
                    index += 1;
                }
                Some(_) => {
                    self.remove(index);
                    lost += 1;
                }
                None => index += 1,
            }
        }
        lost
    }

    /// Whether one that comes should wait for those in memory.
    pub fn is_crowded(&self) -> bool {
        !self.stuck && self.bodies >= AHEAD + usize::from(self.sending)
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Gives up what is only in memory, and tells what waited.
    pub fn give_up(&mut self) -> Undelivered {
        let mut left = Undelivered::default();
        for waiting in self.waiting.drain(..) {
            let (batches, items) = match waiting.spooled {
                Some(_) => (&mut left.kept_batches, &mut left.kept_items),
                None => (&mut left.batches, &mut left.items),
            };
            *batches += 1;
            *items += waiting.items;
        }
        self.bytes = 0;
        self.bodies = 0;
        self.health.dropped += left.batches;
        left
    }
}
