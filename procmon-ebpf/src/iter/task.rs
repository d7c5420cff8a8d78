//! The snapshot: one pass over all tasks, one record a thread, the leader's
//! with the process's entry, and the state of every process.
//!
//! Hook: the `task` iterator (kernel/bpf/task_iter.c), which calls the program
//! once for each thread of the reader's PID namespace. When its buffer is full
//! it drops what the call wrote and calls again for the same task: everything
//! here may happen twice.

use aya_ebpf::bindings::seq_file;
use aya_ebpf::helpers::generated::{bpf_ktime_get_boot_ns, bpf_seq_write};
use procmon_common::records::{
    LeaderRecord, ProcessRecord, StateRecord, ThreadRecord, kind, state, thread as tracked,
};
use procmon_common::{Counter, Field, Loss, ProcessEntry, ThreadStat};

use crate::front::Found;
use crate::maps::{COUNTERS, SCRATCH, thread, thread_or_new};
use crate::offsets::{
    Object, address, config, load, load_at, load_behind, peek, peek_at, signal_stat, task_stat,
};
use crate::process::TASK_DEAD;
use crate::{atomic, front, members, process};

/// `TASK_NEW` (include/linux/sched.h): it has not been woken for the first time, which comes
/// after sched_process_fork (kernel_clone in kernel/fork.c).
const TASK_NEW: u32 = 0x800;
/// Index of RLIMIT_NOFILE (include/uapi/asm-generic/resource.h).
const RLIMIT_NOFILE: usize = 7;
/// Index of RLIMIT_AS (the same).
const RLIMIT_AS: usize = 9;
/// Words of the descriptor bitmap that are looked through: 16,384 descriptors.
const BITMAP_WORDS: u32 = 256;

/// The iterator's context: `struct bpf_iter__task`.
#[repr(C)]
pub struct Context {
    meta: *const Meta,
    task: Object,
}

/// `struct bpf_iter_meta`.
#[repr(C)]
struct Meta {
    sequence: *mut seq_file,
    session: u64,
    number: u64,
}

/// iter/task.
///
/// # Safety
/// The kernel calls it.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task")]
pub unsafe extern "C" fn task_snapshot(ctx: *const Context) -> i32 {
    // SAFETY: the verifier knows the context; a null task ends the pass.
    unsafe {
        let task = (*ctx).task;
        if !task.is_null() {
            show((*(*ctx).meta).sequence, task);
        }
    }
    0
}

/// # Safety
/// `task` is a task the verifier knows, `sequence` the iterator's.
#[inline(always)]
unsafe fn show(sequence: *mut seq_file, task: Object) {
    // SAFETY: the caller's, and map values.
    unsafe {
        let tgid: u32 = load(task, Field::TaskTgid);
        let leads = load::<u32>(task, Field::TaskPid) == tgid;
        if leads {
            show_state(sequence, task);
        }
        let state: u32 = load(task, Field::TaskState);
        // It is in the kernel's lists, but the fork hook, whose turn it is to count
        // it, may be at work: an entry made here would take the place of its own.
        if state & TASK_NEW != 0 {
            return;
        }
        let Some(entry) = counted(task, tgid) else {
            return;
        };
        let dead = state & TASK_DEAD != 0;
        meet(entry, task, dead);
        if !leads {
            if !dead {
                show_thread(sequence, task, tgid);
            }
        } else if let Some(record) = SCRATCH.get_ptr_mut(0) {
            let header = ProcessRecord {
                kind: kind::PROCESS,
                pid: tgid,
                generation: (*entry).counters[Counter::Execs.index()],
            };
            write(sequence, &header);
            write(sequence, entry.cast::<[u8; ProcessEntry::BASE]>());
            // A leader that is not dead by now is not among the dead in the entry above.
            let dead = load::<u32>(task, Field::TaskState) & TASK_DEAD != 0;
            describe(record, task, tgid, dead);
            // The failures after their sums, so that none is missing from them.
            let fails = (*entry).failures[0].key != 0;
            let waits = fails || (*entry).counters[Counter::RunQueueWait.index()] != 0;
            (*record).rest = match (fails, waits) {
                (true, _) => (ProcessEntry::WAITS + ProcessEntry::FAILURES) as u32,
                (false, true) => ProcessEntry::WAITS as u32,
                (false, false) => 0,
            };
            write(sequence, record);
            if waits {
                write(sequence, &raw const (*entry).waits);
            }
            if fails {
                write(sequence, &raw const (*entry).failures);
            }
        }
    }
}

/// # Safety
/// As [`show`]; `task` leads its group.
#[inline(always)]
unsafe fn show_state(sequence: *mut seq_file, task: Object) {
    // SAFETY: the caller's; fields are of the types named in `Field`.
    unsafe {
        let signal: u64 = load(task, Field::TaskSignal);
        let record = StateRecord {
            kind: kind::STATE,
            state: load(task, Field::TaskState),
            exit_state: load(task, Field::TaskExitState),
            threads: peek(signal as Object, Field::SignalThreads),
        };
        write(sequence, &record);
    }
}

/// The entry of a process that is to be shown, made at first sight when every
/// process is.
///
/// # Safety
/// As [`show`].
#[inline(always)]
unsafe fn counted(task: Object, tgid: u32) -> Option<*mut ProcessEntry> {
    // SAFETY: the caller's, and map values.
    unsafe {
        let entry = match front::entry(tgid) {
            Some(entry) => entry,
            None => {
                let absent = config!(all) == 0
                    || load::<u32>(task, Field::TaskExitState) != 0
                    || config!(kernel_threads) == 0 && process::is_kernel_thread(task);
                if absent {
                    return None;
                }
                process::insert(tgid, Loss::NoRoomAtSnapshot)?
            }
        };
        match (*entry).state {
            state::ACTIVE => Some(entry),
            state::WANTED => Some(begin(entry, task, tgid)),
            _ => None,
        }
    }
}

/// Begins to count a process that is older than the attach: what signal_struct
/// keeps of its dead threads is where its totals start. Its entry, from now on.
///
/// # Safety
/// As [`show`]; `asked` is a map value.
#[inline(always)]
unsafe fn begin(asked: *mut ProcessEntry, task: Object, tgid: u32) -> *mut ProcessEntry {
    // SAFETY: the caller's; indexes in bounds.
    unsafe {
        let mut entry = asked;
        // User space asks in the hash.
        if let Found::Free(place) = front::claim(tgid) {
            let _ = COUNTERS.remove(tgid);
            entry = place;
        }
        process::identify(entry, task);
        // Behind any pointer: who has the memory need not be the task.
        let mm = peek::<u64>(members::holder(task), Field::TaskMm) as Object;
        (*entry).brk = peek(mm, Field::MmBrk);
        let file = peek::<u64>(mm, Field::MmExeFile) as Object;
        let dentry = peek::<u64>(file, Field::FileDentry) as Object;
        process::note_name(entry, task, peek(dentry, Field::DentryName));
        (*entry).since_ns = bpf_ktime_get_boot_ns();
        let signal: u64 = load(task, Field::TaskSignal);
        let mut index = 0;
        while index < ThreadStat::COUNT {
            (*entry).dead[index] = signal_stat(signal as Object, index);
            index += 1;
        }
        (*entry).state = state::ACTIVE;
        entry
    }
}

/// Begins to count a thread that is older than the attach. A zombie leader has
/// done its last switch already: its totals join the dead ones', once.
///
/// # Safety
/// As [`show`]; `entry` is a map value.
#[inline(always)]
unsafe fn meet(entry: *mut ProcessEntry, task: Object, dead: bool) {
    // SAFETY: the caller's, and map values.
    unsafe {
        if !dead {
            if !is_counted(entry, task) {
                process::track(entry, task);
            }
        } else if (*entry).born == 0
            && let Some(thread) = thread_or_new(task)
            && atomic::replace(&raw mut (*thread).tracked, tracked::NEW, tracked::DEAD)
                == tracked::NEW
        {
            process::bury(entry, task);
        }
    }
}

/// Whether a thread that was alive when it was met needs not be counted any more.
///
/// Those of a process that was born under watch are counted from their births, but
/// for the workers of io_uring, whose births no hook sees (create_io_thread in
/// kernel/fork.c).
///
/// # Safety
/// As [`show`]; `entry` is a map value.
#[inline(always)]
unsafe fn is_counted(entry: *mut ProcessEntry, task: Object) -> bool {
    // SAFETY: the caller's.
    unsafe {
        if (*entry).born == 0 {
            return thread(task).is_some();
        }
        if front::notes(task).is_some() || thread(task).is_some() {
            return true;
        }
        // It may have left its place just now, at its last switch: then it is dead,
        // which it was before it left.
        atomic::fence(&raw mut (*entry).threads);
        load::<u32>(task, Field::TaskState) & TASK_DEAD != 0
    }
}

/// # Safety
/// As [`show`].
#[inline(always)]
unsafe fn show_thread(sequence: *mut seq_file, task: Object, tgid: u32) {
    let mut record = ThreadRecord {
        kind: kind::THREAD,
        pid: tgid,
        stats: [0; ThreadStat::COUNT],
    };
    let mut index = 0;
    while index < ThreadStat::COUNT {
        // SAFETY: a task the verifier knows, an index in bounds.
        record.stats[index] = unsafe { task_stat(task, index) };
        index += 1;
    }
    // SAFETY: the caller's.
    unsafe { write(sequence, &record) };
}

/// Fills in a leader's record.
///
/// # Safety
/// As [`show`]; `record` is a map value.
#[inline(always)]
unsafe fn describe(record: *mut LeaderRecord, task: Object, tgid: u32, dead: bool) {
    // SAFETY: the caller's; fields are of the types named in `Field`.
    unsafe {
        (*record).pid = tgid;
        (*record).parent = load_behind(load(task, Field::TaskParent), Field::TaskTgid);
        (*record).uid = load_behind(load(task, Field::TaskCred), Field::CredUid);
        (*record).flags = load(task, Field::TaskFlags);
        (*record).exit_state = load(task, Field::TaskExitState);
        (*record).start_ns = load(task, Field::TaskStart);
        let signal: u64 = load(task, Field::TaskSignal);
        let signal = signal as Object;
        (*record).threads = load(signal, Field::SignalThreads);
        (*record).prev_utime = load(signal, Field::SignalPrevUtime);
        (*record).prev_stime = load(signal, Field::SignalPrevStime);
        let limits = address(signal, Field::SignalLimits);
        (*record).descriptor_limit[0] = load_at(limits, RLIMIT_NOFILE * 16);
        (*record).descriptor_limit[1] = load_at(limits, RLIMIT_NOFILE * 16 + 8);
        (*record).virtual_memory_limit = load_at(limits, RLIMIT_AS * 16);
        let mut index = 0;
        while index < ThreadStat::COUNT {
            (*record).stats[index] = if dead { 0 } else { task_stat(task, index) };
            (*record).signal_stats[index] = signal_stat(signal, index);
            index += 1;
        }
        let mm: u64 = load(task, Field::TaskMm);
        if mm != 0 {
            (*record).has_mm = 1;
            (*record).descriptors = descriptors(load::<u64>(task, Field::TaskFiles) as Object);
            memory(record, mm as Object);
        } else {
            let holder = members::holder(task);
            let files: u64 = peek(holder, Field::TaskFiles);
            (*record).descriptors = descriptors(files as Object);
            let mm: u64 = peek(holder, Field::TaskMm);
            (*record).has_mm = (mm != 0) as u32;
            memory_of_other(record, mm as Object);
        }
    }
}

/// # Safety
/// As [`describe`]; `mm` is that of a task the verifier knows.
#[inline(always)]
unsafe fn memory(record: *mut LeaderRecord, mm: Object) {
    // SAFETY: the caller's.
    unsafe {
        if config!(rss_stride) as usize == size_of::<u64>() {
            // Before Linux 6.2: an array of a typedef, which the verifier does not look through.
            resident(record, mm);
        } else {
            let first = config!(rss_offset) as usize;
            let stride = config!(rss_stride) as usize;
            (*record).rss_pages[0] = load_at(mm, first);
            (*record).rss_pages[1] = load_at(mm, first + stride);
            (*record).rss_pages[2] = load_at(mm, first + 2 * stride);
            (*record).rss_pages[3] = load_at(mm, first + 3 * stride);
        }
        (*record).total_vm_pages = load(mm, Field::MmTotalVm);
        (*record).hiwater_rss_pages = load(mm, Field::MmHighRss);
        (*record).page_table_bytes = load(mm, Field::MmPageTables);
    }
}

/// The same of a thread that was found behind other pointers.
///
/// # Safety
/// As [`describe`].
#[inline(always)]
unsafe fn memory_of_other(record: *mut LeaderRecord, mm: Object) {
    // SAFETY: the caller's; without mm all reads as zeros.
    unsafe {
        resident(record, mm);
        (*record).total_vm_pages = peek(mm, Field::MmTotalVm);
        (*record).hiwater_rss_pages = peek(mm, Field::MmHighRss);
        (*record).page_table_bytes = peek(mm, Field::MmPageTables);
    }
}

/// Resident pages by kind, behind any pointer.
///
/// # Safety
/// As [`describe`].
#[inline(always)]
unsafe fn resident(record: *mut LeaderRecord, mm: Object) {
    // SAFETY: the caller's; without mm all reads as zeros.
    unsafe {
        let first = config!(rss_offset) as usize;
        let stride = config!(rss_stride) as usize;
        (*record).rss_pages[0] = peek_at(mm, first);
        (*record).rss_pages[1] = peek_at(mm, first + stride);
        (*record).rss_pages[2] = peek_at(mm, first + 2 * stride);
        (*record).rss_pages[3] = peek_at(mm, first + 3 * stride);
    }
}

/// Counts the bits of the open descriptors' bitmap; `u64::MAX` when the table
/// is larger than is looked through.
#[inline(always)]
fn descriptors(files: Object) -> u64 {
    // SAFETY: reads behind any pointer, checked by the helper.
    unsafe {
        let table: u64 = peek(files, Field::FilesTable);
        let table = table as Object;
        let size: u32 = peek(table, Field::TableSize);
        let open: u64 = peek(table, Field::TableOpen);
        if size > BITMAP_WORDS * 64 {
            return u64::MAX;
        }
        let mut count = 0;
        let mut word = 0;
        while word < BITMAP_WORDS {
            if word * 64 >= size {
                break;
            }
            let bits: u64 = peek_at(open as Object, word as usize * 8);
            count += u64::from(bits.count_ones());
            word += 1;
        }
        count
    }
}

/// # Safety
/// `record` points to a whole `T` without padding.
#[inline(always)]
unsafe fn write<T>(sequence: *mut seq_file, record: *const T) {
    // SAFETY: the caller's; a full buffer is the iterator's affair.
    unsafe {
        let _ = bpf_seq_write(sequence, record.cast(), size_of::<T>() as u32);
    }
}
