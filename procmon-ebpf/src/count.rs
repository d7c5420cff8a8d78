//! The hot helper: the current process's entry, and adding to it.

use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use procmon_common::records::{FAILURE_SLOTS, FailureSlot, state};
use procmon_common::{Counter, Loss, Operation, ProcessEntry};

use crate::atomic;
use crate::maps::{COUNTERS, lose};
use crate::offsets::config;

/// The entry of the current process, if it is counted. The map is the filter:
/// a process that is not in it costs one failed look-up.
#[inline(always)]
pub fn current() -> Option<*mut ProcessEntry> {
    let tgid = (bpf_get_current_pid_tgid() >> 32) as u32;
    match COUNTERS.get_ptr_mut(tgid) {
        Some(entry) => {
            // SAFETY: a map value.
            (unsafe { (*entry).state } == state::ACTIVE).then_some(entry)
        }
        None => {
            if config!(all) != 0 {
                lose(Loss::UpdateWithoutProcess);
            }
            None
        }
    }
}

/// Adds to a counter.
#[inline(always)]
pub fn add(entry: *mut ProcessEntry, counter: Counter, value: u64) {
    // SAFETY: a map value, and an index below COUNT.
    unsafe { atomic::add(&raw mut (*entry).counters[counter.index()], value) };
}

/// Counts one call of `operation` that returned `ret`; says whether it
/// succeeded. Values in -4095..0 are errors (include/linux/err.h).
#[inline(always)]
pub fn call(entry: *mut ProcessEntry, operation: Operation, ret: i64) -> bool {
    if (-4095..0).contains(&ret) {
        add(entry, operation.failed(), 1);
        fail(entry, FailureSlot::key(operation, -ret as u32));
        false
    } else {
        add(entry, operation.succeeded(), 1);
        true
    }
}

/// Counts a failure in its slot, or in none when all are taken: the
/// operation's failure counter has it already.
#[inline(always)]
fn fail(entry: *mut ProcessEntry, key: u64) {
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
