//! Context switches: waits for a CPU, time off it by reason, and the final
//! totals of a thread.
//!
//! Hook: sched:sched_switch (kernel/sched/core.c), looked at from the thread
//! that leaves, where the kernel has just settled its accounts: what it ran
//! (`se.sum_exec_runtime`) and waited (`sched_info.run_delay`) since its last
//! switch, and when it came to this CPU (`sched_info.last_arrival`; the thread
//! that comes gets its own after the hook). It left when it had come plus what
//! it ran; from there to its next arrival it was off the CPU, but for the wait.
//! So the kernel's clock serves: no clock read, and no hook on wakeups.
//!
//! The histogram of the waits and the time off the CPU are features that may be
//! off; the end of a thread is not.

use aya_ebpf::helpers::generated::bpf_ktime_get_ns;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use procmon_common::counters::wait_bucket;
use procmon_common::records::{ThreadNotes, state, thread};
use procmon_common::{Counter, Feature, Features, Field, ProcessEntry};

use crate::maps::{features, thread};
use crate::offsets::{Object, load};
use crate::process::TASK_DEAD;
use crate::{atomic, count, front, process};

// prev_state bits, include/linux/sched.h.
const TASK_UNINTERRUPTIBLE: u32 = 0x02;
const TASK_STOPPED_OR_TRACED: u32 = 0x04 | 0x08;
const TASK_NOLOAD: u32 = 0x400;

/// sched_switch(preempt, prev, next, prev_state).
#[btf_tracepoint(function = "sched_switch")]
pub fn context_switch(ctx: BtfTracePointContext) -> i32 {
    let previous: Object = ctx.arg(1);
    // Half of all switches are from idle.
    if process::is_left_out(previous) {
        return 0;
    }
    let preempted: u64 = ctx.arg(0);
    let why: u32 = ctx.arg(3);
    if why & TASK_DEAD != 0 {
        last_switch(previous);
        front::leave_notes(previous);
        return 0;
    }
    let features = features();
    if features.has_waits()
        && let Some(notes) = notes(previous)
    {
        // A preempted thread stays runnable whatever its state says.
        let why = if preempted & 1 != 0 { 0 } else { why };
        switch(previous, notes, why, features);
    }
    0
}

/// What is noted of a thread, if it is counted.
#[inline(always)]
fn notes(task: Object) -> Option<*mut ThreadNotes> {
    front::notes(task).or_else(|| {
        let thread = thread(task)?;
        // SAFETY: a map value.
        Some(unsafe { &raw mut (*thread).notes })
    })
}

#[inline(always)]
fn switch(task: Object, notes: *mut ThreadNotes, why: u32, features: Features) {
    // SAFETY: a task the verifier knows; map values.
    unsafe {
        let tgid: u32 = load(task, Field::TaskTgid);
        let stretch = settle(task, notes, front::active(tgid), features);
        if why == 0 || !features.has(Feature::OffCpu) {
            (*notes).blocked_ns = 0;
            return;
        }
        (*notes).reason = reason(why) as u64;
        if stretch.arrival == (*notes).met {
            // It was already running when it was first seen: how long, nobody
            // wrote down. This once, a clock must do.
            (*notes).blocked_ns = bpf_ktime_get_ns();
            (*notes).monotonic = 1;
        } else {
            (*notes).blocked_ns = stretch.arrival.wrapping_add(stretch.ran);
            (*notes).monotonic = 0;
        }
    }
}

/// The time on a CPU that ends with a switch.
struct Stretch {
    /// When it began, by the scheduler's clock.
    arrival: u64,
    /// How long it was, as far as it was seen.
    ran: u64,
}

/// Books what passed since the thread's last switch; of a thread of which
/// nothing is noted yet, or nothing of this epoch, and of a process that is not
/// counted, which has no entry, it only takes note.
///
/// # Safety
/// `notes` and `entry` are map values, `task` a task the verifier knows.
#[inline(always)]
unsafe fn settle(
    task: Object,
    notes: *mut ThreadNotes,
    entry: Option<*mut ProcessEntry>,
    features: Features,
) -> Stretch {
    // SAFETY: the caller's; the bucket is in bounds.
    unsafe {
        let runtime: u64 = load(task, Field::TaskRuntime);
        let run_delay: u64 = load(task, Field::TaskRunDelay);
        let arrival: u64 = load(task, Field::TaskArrival);
        let ran = runtime.wrapping_sub((*notes).runtime);
        let waited = run_delay.wrapping_sub((*notes).run_delay);
        (*notes).runtime = runtime;
        (*notes).run_delay = run_delay;
        if (*notes).epoch != features.epoch() {
            (*notes).epoch = features.epoch();
            (*notes).met = arrival;
            (*notes).blocked_ns = 0;
        } else if let Some(entry) = entry {
            if features.has(Feature::RunQueue) {
                atomic::add(&raw mut (*entry).waits[wait_bucket(waited)], 1);
                if waited != 0 {
                    count::add(entry, Counter::RunQueueWait, waited);
                }
            }
            let blocked_ns = (*notes).blocked_ns;
            if blocked_ns != 0 && features.has(Feature::OffCpu) {
                let back = if (*notes).monotonic == 0 {
                    arrival
                } else {
                    bpf_ktime_get_ns().wrapping_sub(ran)
                };
                // The clocks of two CPUs may differ a little.
                let off = (back.wrapping_sub(blocked_ns).wrapping_sub(waited)).cast_signed();
                if off > 0 {
                    add_off_cpu(entry, (*notes).reason, off.cast_unsigned());
                }
            }
        }
        Stretch { arrival, ran }
    }
}

/// Adds to the counter of the reason.
#[inline(always)]
fn add_off_cpu(entry: *mut ProcessEntry, reason: u64, off: u64) {
    match reason {
        r if r == Counter::OffCpuUninterruptible as u64 => {
            count::add(entry, Counter::OffCpuUninterruptible, off);
        }
        r if r == Counter::OffCpuStopped as u64 => {
            count::add(entry, Counter::OffCpuStopped, off);
        }
        _ => count::add(entry, Counter::OffCpuSleep, off),
    }
}

/// Why a thread leaves the CPU, as its state says.
#[inline(always)]
fn reason(why: u32) -> Counter {
    if why & TASK_STOPPED_OR_TRACED != 0 {
        Counter::OffCpuStopped
    } else if why & TASK_UNINTERRUPTIBLE != 0 && why & TASK_NOLOAD == 0 {
        Counter::OffCpuUninterruptible
    } else {
        Counter::OffCpuSleep
    }
}

/// A dead thread leaves the CPU for good: its totals are complete now, as they
/// were not at sched_process_exit. The last thread counted of its process
/// publishes it.
#[inline(always)]
fn last_switch(task: Object) {
    // SAFETY: a task the verifier knows; map values.
    unsafe {
        let tgid: u32 = load(task, Field::TaskTgid);
        let Some(entry) = front::entry(tgid) else {
            return;
        };
        match (*entry).state {
            state::ACTIVE => {}
            // execve failed in a child of `procmon exec`.
            state::PENDING => {
                front::leave(tgid);
                return;
            }
            _ => return,
        }
        let mut notes = front::notes(task);
        let before = if (*entry).born != 0 && notes.is_some() {
            thread::ALIVE
        } else if let Some(thread) = thread(task) {
            notes = notes.or(Some(&raw mut (*thread).notes));
            atomic::replace(&raw mut (*thread).tracked, thread::ALIVE, thread::DEAD)
        } else {
            thread::NEW
        };
        let features = features();
        if before == thread::ALIVE
            && features.has_waits()
            && let Some(notes) = notes
        {
            settle(task, notes, Some(entry), features);
        }
        // The iterator may have met it, dead, since it died.
        if before != thread::DEAD {
            process::bury(entry, task);
        }
        process::take_held(entry, task);
        if before == thread::ALIVE && atomic::decrement(&raw mut (*entry).threads) == 0 {
            process::publish(entry, task);
        }
    }
}
