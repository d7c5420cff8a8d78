//! Atomic operations on map values and records.

use core::intrinsics::{AtomicOrdering, atomic_cxchg, atomic_xadd, atomic_xchg, atomic_xsub};

const RELAXED: AtomicOrdering = AtomicOrdering::Relaxed;
const SEQUENTIAL: AtomicOrdering = AtomicOrdering::SeqCst;

/// Adds `value` to `*target`.
///
/// # Safety
/// `target` points to a map value.
#[inline(always)]
pub unsafe fn add(target: *mut u64, value: u64) {
    // SAFETY: the caller's.
    unsafe { atomic_xadd::<u64, u64, RELAXED>(target, value) };
}

/// Subtracts one from `*target` and returns what is left.
///
/// # Safety
/// `target` points to a map value.
#[inline(always)]
pub unsafe fn decrement(target: *mut u64) -> u64 {
    // SAFETY: the caller's.
    unsafe { atomic_xsub::<u64, u64, SEQUENTIAL>(target, 1) }.wrapping_sub(1)
}

/// Puts `value` into `*target` and returns what was there.
///
/// # Safety
/// `target` points to a map value.
#[inline(always)]
pub unsafe fn swap(target: *mut u64, value: u64) -> u64 {
    // SAFETY: the caller's.
    unsafe { atomic_xchg::<u64, SEQUENTIAL>(target, value) }
}

/// Keeps the reads that come after it behind those before. BPF has no fence, but its
/// atomic operations with a result are fully ordered, as the kernel's own are
/// (Documentation/atomic_t.txt).
///
/// # Safety
/// `target` points to a map value.
#[inline(always)]
pub unsafe fn fence(target: *mut u64) {
    // SAFETY: the caller's; what is there stays.
    unsafe { replace(target, u64::MAX, u64::MAX) };
}

/// Puts `value` into `*target` if `expected` is there; returns what was there.
///
/// # Safety
/// `target` points to a map value.
#[inline(always)]
pub unsafe fn replace(target: *mut u64, expected: u64, value: u64) -> u64 {
    // SAFETY: the caller's.
    unsafe { atomic_cxchg::<u64, SEQUENTIAL, SEQUENTIAL>(target, expected, value) }.0
}
