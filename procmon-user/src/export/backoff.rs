//! How long to wait before a receiver that failed is tried again.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// How long to wait between tries.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// After the first failure.
    pub first: Duration,
    /// At most.
    pub longest: Duration,
    /// At most, once the end has been announced.
    pub longest_at_end: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(250),
            longest: Duration::from_secs(15),
            longest_at_end: Duration::from_millis(500),
        }
    }
}

impl Backoff {
    /// The wait after this many failures in a row: twice the one before, and
    /// up to half of it less, so that many agents do not come back at once.
    pub fn wait(&self, failures: u32, ending: bool) -> Duration {
        let longest = if ending {
            self.longest_at_end
        } else {
            self.longest
        };
        let wait = self
            .first
            .saturating_mul(1 << failures.saturating_sub(1).min(20))
            .min(longest);
        let share = RandomState::new().build_hasher().finish() % 500;
        wait.mul_f64(1.0 - share as f64 / 1000.0)
    }
}
