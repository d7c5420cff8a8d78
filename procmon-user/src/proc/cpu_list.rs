//! Lists of CPUs such as `0-3,8` (cpuset(7), "List format").

use super::{Malformed, text};

/// CPUs, as ascending ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CpuList {
    ranges: Vec<(u32, u32)>,
}

impl CpuList {
    /// Reads a list; empty is a list too.
    pub fn parse(list: &[u8]) -> Result<Self, Malformed> {
        let mut ranges = Vec::new();
        for part in list.trim_ascii().split(|&byte| byte == b',') {
            if part.is_empty() {
                continue;
            }
            let bad = || Malformed::new("a list of CPUs", list);
            let mut ends = part.splitn(2, |&byte| byte == b'-').map(text::number32);
            let first = ends.next().flatten().ok_or_else(bad)?;
            let last = match ends.next() {
                Some(last) => last.filter(|last| *last >= first).ok_or_else(bad)?,
                None => first,
            };
            ranges.push((first, last));
        }
        ranges.sort_unstable();
        if ranges.windows(2).any(|pair| pair[0].1 >= pair[1].0) {
            return Err(Malformed::new("CPUs named once", list));
        }
        Ok(Self { ranges })
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.ranges.iter().map(|range| length(*range)).sum()
    }

    /// How many are in both lists.
    pub fn count_common(&self, other: &Self) -> u64 {
        let mut count = 0;
        for a in &self.ranges {
            for b in &other.ranges {
                let both = (a.0.max(b.0), a.1.min(b.1));
                if both.0 <= both.1 {
                    count += length(both);
                }
            }
        }
        count
    }
}

fn length((first, last): (u32, u32)) -> u64 {
    u64::from(last) - u64::from(first) + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges_and_single_ones() {
        let list = CpuList::parse(b"0-3,8,10-11\n").unwrap();
        assert_eq!(list.count(), 7);
        let other = CpuList::parse(b"2-10").unwrap();
        assert_eq!(list.count_common(&other), 4);
        assert_eq!(CpuList::parse(b"\n").unwrap().count(), 0);
    }

    #[test]
    fn nonsense_is_refused() {
        for list in [&b"3-1"[..], b"x", b"1-", b"-1", b"0-3,2", b"1 2"] {
            assert!(CpuList::parse(list).is_err(), "{list:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            if let Ok(list) = CpuList::parse(&bytes) {
                prop_assert_eq!(list.count_common(&list), list.count());
            }
        }
    }
}
