//! Context switches: waits for a CPU, time off it by reason, and the final
//! totals of a thread.
//!
//! Hook: sched:sched_switch (kernel/sched/core.c), looked at from the thread
//! that leaves, where the kernel has just settled its accounts: what it ran
//! (`se.sum_exec_runtime`) and waited (`sched_info.run_delay`) since its last
//! switch. What is left of the time between, it was off the CPU. So one clock
//! read and one look-up do, and no hook on wakeups.

use aya_ebpf::helpers::generated::bpf_ktime_get_ns;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use procmon_common::counters::wait_bucket;
use procmon_common::records::{state, thread};
use procmon_common::{Counter, Field, ProcessEntry, ThreadState};

use crate::maps::{COUNTERS, thread};
use crate::offsets::{Object, load};
use crate::{atomic, count, process};

// prev_state bits, include/linux/sched.h.
const TASK_UNINTERRUPTIBLE: u32 = 0x02;
const TASK_STOPPED_OR_TRACED: u32 = 0x04 | 0x08;
const TASK_DEAD: u32 = 0x80;
const TASK_NOLOAD: u32 = 0x400;

/// sched_switch(preempt, prev, next, prev_state).
#[btf_tracepoint(function = "sched_switch")]
pub fn context_switch(ctx: BtfTracePointContext) -> i32 {
    let previous: Object = ctx.arg(1);
    let preempted: u64 = ctx.arg(0);
    let why: u32 = ctx.arg(3);
    if why & TASK_DEAD != 0 {
        last_switch(previous);
    } else if let Some(thread) = thread(previous) {
        // A preempted thread stays runnable whatever its state says.
        let why = if preempted & 1 != 0 { 0 } else { why };
        switch(previous, thread, why);
    }
    0
}

#[inline(always)]
fn switch(task: Object, thread: *mut ThreadState, why: u32) {
    // SAFETY: a task the verifier knows; map values.
    unsafe {
        let Some(entry) = COUNTERS.get_ptr_mut(load::<u32>(task, Field::TaskTgid)) else {
            return;
        };
        let blocked_ns = (*thread).blocked_ns;
        let now = if blocked_ns != 0 || why != 0 {
            bpf_ktime_get_ns()
        } else {
            0
        };
        settle(task, thread, entry, now);
        (*thread).blocked_ns = if why != 0 { now } else { 0 };
        (*thread).reason = reason(why) as u64;
    }
}

/// Books what passed since the thread's last switch.
///
/// # Safety
/// `thread` and `entry` are map values, `task` a task the verifier knows.
#[inline(always)]
unsafe fn settle(task: Object, thread: *mut ThreadState, entry: *mut ProcessEntry, now: u64) {
    // SAFETY: the caller's; the bucket is in bounds.
    unsafe {
        let runtime: u64 = load(task, Field::TaskRuntime);
        let run_delay: u64 = load(task, Field::TaskRunDelay);
        let ran = runtime.wrapping_sub((*thread).runtime);
        let waited = run_delay.wrapping_sub((*thread).run_delay);
        (*thread).runtime = runtime;
        (*thread).run_delay = run_delay;
        if (*entry).state != state::ACTIVE {
            return;
        }
        atomic::add(&raw mut (*entry).waits[wait_bucket(waited)], 1);
        if waited != 0 {
            count::add(entry, Counter::RunQueueWait, waited);
        }
        if (*thread).blocked_ns != 0 {
            let off = now
                .wrapping_sub((*thread).blocked_ns)
                .saturating_sub(ran)
                .saturating_sub(waited);
            match (*thread).reason {
                r if r == Counter::OffCpuUninterruptible as u64 => {
                    count::add(entry, Counter::OffCpuUninterruptible, off);
                }
                r if r == Counter::OffCpuStopped as u64 => {
                    count::add(entry, Counter::OffCpuStopped, off);
                }
                _ => count::add(entry, Counter::OffCpuSleep, off),
            }
        }
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
        let Some(entry) = COUNTERS.get_ptr_mut(tgid) else {
            return;
        };
        match (*entry).state {
            state::ACTIVE => {}
            // execve failed in a child of `procmon exec`.
            state::PENDING => {
                let _ = COUNTERS.remove(tgid);
                return;
            }
            _ => return,
        }
        let mut counted = false;
        if let Some(thread) = thread(task) {
            counted = atomic::replace(&raw mut (*thread).tracked, thread::ALIVE, thread::DEAD)
                == thread::ALIVE;
            if counted {
                settle(task, thread, entry, bpf_ktime_get_ns());
            }
        }
        process::bury(entry, task);
        if counted && atomic::decrement(&raw mut (*entry).threads) == 0 {
            process::publish(entry, task);
        }
    }
}
