//! The hot helper: the current process's tally, and adding to it.

use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use procmon_common::records::{FAILURE_SLOTS, FailureSlot, Tally, state};
use procmon_common::{Counter, Loss, Operation, ProcessEntry};

use crate::maps::{COUNTERS, lose};
use crate::offsets::config;
use crate::{atomic, front};

/// The tally of the current process, if it is counted. The maps are the filter:
/// a process that is in none costs failed look-ups.
#[inline(always)]
pub fn current() -> Option<*mut Tally> {
    let tgid = current_tgid();
    if let Some(tally) = front::tally(tgid) {
        return Some(tally);
    }
    match COUNTERS.get_ptr_mut(tgid) {
        // SAFETY: a map value.
        Some(entry) => unsafe { of_counted(entry) },
        None => {
            if config!(all) != 0 {
                lose(Loss::UpdateWithoutProcess);
            }
            None
        }
    }
}

/// The thread group id of the current process.
#[inline(always)]
fn current_tgid() -> u32 {
    (bpf_get_current_pid_tgid() >> 32) as u32
}

/// The tally of a process that has no place in front, if it is counted.
///
/// # Safety
/// `entry` is a map value.
#[inline(always)]
pub unsafe fn of_counted(entry: *mut ProcessEntry) -> Option<*mut Tally> {
    // SAFETY: the caller's.
    unsafe { ((*entry).state == state::ACTIVE).then_some(&raw mut (*entry).tally) }
}

/// Adds to a counter.
#[inline(always)]
pub fn add(tally: *mut Tally, counter: Counter, value: u64) {
    // SAFETY: a map value, and an index below COUNT.
    unsafe { atomic::add(&raw mut (*tally).counters[counter.index()], value) };
}

/// Counts one call of `operation` by the current process that returned `ret`;
/// says whether it succeeded. Values in -4095..0 are errors (include/linux/err.h).
#[inline(always)]
pub fn call(tally: *mut Tally, operation: Operation, ret: i64) -> bool {
    if (-4095..0).contains(&ret) {
        add(tally, operation.failed(), 1);
        fail(FailureSlot::key(operation, -ret as u32));
        false
    } else {
        add(tally, operation.succeeded(), 1);
        true
    }
}

/// Counts a failure in its slot, or in none when all are taken: the
/// operation's failure counter has it already.
#[inline(always)]
fn fail(key: u64) {
    let Some(entry) = COUNTERS.get_ptr_mut(current_tgid()) else {
        return;
    };
    let mut index = 0;
    while index < FAILURE_SLOTS {
        // SAFETY: a map value, and an index in bounds. A slot's key changes
        // once, from 0 to its key.
        unsafe {
            let slot = &raw mut (*entry).failures[index];
            let mut found = core::ptr::read_volatile(&raw const (*slot).key);
            if found == 0 {
                found = atomic::replace(&raw mut (*slot).key, 0, key);
                if found == 0 {
                    found = key;
                }
            }
            if found == key {
                atomic::add(&raw mut (*slot).count, 1);
                return;
            }
        }
        index += 1;
    }
}
