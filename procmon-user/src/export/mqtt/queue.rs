//! Messages that wait for the broker: bounded, in order, never in the way.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::metrics::ExporterHealth;

/// The messages that the broker has not confirmed, for whoever makes them and
/// the one who sends them.
#[derive(Clone, Debug)]
pub struct Waiting(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limit: usize,
    /// What the log calls the broker.
    name: String,
    state: Mutex<State>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct State {
    messages: VecDeque<Bytes>,
    bytes: u64,
    /// So many of the first are on their way: they are not dropped any more.
    on_their_way: usize,
    ending: bool,
    /// Whether it was said that messages are dropped, since one was confirmed.
    overflow_said: bool,
    health: ExporterHealth,
}

impl Waiting {
    /// Room for so many messages to the broker of this name.
    pub fn new(limit: usize, name: String) -> Self {
        let health = ExporterHealth {
            exporter: "mqtt",
            ..ExporterHealth::default()
        };
        Self(Arc::new(Shared {
            limit,
            name,
            state: Mutex::new(State {
                health,
                ..State::default()
            }),
            wake: Notify::new(),
        }))
    }

    /// What the log calls the broker.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The most messages there is room for.
    pub fn limit(&self) -> usize {
        self.0.limit
    }

    /// Puts a message at the end; the oldest makes room for it.
    pub fn push(&self, message: Bytes) {
        let mut state = self.state();
        state.bytes += message.len() as u64;
        state.messages.push_back(message);
        while state.messages.len() > self.0.limit {
            let oldest = state.on_their_way;
            let Some(message) = state.messages.remove(oldest) else {
                break;
            };
            state.bytes -= message.len() as u64;
            state.health.dropped += 1;
            if !std::mem::replace(&mut state.overflow_said, true) {
                log::warn!(
                    "MQTT to {}: {} messages wait, there is no room for more; the oldest are \
                     dropped",
                    self.0.name,
                    self.0.limit
                );
            }
        }
        drop(state);
        self.0.wake.notify_one();
    }

    /// The oldest message that is not on its way yet; it is now.
    pub fn take(&self) -> Option<Bytes> {
        let mut state = self.state();
        let message = state.messages.get(state.on_their_way).cloned()?;
        state.on_their_way += 1;
        Some(message)
    }

    /// The oldest message has arrived.
    pub fn confirm(&self) {
        let mut state = self.state();
        if let Some(message) = state.messages.pop_front() {
            state.bytes -= message.len() as u64;
            state.on_their_way -= 1;
            state.health.sent += 1;
            state.overflow_said = false;
            state.health.failing = false;
        }
    }

    /// What was on its way may not have arrived: it waits again.
    pub fn take_back(&self) {
        let mut state = self.state();
        state.health.retried += state.on_their_way as u64;
        state.on_their_way = 0;
        state.health.failing = true;
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.state().messages.is_empty()
    }

    /// No more messages will come.
    pub fn end(&self) {
        self.state().ending = true;
        self.0.wake.notify_one();
    }

    /// Whether no more will come.
    pub fn is_ending(&self) -> bool {
        self.state().ending
    }

    /// Waits for something to change.
    pub async fn changed(&self) {
        self.0.wake.notified().await;
    }

    /// Gives up what waits; how many that were.
    pub fn give_up(&self) -> u64 {
        let mut state = self.state();
        let left = state.messages.len() as u64;
        state.messages.clear();
        state.bytes = 0;
        state.on_their_way = 0;
        state.health.dropped += left;
        left
    }

    /// The counts as they are now; a batch is one message.
    pub fn health(&self) -> ExporterHealth {
        let state = self.state();
        ExporterHealth {
            queue_bytes: state.bytes,
            ..state.health
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(limit: usize, messages: &'static [&str]) -> Waiting {
        let waiting = Waiting::new(limit, "broker".to_owned());
        for message in messages {
            waiting.push(Bytes::from_static(message.as_bytes()));
        }
        waiting
    }

    #[test]
    fn the_oldest_makes_room_but_not_one_that_is_on_its_way() {
        let waiting = waiting(3, &["a", "b", "c"]);
        assert_eq!(waiting.take().unwrap(), "a");
        waiting.push(Bytes::from_static(b"dd"));
        assert_eq!(waiting.take().unwrap(), "c");
        assert_eq!(waiting.take().unwrap(), "dd");
        assert_eq!(waiting.take(), None);
        // All are on their way: the new one is the oldest that is not.
        waiting.push(Bytes::from_static(b"e"));
        assert_eq!(waiting.take(), None);
        let health = waiting.health();
        assert_eq!((health.dropped, health.queue_bytes), (2, 4));
    }

    #[test]
    fn what_was_not_confirmed_is_sent_again_in_order() {
        let waiting = waiting(9, &["a", "b", "c"]);
        waiting.take();
        waiting.take();
        waiting.confirm();
        waiting.take_back();
        assert_eq!(waiting.take().unwrap(), "b");
        assert_eq!(waiting.take().unwrap(), "c");
        let health = waiting.health();
        assert_eq!((health.sent, health.retried), (1, 1));
    }

    #[test]
    fn what_is_given_up_is_counted() {
        let waiting = waiting(9, &["a", "b"]);
        waiting.take();
        assert_eq!(waiting.give_up(), 2);
        let health = waiting.health();
        assert_eq!((health.dropped, health.queue_bytes), (2, 0));
        assert!(waiting.is_empty());
    }
}
