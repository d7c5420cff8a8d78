//! How many series a process or a group has in OTLP and /metrics.

use crate::analysis::Derived;
use crate::metrics::group::GROUP;
use crate::metrics::{Points, ProcessReading, Value, process};
use crate::process::ProcessSample;

use super::group::Group;

/// Room for the series of processes.
pub struct Room<'a> {
    /// How many series there may be.
    pub left: u64,
    /// How many each process has.
    pub series: &'a [u64],
}

impl Room<'_> {
    /// Whether there is room for everybody.
    pub fn holds_all(&self) -> bool {
        self.series.iter().sum::<u64>() <= self.left
    }

    /// How many processes there could be room for at most.
    pub fn most(&self) -> usize {
        let least = self.series.iter().min().copied().unwrap_or(0).max(1);
        usize::try_from(self.left / least).unwrap_or(usize::MAX)
    }

    /// For how many of these there is room, one after the other.
    pub fn holds(&self, places: &[u32]) -> usize {
        let mut left = self.left;
        let fits = |place: &&u32| {
            let rest = left.checked_sub(self.series[**place as usize]);
            left = rest.unwrap_or(0);
            rest.is_some()
        };
        places.iter().take_while(fits).count()
    }
}

/// Counts points.
struct Count {
    points: u64,
    /// Those that are still 0 do not count.
    leaves_out_zeros: bool,
}

impl Points for Count {
    fn point(&mut self, _: &[(&'static str, &str)], value: Value<'_>) {
        self.points += u64::from(!(self.leaves_out_zeros && value.is_zero()));
    }
}

/// The series of a live process.
pub fn of_process(sample: &ProcessSample, derived: &Derived, at_unix_ns: u64) -> u64 {
    count_process(sample, derived, at_unix_ns, !sample.chosen)
}

/// The series it has once each of its counters has counted something.
pub fn of_busy_process(sample: &ProcessSample, derived: &Derived, at_unix_ns: u64) -> u64 {
    count_process(sample, derived, at_unix_ns, false)
}

fn count_process(
    sample: &ProcessSample,
    derived: &Derived,
    at_unix_ns: u64,
    leaves_out_zeros: bool,
) -> u64 {
    let reading = ProcessReading {
        sample,
        derived: Some(derived),
        at_unix_ns,
    };
    let mut count = Count {
        points: 0,
        leaves_out_zeros: false,
    };
    for (_, row) in process::of(sample) {
        count.leaves_out_zeros = leaves_out_zeros && row.may_be_quiet();
        (row.read)(&reading, &mut count);
    }
    count.points
}

/// The series of a group.
pub fn of_group(group: &Group) -> u64 {
    let mut count = Count {
        points: 0,
        leaves_out_zeros: false,
    };
    let reading = group.reading();
    for (_, row) in process::of(&group.sum).filter(|(_, row)| row.is_of_groups()) {
        (row.read)(&reading, &mut count);
    }
    for row in GROUP {
        (row.read)(&group.own_reading(), &mut count);
    }
    count.points
}
