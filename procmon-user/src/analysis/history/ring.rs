//! Samples in as few bytes as they need, oldest first.
//!
//! The oldest and the newest sample are kept as they are. Of those between only
//! changes are: a byte that says which of the eight values differ from the
//! sample before, and for each that does the difference, zigzag and LEB128. A
//! sample of a process that does nothing is one byte. A missing value is 0 and
//! any other one more than it is, so that it is a value like others.

use std::collections::VecDeque;

use super::row::{Column, Row};
use super::snapshot::{Reader, SnapshotError, damaged};

type Codes = [u64; Column::COUNT];

/// A ring of samples.
#[derive(Clone, Debug, Default)]
pub struct Ring {
    /// Every sample but the oldest, as changes.
    bytes: VecDeque<u8>,
    oldest: Codes,
    newest: Codes,
    len: u32,
}

impl Ring {
    /// How many samples.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// The bytes it has taken from the heap.
    pub fn heap_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// The oldest sample.
    pub fn oldest(&self) -> Option<Row> {
        (self.len > 0).then(|| decoded(&self.oldest))
    }

    /// The newest sample.
    pub fn newest(&self) -> Option<Row> {
        (self.len > 0).then(|| decoded(&self.newest))
    }

    /// Adds a sample behind the newest.
    pub fn push(&mut self, row: Row) {
        let codes = encoded(&row);
        if self.len == 0 {
            self.oldest = codes;
        } else {
            self.append(&codes);
        }
        self.newest = codes;
        self.len += 1;
    }

    fn append(&mut self, codes: &Codes) {
        let mut change = [0; 1 + Column::COUNT * 10];
        let mut end = 1;
        for (column, (now, before)) in codes.iter().zip(&self.newest).enumerate() {
            if now == before {
                continue;
            }
            change[0] |= 1 << column;
            let mut rest = zigzag(now.wrapping_sub(*before));
            while rest >= 0x80 {
                change[end] = rest as u8 | 0x80;
                rest >>= 7;
                end += 1;
            }
            change[end] = rest as u8;
            end += 1;
        }
        let room = self.bytes.capacity() - self.bytes.len();
        if room < end {
            // Twice as much, as it is by itself, would be half empty.
            self.bytes.reserve_exact(end.max(self.bytes.len() / 8));
        }
        self.bytes.extend(&change[..end]);
    }

    /// Takes the oldest sample away.
    pub fn pop(&mut self) -> Option<Row> {
        let row = self.oldest()?;
        self.len -= 1;
        if self.len > 0 {
            let mut taken = 0;
            apply(&mut self.oldest, || {
                taken += 1;
                self.bytes.pop_front()
            });
        }
        Some(row)
    }

    /// Gives the room back that it does not need.
    pub fn shrink(&mut self) {
        self.bytes
            .shrink_to(self.bytes.len() + self.bytes.len() / 8);
    }

    /// Appends it to bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.len.to_le_bytes());
        for code in self.oldest {
            out.extend(code.to_le_bytes());
        }
        out.extend((self.bytes.len() as u32).to_le_bytes());
        out.extend(&self.bytes);
    }

    /// Reads what [`Ring::encode`] has written.
    pub fn decode(from: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let len = u32::from_le_bytes(from.array()?);
        let mut oldest = Codes::default();
        for code in &mut oldest {
            *code = u64::from_le_bytes(from.array()?);
        }
        let changes = from.len()?;
        let changes = from.bytes(changes)?;
        let mut newest = oldest;
        let mut rest = changes.iter();
        for _ in 1..len {
            if !apply(&mut newest, || rest.next().copied()) {
                return Err(damaged("samples are missing"));
            }
        }
        if rest.len() > 0 {
            return Err(damaged("there are more samples than there should be"));
        }
        Ok(Self {
            bytes: changes.to_vec().into(),
            oldest,
            newest,
            len,
        })
    }

    /// The samples, oldest first.
    pub fn rows(&self) -> Rows<'_> {
        Rows {
            bytes: self.bytes.iter(),
            next: self.oldest,
            left: self.len,
        }
    }
}

/// The samples of a [`Ring`], oldest first.
#[derive(Clone, Debug)]
pub struct Rows<'a> {
    bytes: std::collections::vec_deque::Iter<'a, u8>,
    next: Codes,
    left: u32,
}

impl Iterator for Rows<'_> {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        self.left = self.left.checked_sub(1)?;
        let row = decoded(&self.next);
        if self.left > 0 {
            apply(&mut self.next, || self.bytes.next().copied());
        }
        Some(row)
    }
}

/// Makes of a sample the one behind it, whose changes `next` gives; whether it
/// gave all of them.
fn apply(codes: &mut Codes, mut next: impl FnMut() -> Option<u8>) -> bool {
    let Some(changed) = next() else { return false };
    for (column, code) in codes.iter_mut().enumerate() {
        if changed & 1 << column == 0 {
            continue;
        }
        let mut change = 0;
        for shift in (0..64).step_by(7) {
            let Some(byte) = next() else { return false };
            change |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        *code = code.wrapping_add(unzigzag(change));
    }
    true
}

fn encoded(row: &Row) -> Codes {
    row.0
        .map(|value| value.map_or(0, |value| value.wrapping_add(1)))
}

fn decoded(codes: &Codes) -> Row {
    Row(codes.map(|code| code.checked_sub(1)))
}

/// Small for small changes, whatever their sign.
fn zigzag(change: u64) -> u64 {
    (change << 1) ^ (change.cast_signed() >> 63).cast_unsigned()
}

fn unzigzag(code: u64) -> u64 {
    (code >> 1) ^ (code & 1).wrapping_neg()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row() -> impl Strategy<Value = Row> {
        let value = prop_oneof![
            Just(None),
            (0..200_u64).prop_map(Some),
            (0..u64::MAX).prop_map(Some)
        ];
        prop::array::uniform8(value).prop_map(Row)
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out(rows in prop::collection::vec(row(), 1..50), popped in 0_usize..50) {
            let mut ring = Ring::default();
            for row in &rows {
                ring.push(*row);
            }
            prop_assert_eq!(ring.newest(), rows.last().copied());
            let popped = popped.min(rows.len());
            for row in &rows[..popped] {
                prop_assert_eq!(ring.pop(), Some(*row));
            }
            let left: Vec<Row> = ring.rows().collect();
            prop_assert_eq!(&left[..], &rows[popped..]);
            prop_assert_eq!(ring.oldest(), left.first().copied());
        }
    }

    #[test]
    fn a_sample_in_which_nothing_changed_is_one_byte() {
        let mut ring = Ring::default();
        for _ in 0..100 {
            ring.push(Row([
                Some(5),
                Some(1 << 40),
                None,
                Some(0),
                None,
                None,
                Some(3),
                Some(9),
            ]));
        }
        assert_eq!(ring.bytes.len(), 99);
    }

    #[test]
    fn an_emptied_ring_begins_anew() {
        let mut ring = Ring::default();
        ring.push(Row([Some(1); 8]));
        assert_eq!(ring.pop(), Some(Row([Some(1); 8])));
        assert_eq!(ring.pop(), None);
        ring.push(Row([Some(2); 8]));
        assert_eq!(ring.rows().collect::<Vec<_>>(), [Row([Some(2); 8])]);
    }
}
