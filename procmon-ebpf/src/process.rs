//! Making, filling and publishing the entry of a process.

use core::ptr;

use aya_ebpf::bindings::BPF_ANY;
use aya_ebpf::helpers::generated::{
    bpf_ktime_get_boot_ns, bpf_map_update_elem, bpf_probe_read_kernel, bpf_probe_read_kernel_str,
};
use aya_log_ebpf::warn;
use procmon_common::records::{EXECUTABLE_LEN, state, thread as tracked};
use procmon_common::{Counter, Field, Loss, ProcessEntry, ThreadStat};

use crate::front::Found;
use crate::maps::{COUNTERS, EVENTS, HELD, TEMPLATE, features, lose, thread_or_new};
use crate::offsets::{Object, address, config, load, load_behind, task_stat};
use crate::{atomic, cgroups, events, front};

/// `task_struct.flags` of a kernel thread (include/linux/sched.h).
const PF_KTHREAD: u32 = 0x0020_0000;

/// `task_struct.flags` of the thread that runs when no other does (the same).
const PF_IDLE: u32 = 0x2;

/// A task's state when it only has its last switch to do (the same).
pub const TASK_DEAD: u32 = 0x80;

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

/// Makes an entry of zeros for `tgid`, [`state::WANTED`], over any that is there;
/// `None` when there was no room, which counts as `otherwise`.
#[inline(always)]
pub fn insert(tgid: u32, otherwise: Loss) -> Option<*mut ProcessEntry> {
    match front::claim(tgid) {
        Found::Free(entry) => Some(entry),
        Found::Own(entry) => {
            // SAFETY: a map value.
            unsafe {
                note_stale(entry);
                (*entry).state = state::WANTED;
                front::clear(entry);
            }
            Some(entry)
        }
        Found::Taken => insert_behind(tgid, otherwise),
    }
}

/// The same in the hash.
#[inline(always)]
fn insert_behind(tgid: u32, otherwise: Loss) -> Option<*mut ProcessEntry> {
    if let Some(stale) = COUNTERS.get_ptr_mut(tgid) {
        // SAFETY: a map value.
        unsafe { note_stale(stale) };
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
    let entry = COUNTERS.get_ptr_mut(tgid)?;
    // SAFETY: a map value.
    unsafe {
        (*entry).pid = tgid;
        (*entry).state = state::WANTED;
    }
    Some(entry)
}

/// An entry of the same id is there: if it is of one whose end waits to be told,
/// that is lost.
///
/// # Safety
/// `entry` is a map value.
#[inline(always)]
unsafe fn note_stale(entry: *mut ProcessEntry) {
    // SAFETY: the caller's.
    if unsafe { (*entry).state } == state::EXITED {
        lose(Loss::ExitRecordLost);
    }
}

/// Fills in who a process is, from any of its threads.
///
/// # Safety
/// `entry` is a map value, `task` a task the verifier knows.
#[inline(always)]
pub unsafe fn identify(entry: *mut ProcessEntry, task: Object) {
    // SAFETY: the caller's; fields are of the types named in `Field`.
    unsafe {
        (*entry).pid = load(task, Field::TaskTgid);
        (*entry).parent = load_behind(load(task, Field::TaskParent), Field::TaskTgid);
        let leader: u64 = load(task, Field::TaskLeader);
        (*entry).start_ns = load(leader as Object, Field::TaskStart);
        note_owner(entry, task);
    }
}

/// Fills in what an execve changes: the program's name, the owner, the break;
/// and the control groups, which often change just before.
///
/// # Safety
/// As [`identify`].
#[inline(always)]
pub unsafe fn identify_program(entry: *mut ProcessEntry, task: Object) {
    // SAFETY: the caller's.
    unsafe {
        note_owner(entry, task);
        note_program(entry, task);
    }
}

#[inline(always)]
unsafe fn note_owner(entry: *mut ProcessEntry, task: Object) {
    // SAFETY: the caller's; fields are of the types named in `Field`.
    unsafe {
        (*entry).uid = load_behind(load(task, Field::TaskCred), Field::CredUid);
        cgroups::note(entry, load::<u64>(task, Field::TaskLeader) as Object);
        let signal: u64 = load(task, Field::TaskSignal);
        (*entry).max_rss_before = load(signal as Object, Field::SignalMaxRss);
    }
}

/// Notes the program's name and break of a thread that has its process's memory,
/// or, as a kernel thread, none.
///
/// # Safety
/// As [`identify`].
#[inline(always)]
pub unsafe fn note_program(entry: *mut ProcessEntry, task: Object) {
    // SAFETY: the caller's; fields are of the types named in `Field`.
    unsafe {
        let mm = load::<u64>(task, Field::TaskMm) as Object;
        let mut string = 0;
        if !mm.is_null() {
            (*entry).brk = load(mm, Field::MmBrk);
            let file: u64 = load(mm, Field::MmExeFile);
            if file != 0 {
                let dentry: u64 = load(file as Object, Field::FileDentry);
                string = load(dentry as Object, Field::DentryName);
            }
        }
        note_name(entry, task, string);
    }
}

/// Writes the base name of a task's program: the name of its exe_file's
/// directory entry, or, if there is none, its comm.
///
/// # Safety
/// As [`identify`].
#[inline(always)]
pub unsafe fn note_name(entry: *mut ProcessEntry, task: Object, string: u64) {
    // SAFETY: the helpers check the addresses and keep within the length.
    unsafe {
        let to = (&raw mut (*entry).executable).cast();
        if string == 0 {
            let _ = bpf_probe_read_kernel(to, 16, address(task, Field::TaskComm).cast());
        } else {
            let _ = bpf_probe_read_kernel_str(to, EXECUTABLE_LEN as u32, string as *const _);
        }
    }
}

/// Begins to count a thread that is not counted: its totals so far are no news.
///
/// # Safety
/// `entry` is a map value, `task` a task the verifier knows.
#[inline(always)]
pub unsafe fn track(entry: *mut ProcessEntry, task: Object) {
    // SAFETY: map values and a task the verifier knows.
    unsafe {
        // First: whoever finds it tracked finds it counted.
        atomic::add(&raw mut (*entry).threads, 1);
        let in_front = front::claim_notes(task);
        let notes = match in_front {
            Some(notes) if (*entry).born != 0 => notes,
            _ => match thread_or_new(task) {
                Some(state) => {
                    (*state).tracked = tracked::ALIVE;
                    in_front.unwrap_or(&raw mut (*state).notes)
                }
                None => {
                    atomic::decrement(&raw mut (*entry).threads);
                    return;
                }
            },
        };
        (*notes).runtime = load(task, Field::TaskRuntime);
        (*notes).run_delay = load(task, Field::TaskRunDelay);
        (*notes).met = load(task, Field::TaskArrival);
        // Last: until then a switch of the thread only takes note itself.
        ptr::write_volatile(&raw mut (*notes).epoch, features().epoch());
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
        if load::<u64>(signal as Object, Field::SignalOomMm) == 0 {
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
/// entry stays where it is, and user space looks for it.
///
/// # Safety
/// As [`track`]; the last thread of the process calls it, once.
#[inline(always)]
pub unsafe fn publish(entry: *mut ProcessEntry, task: Object) {
    // SAFETY: the caller's.
    unsafe {
        let tgid = (*entry).pid;
        let signal: u64 = load(task, Field::TaskSignal);
        let signal = signal as Object;
        (*entry).exit_ns = bpf_ktime_get_boot_ns();
        // The leader's are the process's. When another thread is the last, the
        // leader may have been freed: what is noted holds.
        if load::<u32>(task, Field::TaskPid) == tgid {
            cgroups::note(entry, task);
        }
        (*entry).exit_code = load(signal, Field::SignalExitCode);
        (*entry).max_rss_pages = load(signal, Field::SignalMaxRss);
        if load::<u64>(signal, Field::SignalOomMm) != 0 {
            // Marked, by whichever thread.
            (*entry).counters[Counter::OomKills.index()] = 1;
        }
        (*entry).prev_utime = load(signal, Field::SignalPrevUtime);
        (*entry).prev_stime = load(signal, Field::SignalPrevStime);
        (*entry).state = state::EXITED;
        if tell(entry) {
            front::leave(tgid);
        } else {
            lose(Loss::ExitRecordDeferred);
        }
    }
}

/// Puts an exit record into the ring buffer, if there is room.
///
/// # Safety
/// `entry` is a map value.
#[inline(always)]
unsafe fn tell(entry: *mut ProcessEntry) -> bool {
    type WithoutFailures = [u8; ProcessEntry::WITHOUT_FAILURES];
    let flags = events::for_an_end();
    // SAFETY: the caller's; the part is one of the whole.
    let told = unsafe {
        if (*entry).failures[0].key == 0 {
            EVENTS.output_untyped::<WithoutFailures>(&*entry.cast(), flags)
        } else {
            EVENTS.output(&*entry, flags)
        }
    };
    told == Ok(())
}
