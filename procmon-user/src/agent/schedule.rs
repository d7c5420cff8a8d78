//! When ticks are due.

use std::time::{Duration, Instant};

/// Ticks at fixed times: a late one does not delay those after it.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    interval: Duration,
    due: Instant,
    /// Ticks still to come, the present one included; `None`: no limit.
    left: Option<u64>,
    end: Option<Instant>,
    lingers: bool,
    left_out: u64,
}

/// The due time of a tick that never comes.
const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

impl Schedule {
    /// A schedule whose first tick is due now, and which ends after `count`
    /// ticks or after `duration`, whichever comes first.
    pub fn new(interval: Duration, count: Option<u64>, duration: Option<Duration>) -> Self {
        Self::starting(Instant::now(), interval, count, duration)
    }

    fn starting(
        now: Instant,
        interval: Duration,
        count: Option<u64>,
        duration: Option<Duration>,
    ) -> Self {
        Self {
            interval,
            due: now,
            left: count,
            end: duration.map(|duration| now + duration),
            lingers: false,
            left_out: 0,
        }
    }

    /// The same, but when its ticks are over it waits for an order to end.
    pub fn lingering(mut self) -> Self {
        self.lingers = true;
        self
    }

    /// When the next tick is due; `None` when the present one was the last.
    pub fn advance(&mut self) -> Option<Instant> {
        let now = Instant::now();
        self.after(now)
            .or_else(|| self.lingers.then(|| now + NEVER))
    }

    fn after(&mut self, now: Instant) -> Option<Instant> {
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                return None;
            }
        }
        // Ticks that are over are left out, not made up for.
        self.due += self.interval;
        while self.due + self.interval <= now {
            self.due += self.interval;
            self.left_out += 1;
        }
        match self.end {
            Some(end) if self.due > end => None,
            _ => Some(self.due),
        }
    }

    /// Another interval from the last tick on; when the next tick is due, as
    /// [`Schedule::advance`] says it.
    pub fn change(&mut self, interval: Duration) -> Option<Instant> {
        let last = self.due.checked_sub(self.interval);
        self.interval = interval;
        self.due = last.map_or(self.due, |last| last + interval);
        if self.left == Some(0) || self.end.is_some_and(|end| self.due > end) {
            return self.lingers.then(|| Instant::now() + NEVER);
        }
        Some(self.due)
    }

    /// When all of it ends, ticks or not; `None`: never.
    pub fn end(&self) -> Option<Instant> {
        self.end
    }

    /// Whether the ticks asked for have all been.
    pub fn counted_out(&self) -> bool {
        self.left == Some(0)
    }

    /// How many ticks were left out since this was last asked.
    pub fn take_left_out(&mut self) -> u64 {
        std::mem::take(&mut self.left_out)
    }

    /// Whether a tick that begins now begins late: by more than half an interval.
    pub fn is_late(&self) -> bool {
        Instant::now().saturating_duration_since(self.due) > self.interval / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn count_one_is_one_tick_now() {
        let now = Instant::now();
        let mut schedule = Schedule::starting(now, SECOND, Some(1), None);
        assert_eq!(schedule.after(now), None);
    }

    #[test]
    fn a_duration_has_a_tick_at_its_beginning_and_at_its_end() {
        let now = Instant::now();
        let mut schedule = Schedule::starting(now, SECOND, None, Some(2 * SECOND));
        assert_eq!(schedule.after(now), Some(now + SECOND));
        assert_eq!(schedule.after(now + SECOND), Some(now + 2 * SECOND));
        assert_eq!(schedule.after(now + 2 * SECOND), None);
    }

    #[test]
    fn another_interval_counts_from_the_last_tick_on() {
        let now = Instant::now();
        let mut schedule = Schedule::starting(now, 10 * SECOND, Some(3), Some(30 * SECOND));
        assert_eq!(schedule.after(now), Some(now + 10 * SECOND));
        assert_eq!(schedule.change(2 * SECOND), Some(now + 2 * SECOND));
        assert_eq!(schedule.change(40 * SECOND), None, "beyond its end");
        assert_eq!(schedule.change(SECOND), Some(now + SECOND));
        let tick = now + SECOND;
        assert_eq!(schedule.after(tick), Some(now + 2 * SECOND));
        assert_eq!(schedule.after(tick), None, "three were asked for");
    }

    #[test]
    fn a_late_tick_does_not_delay_those_after_it() {
        let now = Instant::now();
        let mut schedule = Schedule::starting(now, SECOND, None, None);
        let late = now + Duration::from_millis(3_400);
        assert_eq!(schedule.after(late), Some(now + 3 * SECOND));
        assert_eq!(schedule.take_left_out(), 2, "those of 1 s and 2 s");
        assert_eq!(schedule.after(late), Some(now + 4 * SECOND));
        assert_eq!(schedule.take_left_out(), 0);
    }
}
