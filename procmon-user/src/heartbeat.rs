//! Which loops live: the collector's, and those of the consumers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A loop that has not shown for this long that it lives hangs.
pub const LONGEST: Duration = Duration::from_secs(30);
/// A loop that waits for longer than this beats meanwhile.
pub const EVERY: Duration = Duration::from_secs(10);

/// The value of a loop that has nothing to do.
const RESTS: u64 = u64::MAX;

/// All loops there are; its clones are the same.
#[derive(Clone, Debug)]
pub struct Heartbeats(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    begin: Instant,
    loops: Mutex<Vec<Heartbeat>>,
}

impl Default for Heartbeats {
    fn default() -> Self {
        Self(Arc::new(Shared {
            begin: Instant::now(),
            loops: Mutex::default(),
        }))
    }
}

impl Heartbeats {
    /// A new loop, which rests.
    pub fn of(&self, name: &'static str) -> Heartbeat {
        let heartbeat = Heartbeat {
            name,
            begin: self.0.begin,
            last_ms: Arc::new(AtomicU64::new(RESTS)),
        };
        let mut loops = self.0.loops.lock().unwrap_or_else(PoisonError::into_inner);
        loops.push(heartbeat.clone());
        heartbeat
    }

    /// How long ago each loop showed that it lives; 0 for one that rests.
    pub fn ages(&self) -> Vec<(&'static str, Duration)> {
        let loops = self.0.loops.lock().unwrap_or_else(PoisonError::into_inner);
        loops.iter().map(|own| (own.name, own.age())).collect()
    }

    /// Whether every loop has shown lately that it lives.
    pub fn are_well(&self) -> bool {
        self.ages().iter().all(|(_, age)| *age <= LONGEST)
    }
}

/// That of one loop.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    name: &'static str,
    begin: Instant,
    last_ms: Arc<AtomicU64>,
}

impl Heartbeat {
    /// The loop lives, and has something to do.
    pub fn beat(&self) {
        self.last_ms.store(self.now_ms(), Ordering::Relaxed);
    }

    /// The loop has nothing to do until it beats again.
    pub fn rest(&self) {
        self.last_ms.store(RESTS, Ordering::Relaxed);
    }

    fn age(&self) -> Duration {
        let last_ms = self.last_ms.load(Ordering::Relaxed);
        Duration::from_millis(self.now_ms().saturating_sub(last_ms))
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(RESTS - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_at_work_ages_and_one_that_rests_does_not() {
        let heartbeats = Heartbeats::default();
        let (working, resting) = (heartbeats.of("working"), heartbeats.of("resting"));
        working.beat();
        resting.beat();
        resting.rest();
        std::thread::sleep(Duration::from_millis(20));
        let ages = heartbeats.ages();
        assert_eq!(ages[1], ("resting", Duration::ZERO));
        assert_eq!(ages[0].0, "working");
        assert!(ages[0].1 >= Duration::from_millis(19), "{ages:?}");
        assert!(heartbeats.are_well());
        working.beat();
        assert!(heartbeats.ages()[0].1 < ages[0].1);
    }
}
