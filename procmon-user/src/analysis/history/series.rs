//! The samples of one process, group or host, and what they add up to.

use super::ring::{Ring, Rows};
use super::row::{Column, Row};

/// What the samples of a window add up to. A value of which no sample has one
/// is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Aggregate {
    /// How many samples.
    pub samples: u32,
    /// CPU use, hundredths of a percent of one CPU.
    pub cpu: Option<Spread>,
    /// Resident memory, KiB.
    pub memory: Option<Spread>,
    /// Bytes fetched from storage between the first sample and the last.
    pub disk_read: Option<u64>,
    /// Bytes sent to storage, likewise.
    pub disk_write: Option<u64>,
    /// Payload bytes received, likewise.
    pub network_received: Option<u64>,
    /// Payload bytes transmitted, likewise.
    pub network_transmitted: Option<u64>,
}

/// Where the values of a window lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// Their mean.
    pub average: f64,
    /// The greatest.
    pub max: u64,
    /// The least.
    pub min: u64,
}

/// The samples of one, the newest so many.
#[derive(Clone, Debug, Default)]
pub struct Series {
    ring: Ring,
    cpu: Running,
    memory: Running,
    /// The number of the sample to come, from 0.
    next: u32,
}

/// Sum and extremes of a column, kept up to date sample by sample. Sums are
/// whole numbers: what goes in and comes out again leaves nothing behind.
#[derive(Clone, Copy, Debug, Default)]
struct Running {
    count: u32,
    sum: u64,
    max: Extreme,
    min: Extreme,
}

/// A value and the number of the newest sample that has it.
#[derive(Clone, Copy, Debug, Default)]
struct Extreme {
    value: u64,
    number: u32,
}

impl Series {
    /// The samples, oldest first.
    pub fn rows(&self) -> Rows<'_> {
        self.ring.rows()
    }

    /// How many samples.
    pub fn samples(&self) -> u32 {
        self.ring.len()
    }

    /// A series of the samples of a ring.
    pub fn of(ring: Ring) -> Self {
        let mut series = Self {
            next: ring.len(),
            ring,
            ..Self::default()
        };
        series.cpu = series.again(Column::Cpu);
        series.memory = series.again(Column::Memory);
        series
    }

    /// Where the samples are.
    pub fn ring(&self) -> &Ring {
        &self.ring
    }

    /// The bytes it has taken from the heap.
    pub fn heap_bytes(&self) -> usize {
        self.ring.heap_bytes()
    }

    /// Adds a sample; the oldest beyond `depth` go.
    pub fn push(&mut self, row: Row, depth: u32) {
        self.ring.push(row);
        let number = self.next;
        self.next = number.wrapping_add(1);
        self.cpu.add(row.get(Column::Cpu), number);
        self.memory.add(row.get(Column::Memory), number);
        self.trim(depth);
    }

    /// Keeps the newest samples, at most so many.
    pub fn trim(&mut self, depth: u32) {
        let mut stale = [false; 2];
        while self.ring.len() > depth {
            let number = self.first_number();
            let Some(row) = self.ring.pop() else { break };
            stale[0] |= self.cpu.remove(row.get(Column::Cpu), number);
            stale[1] |= self.memory.remove(row.get(Column::Memory), number);
        }
        // Only when an extreme has left. Values that fall for as long as the
        // window is make it at every sample: 1,000 are read in 20 us.
        if stale[0] {
            self.cpu = self.again(Column::Cpu);
        }
        if stale[1] {
            self.memory = self.again(Column::Memory);
        }
    }

    /// Gives the room back that it does not need.
    pub fn shrink(&mut self) {
        self.ring.shrink();
    }

    /// What the samples add up to.
    pub fn aggregate(&self) -> Aggregate {
        let total = |column| {
            let first = self.ring.oldest()?.get(column)?;
            // A counter that began anew tells no more than what it has now.
            Some(match self.ring.newest()?.get(column)? {
                last if last < first => last,
                last => last - first,
            })
        };
        Aggregate {
            samples: self.ring.len(),
            cpu: self.cpu.spread(),
            memory: self.memory.spread(),
            disk_read: total(Column::DiskRead),
            disk_write: total(Column::DiskWrite),
            network_received: total(Column::NetworkReceived),
            network_transmitted: total(Column::NetworkTransmitted),
        }
    }

    fn first_number(&self) -> u32 {
        self.next.wrapping_sub(self.ring.len())
    }

    fn again(&self, column: Column) -> Running {
        let mut running = Running::default();
        let mut number = self.first_number();
        for row in self.ring.rows() {
            running.add(row.get(column), number);
            number = number.wrapping_add(1);
        }
        running
    }
}

impl Running {
    fn add(&mut self, value: Option<u64>, number: u32) {
        let Some(value) = value else { return };
        let first = self.count == 0;
        self.count += 1;
        self.sum = self.sum.wrapping_add(value);
        if first || value >= self.max.value {
            self.max = Extreme { value, number };
        }
        if first || value <= self.min.value {
            self.min = Extreme { value, number };
        }
    }

    /// Whether an extreme has gone, so that all have to be looked at again.
    fn remove(&mut self, value: Option<u64>, number: u32) -> bool {
        let Some(value) = value else { return false };
        self.count -= 1;
        self.sum = self.sum.wrapping_sub(value);
        number == self.max.number || number == self.min.number
    }

    fn spread(&self) -> Option<Spread> {
        (self.count > 0).then(|| Spread {
            average: self.sum as f64 / f64::from(self.count),
            max: self.max.value,
            min: self.min.value,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same from the samples themselves.
    fn recomputed(rows: &[Row]) -> Aggregate {
        let spread = |column| {
            let values: Vec<u64> = rows.iter().filter_map(|row| row.get(column)).collect();
            let max = *values.iter().max()?;
            let sum: u64 = values.iter().sum();
            Some(Spread {
                average: sum as f64 / values.len() as f64,
                max,
                min: *values.iter().min()?,
            })
        };
        let total = |column| {
            let last = rows.last()?.get(column)?;
            Some(last.checked_sub(rows.first()?.get(column)?).unwrap_or(last))
        };
        Aggregate {
            samples: rows.len() as u32,
            cpu: spread(Column::Cpu),
            memory: spread(Column::Memory),
            disk_read: total(Column::DiskRead),
            disk_write: total(Column::DiskWrite),
            network_received: total(Column::NetworkReceived),
            network_transmitted: total(Column::NetworkTransmitted),
        }
    }

    proptest! {
        #[test]
        fn the_aggregates_are_those_of_the_samples(
            rows in prop::collection::vec(
                prop::array::uniform8(prop_oneof![Just(None), (0..50_u64).prop_map(Some)]),
                1..120,
            ),
            depth in 1_u32..20,
        ) {
            let rows: Vec<Row> = rows.into_iter().map(Row).collect();
            let mut series = Series::default();
            for (at, row) in rows.iter().enumerate() {
                series.push(*row, depth);
                let begin = (at + 1).saturating_sub(depth as usize);
                prop_assert_eq!(series.aggregate(), recomputed(&rows[begin..=at]));
            }
        }
    }

    #[test]
    fn trimming_keeps_the_newest() {
        let mut series = Series::default();
        for value in 0..10 {
            series.push(Row([Some(value); 8]), 10);
        }
        series.trim(3);
        let kept: Vec<_> = series.rows().map(|row| row.0[0]).collect();
        assert_eq!(kept, [Some(7), Some(8), Some(9)]);
        assert_eq!(series.aggregate().cpu.unwrap().average, 8.0);
        assert_eq!(series.aggregate().disk_read, Some(2));
    }
}
