//! The records of procmon-common as aya's plain old data.

use procmon_common::records::LeaderRecord;
use procmon_common::{Config, ProcessEntry};

/// A value of FRONT and of COUNTERS.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Entry(pub ProcessEntry);

/// The programs' settings.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Settings(pub Config);

// SAFETY: repr(transparent) over repr(C) integers without padding (asserted in
// procmon-common); every bit pattern is valid.
unsafe impl aya::Pod for Entry {}
// SAFETY: as above.
unsafe impl aya::Pod for Settings {}

/// An entry of zeros, which is nobody's.
pub fn empty_entry() -> ProcessEntry {
    // SAFETY: all integers; zeros are valid.
    unsafe { std::mem::zeroed() }
}

/// A leader's record of zeros.
pub fn empty_leader() -> LeaderRecord {
    // SAFETY: all integers; zeros are valid.
    unsafe { std::mem::zeroed() }
}

/// An entry as the bytes it is made of.
pub fn bytes_of_entry(entry: &mut ProcessEntry) -> &mut [u8] {
    let length = size_of::<ProcessEntry>();
    // SAFETY: repr(C) integers without padding (asserted in procmon-common):
    // every byte may be read, and be of any value.
    unsafe { std::slice::from_raw_parts_mut(std::ptr::from_mut(entry).cast(), length) }
}

/// Reads an exit record; `None` when it is too short to be one.
pub fn read_exit(bytes: &[u8]) -> Option<ProcessEntry> {
    if bytes.len() < ProcessEntry::WITHOUT_FAILURES {
        return None;
    }
    let mut entry = empty_entry();
    let told = &bytes[..bytes.len().min(size_of::<ProcessEntry>())];
    bytes_of_entry(&mut entry)[..told.len()].copy_from_slice(told);
    Some(entry)
}

/// Reads a record from the beginning of `bytes`; `None` when they are too few.
///
/// # Safety
/// `T` is `repr(C)` integers: every bit pattern is valid.
pub unsafe fn read<T: Copy>(bytes: &[u8]) -> Option<T> {
    (bytes.len() >= size_of::<T>()).then(|| {
        // SAFETY: the length was checked; the read may be unaligned.
        unsafe { std::ptr::read_unaligned(bytes.as_ptr().cast::<T>()) }
    })
}

#[cfg(test)]
mod tests {
    use procmon_common::Operation;
    use procmon_common::records::FailureSlot;

    use super::*;

    #[test]
    fn an_exit_record_may_end_before_the_failures_and_no_sooner() {
        let mut entry = empty_entry();
        entry.pid = 7;
        entry.waits[39] = 8;
        let record = bytes_of_entry(&mut entry)[..ProcessEntry::WITHOUT_FAILURES].to_vec();
        let read = read_exit(&record).unwrap();
        assert_eq!((read.pid, read.waits[39]), (7, 8));
        assert_eq!(read.failures, [FailureSlot::default(); 16]);
        assert!(read_exit(&record[1..]).is_none());
    }

    #[test]
    fn a_whole_exit_record_has_its_failures() {
        let mut entry = empty_entry();
        let slot = FailureSlot {
            key: FailureSlot::key(Operation::Open, 2),
            count: 5,
        };
        entry.failures[15] = slot;
        let read = read_exit(bytes_of_entry(&mut entry)).unwrap();
        assert_eq!(read.failures[15], slot);
    }
}
