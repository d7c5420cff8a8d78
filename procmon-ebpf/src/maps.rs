//! Every map of the kernel half.

use core::ptr;

use aya_ebpf::bindings::{BPF_F_NO_PREALLOC, bpf_map_type};
use aya_ebpf::btf_maps::{Array, HashMap, LruHashMap, PerCpuArray, RingBuf};
use aya_ebpf::helpers::generated::bpf_task_storage_get;
use aya_ebpf::macros::btf_map;
use procmon_common::config::{FEWEST_PLACES, SYSCALL_NUMBERS};
use procmon_common::records::{LeaderRecord, ThreadFront};
use procmon_common::{Features, Loss, OomStat, ProcessEntry, ThreadState};

use crate::atomic;
use crate::offsets::Object;

/// The entries of those who found no place in front, by thread group id. A plain
/// hash: an LRU's evictions would be silent losses. Not preallocated: pid_max is in
/// the millions on some hosts.
#[btf_map]
pub static COUNTERS: HashMap<u32, ProcessEntry, 65536, { BPF_F_NO_PREALLOC as usize }> =
    HashMap::new();

/// The entries of all others, by the low bits of the id.
#[btf_map]
pub static FRONT: Array<ProcessEntry, { FEWEST_PLACES as usize }> = Array::new();

/// The notes of most threads, by their stacks.
#[btf_map]
pub static THREAD_FRONT: Array<ThreadFront, { FEWEST_PLACES as usize }> = Array::new();

/// Exit records: final [`ProcessEntry`]s; and
/// [`procmon_common::CgroupRecord`]s.
#[btf_map]
pub static EVENTS: RingBuf<ProcessEntry, { 8 << 20 }> = RingBuf::new();

/// What was said of a killed thread that is not the first of its process, by
/// its id, until it ends: the tracepoint does not say whose it is. Those of
/// processes that are not counted stay, and make room for later ones.
#[btf_map]
pub static HELD: LruHashMap<u32, [u64; OomStat::COUNT], 64> = LruHashMap::new();

/// What was lost, by [`Loss`].
#[btf_map]
pub static LOSSES: Array<u64, { Loss::COUNT }> = Array::new();

/// The [`Features`] that are on.
#[btf_map]
pub static FEATURES: Array<u64, 1> = Array::new();

/// One entry of zeros, to insert from: it is too large for the stack.
#[btf_map]
pub static TEMPLATE: Array<ProcessEntry, 1> = Array::new();

/// Where the task iterator puts a record together, for the same reason.
#[btf_map]
pub static SCRATCH: PerCpuArray<LeaderRecord, 1> = PerCpuArray::new();

/// Operation + 1 by system call number, for the program that stands in where
/// there is no tracefs.
#[btf_map]
pub static SYSCALLS: Array<u32, { SYSCALL_NUMBERS }> = Array::new();

/// A map of task storage. aya-ebpf has none; the kernel knows the map by its
/// BTF alone, which this layout yields.
#[repr(C)]
pub struct TaskStorage {
    r#type: *const [i32; bpf_map_type::BPF_MAP_TYPE_TASK_STORAGE as usize],
    key: *const i32,
    value: *const ThreadState,
    max_entries: *const [i32; 0],
    map_flags: *const [i32; BPF_F_NO_PREALLOC as usize],
}

// SAFETY: placeholders the loader replaces; nothing reads them.
unsafe impl Sync for TaskStorage {}

/// What is kept of each counted thread; the kernel frees it with the task.
#[unsafe(link_section = ".maps")]
#[unsafe(no_mangle)]
static THREADS: TaskStorage = TaskStorage {
    r#type: ptr::null(),
    key: ptr::null(),
    value: ptr::null(),
    max_entries: ptr::null(),
    map_flags: ptr::null(),
};

/// The state of a thread, if it is counted.
#[inline(always)]
pub fn thread(task: Object) -> Option<*mut ThreadState> {
    storage(task, 0)
}

/// The state of a thread, made if need be; `None` when there was no room,
/// which is counted.
#[inline(always)]
pub fn thread_or_new(task: Object) -> Option<*mut ThreadState> {
    let state = storage(task, 1);
    if state.is_none() {
        lose(Loss::NoRoomForThread);
    }
    state
}

#[inline(always)]
fn storage(task: Object, flags: u64) -> Option<*mut ThreadState> {
    // SAFETY: the helper wants a task the verifier knows, and checks it.
    let state = unsafe {
        bpf_task_storage_get(
            (&raw const THREADS).cast_mut().cast(),
            task.cast_mut().cast(),
            ptr::null_mut(),
            flags,
        )
    };
    if state.is_null() {
        None
    } else {
        Some(state.cast())
    }
}

/// What user space wants counted just now.
#[inline(always)]
pub fn features() -> Features {
    match FEATURES.get_ptr(0) {
        // SAFETY: a map value, which user space may change at any time.
        Some(features) => Features(unsafe { ptr::read_volatile(features) }),
        None => Features::default(),
    }
}

/// Counts a loss; returns how many of its kind there were before, about.
#[inline(always)]
pub fn lose(loss: Loss) -> u64 {
    match LOSSES.get_ptr_mut(loss.index() as u32) {
        // SAFETY: a map value.
        Some(count) => unsafe {
            let before = ptr::read_volatile(count);
            atomic::add(count, 1);
            before
        },
        None => 0,
    }
}
