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
