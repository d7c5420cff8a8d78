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
use procmon_common::records::state;
use procmon_common::{Counter, Field, Loss, OomStat};

use crate::maps::HELD;
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
        let family = front::entry(parent_tgid);
        if parent_tgid == child_tgid {
            if let Some(entry) = family {
                process::track(entry, child);
            }
            return;
        }
        let parent_state = match family {
            Some(entry) => {
                if (*entry).state == state::ACTIVE {
                    count::add(entry, Counter::Forks, 1);
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
        let Some(entry) = process::insert(child_tgid, Loss::NoRoomForProcess) else {
            return;
        };
        (*entry).born = 1;
        process::identify(entry, child);
        (*entry).parent = parent_tgid;
        (*entry).since_ns = (*entry).start_ns;
        process::note_program(entry, child);
        process::track(entry, child);
        (*entry).state = wanted;
    }
}

/// sched_process_exec(task, old_pid, bprm), in the task itself.
#[btf_tracepoint(function = "sched_process_exec")]
pub fn process_exec(ctx: BtfTracePointContext) -> i32 {
    let task: Object = ctx.arg(0);
    // SAFETY: a task the verifier knows, and its map value.
    unsafe {
        let Some(entry) = front::entry(load(task, Field::TaskTgid)) else {
            return 0;
        };
        let now = bpf_ktime_get_boot_ns();
        process::identify_program(entry, task);
        if (*entry).state == state::PENDING {
            // `procmon exec`: what came before the program does not count.
            (*entry).since_ns = now;
            (*entry).state = state::ACTIVE;
        }
        count::add(entry, Counter::Execs, 1);
        (*entry).exec_ns = now;
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
    match front::entry(victim) {
        Some(entry) => {
            count::add(entry, Counter::OomKills, 1);
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
