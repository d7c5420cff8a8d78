//! Making, filling and publishing the entry of a process.

use core::ptr;

use aya_ebpf::bindings::BPF_ANY;
use aya_ebpf::helpers::generated::{
    bpf_ktime_get_boot_ns, bpf_map_update_elem, bpf_probe_read_kernel, bpf_probe_read_kernel_str,
};
use aya_log_ebpf::warn;
use procmon_common::records::{EXECUTABLE_LEN, state, thread};
use procmon_common::{Counter, Field, Loss, ProcessEntry, ThreadStat};

use crate::maps::{COUNTERS, EVENTS, HELD, TEMPLATE, features, lose, thread_or_new};
use crate::offsets::{Object, address, config, load, peek, task_stat};
use crate::{atomic, cgroups, events, front};

/// `task_struct.flags` of a kernel thread (include/linux/sched.h).
const PF_KTHREAD: u32 = 0x0020_0000;

/// `task_struct.flags` of the thread that runs when no other does (the same).
const PF_IDLE: u32 = 0x2;

/// Whether a task is counted by nobody: an idle one, or a kernel thread when
/// every process is but they are not.
#[inline(always)]
pub fn is_left_out(task: Object) -> bool {
    // SAFETY: a task the verifier knows.
    let flags = unsafe { load::<u32>(task, Field::TaskFlags) };
    flags & PF_IDLE != 0
        || flags & PF_KTHREAD != 0 && config!(all) != 0 && config!(kernel_threads) == 0
}

/// Whether a task is a kernel thread.
#[inline(always)]
pub fn is_kernel_thread(task: Object) -> bool {
    // SAFETY: a task the verifier knows.
    unsafe { load::<u32>(task, Field::TaskFlags) & PF_KTHREAD != 0 }
}

/// Inserts an entry of zeros for `tgid`, over any that is there; `None` when
/// there was no room, which counts as `otherwise`.
#[inline(always)]
pub fn insert(tgid: u32, otherwise: Loss) -> Option<*mut ProcessEntry> {
    if let Some(stale) = COUNTERS.get_ptr_mut(tgid) {
        // SAFETY: a map value.
        if unsafe { (*stale).state } == state::EXITED {
            lose(Loss::ExitRecordLost);
        }
    }
    let template = TEMPLATE.get_ptr(0)?;
    // SAFETY: key and value are of the map's types.
    let failed = unsafe {
        bpf_map_update_elem(
            (&raw const COUNTERS).cast_mut().cast(),
            (&raw const tgid).cast(),
            template.cast(),
            u64::from(BPF_ANY),
        )
    };
    if failed != 0 {
        // Once: the count is in LOSSES.
        if lose(otherwise) == 0 {
            warn!(
                (),
                "no room in COUNTERS for process {}: it and others are not counted", tgid
            );
        }
        return None;
    }
    COUNTERS.get_ptr_mut(tgid)
}

/// Fills in who a process is, from any of its threads and the address space.
///
/// # Safety
/// `entry` is a map value, `task` a task the verifier knows.
#[inline(always)]
pub unsafe fn identify(entry: *mut ProcessEntry, task: Object, mm: u64) {
    // SAFETY: the caller's; fields are of the types named in `Field`.
    unsafe {
        (*entry).pid = load(task, Field::TaskTgid);
        let parent: u64 = load(task, Field::TaskParent);
        (*entry).parent = peek(parent as Object, Field::TaskTgid);
        let leader: u64 = load(task, Field::TaskLeader);
        (*entry).start_ns = peek(leader as Object, Field::TaskStart);
        identify_program(entry, task, mm);
    }
}

/// Fills in what an execve changes: the program's name, the owner, the break;
/// and the control groups, which often change just before.
///
/// # Safety
/// As [`identify`].
#[inline(always)]
pub unsafe fn identify_program(entry: *mut ProcessEntry, task: Object, mm: u64) {
    // SAFETY: the caller's; fields are of the types named in `Field`.
    unsafe {
        let cred: u64 = load(task, Field::TaskCred);
        (*entry).uid = peek(cred as Object, Field::CredUid);
        (*front::tally_of(entry)).brk = peek(mm as Object, Field::MmBrk);
        cgroups::note(entry, load::<u64>(task, Field::TaskLeader) as Object);
        let signal: u64 = load(task, Field::TaskSignal);
        (*entry).max_rss_before = peek(signal as Object, Field::SignalMaxRss);
        executable(&raw mut (*entry).executable, task, mm);
    }
}

/// Writes the base name of a task's program: its exe_file's directory entry,
/// or, without address space, its comm.
///
/// # Safety
/// `name` is in a map value, `task` a task the verifier knows.
#[inline(always)]
pub unsafe fn executable(name: *mut [u8; EXECUTABLE_LEN], task: Object, mm: u64) {
    // SAFETY: the helpers check the addresses and keep within the length.
    unsafe {
        if mm == 0 {
            let _ = bpf_probe_read_kernel(name.cast(), 16, address(task, Field::TaskComm).cast());
        } else {
            let file: u64 = peek(mm as Object, Field::MmExeFile);
            let dentry: u64 = peek(file as Object, Field::FileDentry);
            let string: u64 = peek(dentry as Object, Field::DentryName);
            let _ =
                bpf_probe_read_kernel_str(name.cast(), EXECUTABLE_LEN as u32, string as *const _);
        }
    }
}

/// Begins to count a thread: its totals so far are no news.
///
/// # Safety
/// `entry` is a map value, `task` a task the verifier knows.
#[inline(always)]
pub unsafe fn track(entry: *mut ProcessEntry, task: Object) {
    let Some(state) = thread_or_new(task) else {
        return;
    };
    // SAFETY: a map value and a task the verifier knows. A thread is met
    // again and again, and begun once.
    unsafe {
        if ptr::read_volatile(&raw const (*state).tracked) != thread::NEW {
            return;
        }
        // First: whoever finds it tracked finds it counted.
        atomic::add(&raw mut (*entry).threads, 1);
        if atomic::replace(&raw mut (*state).tracked, thread::NEW, thread::ALIVE) == thread::NEW {
            let notes = front::claim_notes(task).unwrap_or(&raw mut (*state).notes);
            (*notes).runtime = load(task, Field::TaskRuntime);
            (*notes).run_delay = load(task, Field::TaskRunDelay);
            (*notes).met = load(task, Field::TaskArrival);
            // Last: until then a switch of the thread only takes note itself.
            ptr::write_volatile(&raw mut (*notes).epoch, features().epoch());
        } else {
            atomic::decrement(&raw mut (*entry).threads);
        }
    }
}

/// Adds a thread's totals to those of its process's dead threads.
///
/// # Safety
/// As [`track`].
#[inline(always)]
pub unsafe fn bury(entry: *mut ProcessEntry, task: Object) {
    let mut index = 0;
    while index < ThreadStat::COUNT {
        // SAFETY: an index in bounds, and the caller's.
        unsafe {
            let value = task_stat(task, index);
            atomic::add(&raw mut (*entry).dead[index], value);
        }
        index += 1;
    }
}

/// Notes what was said of a thread by whose id its process was chosen to be
/// killed for want of memory. The high-water mark may not tell: the kernel
/// carries that of whoever spawned the process across execve, and its
/// reaper takes memory before the mark is noted (mm/oom_kill.c).
///
/// # Safety
/// As [`track`].
#[inline(always)]
pub unsafe fn take_held(entry: *mut ProcessEntry, task: Object) {
    // SAFETY: the caller's, and map values.
    unsafe {
        let signal: u64 = load(task, Field::TaskSignal);
        if peek::<u64>(signal as Object, Field::SignalOomMm) == 0 {
            return;
        }
        let pid: u32 = load(task, Field::TaskPid);
        if let Some(held) = HELD.get_ptr(pid) {
            (*entry).held = *held;
            let _ = HELD.remove(pid);
        }
    }
}

/// Makes an entry final and hands it over. When the ring buffer is full, the
/// entry stays in the map, where user space looks for it.
///
/// # Safety
/// As [`track`]; the last thread of the process calls it, once.
#[inline(always)]
pub unsafe fn publish(entry: *mut ProcessEntry, task: Object) {
    // SAFETY: the caller's.
    unsafe {
        front::settle(entry);
        let signal: u64 = load(task, Field::TaskSignal);
        let signal = signal as Object;
        (*entry).exit_ns = bpf_ktime_get_boot_ns();
        // The leader's are the process's. When another thread is the last, the
        // leader may have been freed: what is noted holds.
        if load::<u32>(task, Field::TaskPid) == (*entry).pid {
            cgroups::note(entry, task);
        }
        (*entry).exit_code = peek(signal, Field::SignalExitCode);
        (*entry).max_rss_pages = peek(signal, Field::SignalMaxRss);
        if peek::<u64>(signal, Field::SignalOomMm) != 0 {
            // Marked, by whichever thread.
            (*entry).tally.counters[Counter::OomKills.index()] = 1;
        }
        (*entry).prev_utime = peek(signal, Field::SignalPrevUtime);
        (*entry).prev_stime = peek(signal, Field::SignalPrevStime);
        (*entry).state = state::EXITED;
        if EVENTS.output(&*entry, events::for_an_end()) == Ok(()) {
            let _ = COUNTERS.remove((*entry).pid);
        } else {
            lose(Loss::ExitRecordDeferred);
        }
    }
}
