//! The records that cross the boundary, and the maps' keys and values.

use crate::cgroups::CgroupIds;
use crate::counters::{Counter, WAIT_BUCKETS};
use crate::oom::OomStat;
use crate::tasks::ThreadStat;

/// Bytes kept of an executable's name, with the NUL that ends it.
pub const EXECUTABLE_LEN: usize = 128;
/// How many different (operation, errno) pairs are kept apart for a process;
/// failures beyond these count as `error.type="_OTHER"`.
pub const FAILURE_SLOTS: usize = 16;

/// The life of a [`ProcessEntry`], in its `state`.
pub mod state {
    /// User space asks for this process; the kernel has not yet seen it.
    pub const WANTED: u32 = 1;
    /// Forked by `procmon exec`, its execve is to come: nothing counts yet.
    pub const PENDING: u32 = 2;
    /// Counted.
    pub const ACTIVE: u32 = 3;
    /// Its last thread has switched out for the last time: the entry is final.
    pub const EXITED: u32 = 4;
}

/// Failures of one operation with one errno.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FailureSlot {
    /// `(operation index + 1) << 16 | errno`; 0 is a free slot.
    pub key: u64,
    /// How many.
    pub count: u64,
}

impl FailureSlot {
    /// The key of an operation's failures with an errno.
    #[inline(always)]
    pub const fn key(operation: crate::Operation, errno: u32) -> u64 {
        ((operation.index() as u64 + 1) << 16) | errno as u64
    }
}

/// All that the kernel half keeps of a process, and, once final, the exit record in
/// the EVENTS ring buffer, which ends before the failures when there are none.
///
/// Most are in an array, FRONT, which is looked up in a tenth of the time that a
/// hash takes, and where a birth need not ask for memory: the process whose id's
/// low bits are the place's index is there from its birth until its end is told,
/// unless another was there first. That one is in the hash COUNTERS, by its id.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ProcessEntry {
    /// Thread group id in the initial PID namespace; 0 in a place that is free.
    pub pid: u32,
    /// One of [`state`].
    pub state: u32,
    /// The program break as last seen; 0 when unknown.
    pub brk: u64,
    /// What the probes count.
    pub counters: [u64; Counter::COUNT],
    /// The leader's start, ns of CLOCK_BOOTTIME (`task_struct.start_boottime`).
    pub start_ns: u64,
    /// When counting began, ns of CLOCK_BOOTTIME; the start for a process
    /// that was born under watch.
    pub since_ns: u64,
    /// When it ended, ns of CLOCK_BOOTTIME; 0 while it lives.
    pub exit_ns: u64,
    /// When it last executed a program, ns of CLOCK_BOOTTIME; 0 if it has not.
    pub exec_ns: u64,
    /// When it was last chosen to be killed for want of memory, ns of
    /// CLOCK_BOOTTIME; 0 if it was not.
    pub oom_ns: u64,
    /// Threads that will switch out for the last time.
    pub threads: u64,
    /// Wait status (`signal_struct.group_exit_code`): code << 8 | signal.
    pub exit_code: u32,
    /// Parent's thread group id at birth.
    pub parent: u32,
    /// Real user id (`cred.uid`) at the last fork or exec.
    pub uid: u32,
    /// 1 if it was born under watch: all its threads are counted from their births.
    pub born: u32,
    /// The high-water mark of resident pages at the end (`signal_struct.maxrss`).
    pub max_rss_pages: u64,
    /// The same before its present program, or before counting began: the
    /// kernel carries it across execve, so a mark no higher is not this
    /// program's.
    pub max_rss_before: u64,
    /// What it held when the kernel chose it to be killed for want of memory,
    /// KiB; zeros if it was not, or where the kernel does not say.
    pub held: [u64; OomStat::COUNT],
    /// The control groups it is in, or was in at its end; zeros where this
    /// kernel does not say.
    pub cgroups: CgroupIds,
    /// `signal_struct.prev_cputime` at the end, ns of user time.
    pub prev_utime: u64,
    /// `signal_struct.prev_cputime` at the end, ns of system time.
    pub prev_stime: u64,
    /// `mm->exe_file`'s dentry name, NUL-terminated; a kernel thread's comm.
    pub executable: [u8; EXECUTABLE_LEN],
    /// Sums over the threads that have switched out for the last time, and
    /// over those that were dead when counting began.
    pub dead: [u64; ThreadStat::COUNT],
    /// The run-queue histogram; its sum is [`Counter::RunQueueWait`].
    pub waits: [u64; WAIT_BUCKETS],
    /// Failures by errno; they are taken in order, and a free one is the end.
    pub failures: [FailureSlot; FAILURE_SLOTS],
    /// Up to whole cache lines.
    pub fill: [u64; ENTRY_FILL],
}

const ENTRY_FILL: usize = {
    let numbers = 16 + OomStat::COUNT + EXECUTABLE_LEN / 8;
    let arrays = Counter::COUNT + ThreadStat::COUNT + WAIT_BUCKETS + 2 * FAILURE_SLOTS;
    (numbers + arrays).next_multiple_of(8) - numbers - arrays
};

impl ProcessEntry {
    /// How many bytes the iterator shows of any entry: all but the waits and
    /// the failures, which most processes have none of.
    pub const BASE: usize = core::mem::offset_of!(Self, waits);
    /// How many bytes the waits are.
    pub const WAITS: usize = size_of::<[u64; WAIT_BUCKETS]>();
    /// How many bytes the failures are.
    pub const FAILURES: usize = size_of::<[FailureSlot; FAILURE_SLOTS]>();
    /// How many bytes an exit record is of a process in which nothing failed.
    pub const WITHOUT_FAILURES: usize = Self::BASE + Self::WAITS;

    /// What an entry begins with as one number, as BPF's atomics are: whose it is,
    /// and its state.
    #[inline(always)]
    pub const fn word(pid: u32, state: u32) -> u64 {
        (state as u64) << 32 | pid as u64
    }
}

/// What is noted of a thread at its switches.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct ThreadNotes {
    /// When it blocked; 0 when it was preempted or runs. By the scheduler's
    /// clock, or by CLOCK_MONOTONIC when [`ThreadNotes::monotonic`] says so.
    pub blocked_ns: u64,
    /// `se.sum_exec_runtime` at its last switch.
    pub runtime: u64,
    /// `sched_info.run_delay` at its last switch.
    pub run_delay: u64,
    /// The [`Counter`] of the reason it blocked for.
    pub reason: u64,
    /// `sched_info.last_arrival` when it was first seen: of the time on a CPU
    /// that began then, only a part has been seen.
    pub met: u64,
    /// 1 when [`ThreadNotes::blocked_ns`] is of CLOCK_MONOTONIC.
    pub monotonic: u64,
    /// [`crate::Features::epoch`] of what is noted here; 0 when nothing is.
    pub epoch: u64,
}

/// What the kernel half keeps of a thread in task storage, which is slow to get: of
/// one whose process is older than the kernel half, and of one that found no
/// [`ThreadFront`] free.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct ThreadState {
    /// One of [`thread`]; 64 bits, as BPF's atomics are.
    pub tracked: u64,
    /// While a [`ThreadFront`] is the thread's, that of the front is in its place.
    pub notes: ThreadNotes,
}

/// As a [`ProcessEntry`] in FRONT, the notes of a thread.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct ThreadFront {
    /// Whose it is, by the address of its kernel stack, which it keeps when
    /// execve gives it another id; 0 when nobody's. A thread of a process that was
    /// born under watch is counted in [`ProcessEntry::threads`] while it is here.
    pub owner: u64,
    /// Its notes.
    pub notes: ThreadNotes,
}

/// What [`ThreadState::tracked`] says.
pub mod thread {
    /// Not yet part of its process's count.
    pub const NEW: u64 = 0;
    /// Counted in [`super::ProcessEntry::threads`].
    pub const ALIVE: u64 = 1;
    /// Its totals are in [`super::ProcessEntry::dead`].
    pub const DEAD: u64 = 2;
}

/// What a record of the task iterator is, in its first word.
pub mod kind {
    /// A [`super::ThreadRecord`].
    pub const THREAD: u32 = 1;
    /// A [`super::ProcessRecord`].
    pub const PROCESS: u32 = 2;
    /// A [`super::StateRecord`].
    pub const STATE: u32 = 3;
}

/// What a process does, counted or not: the host's processes are told by state.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct StateRecord {
    /// [`kind::STATE`].
    pub kind: u32,
    /// The leader's `task_struct.__state`.
    pub state: u32,
    /// The leader's `task_struct.exit_state`.
    pub exit_state: u32,
    /// `signal_struct.nr_threads`.
    pub threads: u32,
}

/// One thread, as the task iterator saw it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ThreadRecord {
    /// [`kind::THREAD`].
    pub kind: u32,
    /// Thread group id.
    pub pid: u32,
    /// Its totals.
    pub stats: [u64; ThreadStat::COUNT],
}

/// What precedes a process: [`ProcessEntry::BASE`] bytes of its entry, its
/// [`LeaderRecord`], and as many more bytes of the entry as that says. In this
/// order, so that a leader that ends meanwhile is not in both.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ProcessRecord {
    /// [`kind::PROCESS`].
    pub kind: u32,
    /// Thread group id.
    pub pid: u32,
    /// [`Counter::Execs`] before its entry was read: an execve that comes in
    /// between shows the new program with the old number, and never the other way.
    pub generation: u64,
}

/// A process, as the task iterator saw its leader. What could not be read is 0.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct LeaderRecord {
    /// Thread group id.
    pub pid: u32,
    /// How many bytes of the entry follow; those that do not are zeros.
    pub rest: u32,
    /// Parent's thread group id now.
    pub parent: u32,
    /// Real user id.
    pub uid: u32,
    /// `task_struct.flags`; bit 0x0020_0000 is PF_KTHREAD.
    pub flags: u32,
    /// `task_struct.exit_state`: not 0 for a zombie.
    pub exit_state: u32,
    /// `signal_struct.nr_threads`.
    pub threads: u32,
    /// 1 when `mm` was there: else the memory fields say nothing.
    pub has_mm: u32,
    /// Open descriptors; `u64::MAX` when there are more than the program counts.
    pub descriptors: u64,
    /// `task_struct.start_boottime`.
    pub start_ns: u64,
    /// The leader's own totals; all 0 when it has switched out for the last time.
    pub stats: [u64; ThreadStat::COUNT],
    /// signal_struct's sums over dead threads (0 for what it does not keep).
    pub signal_stats: [u64; ThreadStat::COUNT],
    /// `signal_struct.prev_cputime`, ns.
    pub prev_utime: u64,
    /// `signal_struct.prev_cputime`, ns.
    pub prev_stime: u64,
    /// RLIMIT_NOFILE, soft and hard.
    pub descriptor_limit: [u64; 2],
    /// RLIMIT_AS, soft.
    pub virtual_memory_limit: u64,
    /// `mm.rss_stat`: file, anonymous, swap, shared memory pages; may be negative.
    pub rss_pages: [i64; 4],
    /// `mm.total_vm`, pages.
    pub total_vm_pages: u64,
    /// `mm.hiwater_rss`, pages.
    pub hiwater_rss_pages: u64,
    /// `mm.pgtables_bytes`.
    pub page_table_bytes: u64,
}

const _: () = {
    assert!(size_of::<ThreadRecord>() == 8 + 8 * ThreadStat::COUNT);
    assert!(size_of::<ProcessRecord>() == 16);
    assert!(size_of::<StateRecord>() == 16);
    assert!(size_of::<ThreadState>() == 64 && size_of::<ThreadFront>() == 64);
    assert!(size_of::<LeaderRecord>().is_multiple_of(8));
    // A BPF allocator serves objects of up to 4096 bytes.
    assert!(size_of::<ProcessEntry>().is_multiple_of(64) && size_of::<ProcessEntry>() < 4000);
    assert!(cfg!(target_endian = "little") && core::mem::offset_of!(ProcessEntry, state) == 4);
};
