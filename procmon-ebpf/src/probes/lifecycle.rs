//! Births and programs: who is counted from when on.
//!
//! Hooks: sched:sched_process_fork (kernel/fork.c, before the child first
//! runs) and sched:sched_process_exec (fs/exec.c, after the program's loader,
//! whose mappings are no system calls, and before its first instruction).
//! Ends are seen by the switch program: only a thread's last switch knows its
//! whole CPU time.

use aya_ebpf::EbpfContext;
use aya_ebpf::bindings::BPF_ANY;
use aya_ebpf::helpers::generated::bpf_ktime_get_boot_ns;
use aya_ebpf::macros::{btf_tracepoint, tracepoint};
use aya_ebpf::programs::{BtfTracePointContext, TracePointContext};
use procmon_common::counters::WAIT_BUCKETS;
use procmon_common::records::{FAILURE_SLOTS, FailureSlot, state};
use procmon_common::{Counter, Field, Loss, OomStat, ProcessEntry};

use crate::maps::{COUNTERS, HELD};
use crate::offsets::{Object, config, load, oom_stat};
use crate::{count, front, process};

/// sched_process_fork(parent, child).
#[btf_tracepoint(function = "sched_process_fork")]
pub fn process_fork(ctx: BtfTracePointContext) -> i32 {
    fork(ctx.arg(0), ctx.arg(1));
    0
}

#[inline(always)]
fn fork(parent: Object, child: Object) {
    // SAFETY: both are tasks the verifier knows.
    unsafe {
        let parent_tgid: u32 = load(parent, Field::TaskTgid);
        let child_tgid: u32 = load(child, Field::TaskTgid);
        let family = COUNTERS.get_ptr_mut(parent_tgid);
        if parent_tgid == child_tgid {
            if let Some(entry) = family {
                process::track(entry, child);
            }
            return;
        }
        let parent_state = match family {
            Some(entry) => {
                if (*entry).state == state::ACTIVE {
                    count::add(front::tally_of(entry), Counter::Forks, 1);
                }
                (*entry).state
            }
            None => 0,
        };
        let inherited = config!(children) != 0
            && (parent_state == state::ACTIVE || parent_state == state::WANTED);
        let wanted = if inherited
            || config!(all) != 0
                && (config!(kernel_threads) != 0 || !process::is_kernel_thread(child))
        {
            state::ACTIVE
        } else if config!(exec_parent) != 0 && parent_tgid == config!(exec_parent) {
            state::PENDING
        } else {
            return;
        };
        if let Some(entry) = process::insert(child_tgid, Loss::NoRoomForProcess) {
            process::identify(entry, child, load(child, Field::TaskMm));
            (*entry).parent = parent_tgid;
            (*entry).since_ns = (*entry).start_ns;
            process::track(entry, child);
            if wanted == state::ACTIVE {
                front::claim(entry);
            }
            (*entry).state = wanted;
        }
    }
}

/// sched_process_exec(task, old_pid, bprm), in the task itself.
#[btf_tracepoint(function = "sched_process_exec")]
pub fn process_exec(ctx: BtfTracePointContext) -> i32 {
    let task: Object = ctx.arg(0);
    // SAFETY: a task the verifier knows, and its map value.
    unsafe {
        if let Some(entry) = COUNTERS.get_ptr_mut(load::<u32>(task, Field::TaskTgid)) {
            if (*entry).state == state::PENDING {
                restart(entry);
            }
            process::identify_program(entry, task, load(task, Field::TaskMm));
            count::add(front::tally_of(entry), Counter::Execs, 1);
            (*entry).exec_ns = bpf_ktime_get_boot_ns();
        }
    }
    0
}

/// oom:mark_victim (mm/oom_kill.c): its first field, at byte 8 on every kernel,
/// is the victim's pid; newer kernels say what it holds. The one who is out of
/// memory is the current task, who need not be the victim. Of a process whose
/// first thread has gone it names another thread: [`process::take_held`] finds
/// what was said of that one.
#[tracepoint]
pub fn oom_kill(ctx: TracePointContext) -> u32 {
    // SAFETY: the verifier checks the access against the context.
    let victim = unsafe { core::ptr::read_volatile(ctx.as_ptr().byte_add(8).cast::<u32>()) };
    let mut held = [0; OomStat::COUNT];
    let mut index = 0;
    while index < OomStat::COUNT {
        // SAFETY: the tracepoint's record, an index in bounds.
        held[index] = unsafe { oom_stat(ctx.as_ptr().cast(), index) };
        index += 1;
    }
    match COUNTERS.get_ptr_mut(victim) {
        Some(entry) => {
            // SAFETY: a map value.
            let tally = unsafe { front::tally_of(entry) };
            count::add(tally, Counter::OomKills, 1);
            // SAFETY: a map value.
            unsafe {
                (*entry).held = held;
                (*entry).oom_ns = bpf_ktime_get_boot_ns();
            }
        }
        None => {
            let _ = HELD.insert(victim, held, u64::from(BPF_ANY));
        }
    }
    0
}

/// `procmon exec`: what came before the program does not count.
///
/// # Safety
/// `entry` is a map value; its process has one thread, which is here.
#[inline(always)]
unsafe fn restart(entry: *mut ProcessEntry) {
    // SAFETY: the caller's.
    unsafe {
        (*entry).tally.counters = [0; Counter::COUNT];
        (*entry).failures = [FailureSlot { key: 0, count: 0 }; FAILURE_SLOTS];
        (*entry).tally.waits = [0; WAIT_BUCKETS];
        front::claim(entry);
        (*entry).since_ns = bpf_ktime_get_boot_ns();
        (*entry).state = state::ACTIVE;
    }
}
