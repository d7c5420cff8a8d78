//! The hot helper: the current process's entry, and adding to it.

use aya_ebpf::helpers::generated::bpf_get_current_task_btf;
use procmon_common::records::{FAILURE_SLOTS, FailureSlot};
use procmon_common::{Counter, Field, Loss, Operation, ProcessEntry};

use crate::maps::lose;
use crate::offsets::{Object, config, load};
use crate::{atomic, front};

/// The entry of the current process, if it is counted.
#[inline(always)]
pub fn current() -> Option<*mut ProcessEntry> {
    of(task())
}

/// The current task. Each helper called costs a hook as much as half of what else
/// it does: who needs it twice keeps it.
#[inline(always)]
pub fn task() -> Object {
    // SAFETY: there always is one.
    unsafe { bpf_get_current_task_btf() as Object }
}

/// The entry of a task's process, if it is counted. The maps are the filter: a
/// process that is in none costs failed look-ups. The id is not got by
/// bpf_get_current_pid_tgid: where the kernel can, it puts the current task in
/// without a call (do_misc_fixups in kernel/bpf/verifier.c).
#[inline(always)]
pub fn of(task: Object) -> Option<*mut ProcessEntry> {
    // SAFETY: a task the verifier knows.
    let tgid: u32 = unsafe { load(task, Field::TaskTgid) };
    let entry = front::active(tgid);
    if entry.is_none() && config!(all) != 0 && front::entry(tgid).is_none() {
        lose(Loss::UpdateWithoutProcess);
    }
    entry
}

/// Adds to a counter.
#[inline(always)]
pub fn add(entry: *mut ProcessEntry, counter: Counter, value: u64) {
    // SAFETY: a map value, and an index below COUNT.
    unsafe { atomic::add(&raw mut (*entry).counters[counter.index()], value) };
}

/// Counts one call of `operation` by the current process that returned `ret`;
/// says whether it succeeded. Values in -4095..0 are errors (include/linux/err.h).
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
