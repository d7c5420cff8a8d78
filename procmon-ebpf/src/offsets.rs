//! Reading kernel structures by the offsets user space found in BTF.
//!
//! Inside an object the verifier knows (`task` in tp_btf and iterator
//! programs, and what its own pointers lead to), [`load`] is a direct load,
//! which yields zeros where nothing is mapped. Behind any other pointer
//! [`peek`] asks a helper, which takes much longer, and fills with zeros what
//! cannot be read: nothing branches on its result, since 25 such branches are
//! more than the verifier of Linux 6.1 can follow.

use core::mem::MaybeUninit;
use core::ptr;

use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use procmon_common::config::ABSENT;
use procmon_common::{Config, Field, OomStat, ThreadStat};

#[unsafe(no_mangle)]
static OFFSETS: [u32; Field::COUNT] = [0; Field::COUNT];
#[unsafe(no_mangle)]
static TASK_STATS: [u32; ThreadStat::COUNT] = [0; ThreadStat::COUNT];
#[unsafe(no_mangle)]
static SIGNAL_STATS: [u32; ThreadStat::COUNT] = [0; ThreadStat::COUNT];
#[unsafe(no_mangle)]
static OOM_STATS: [u32; OomStat::COUNT] = [0; OomStat::COUNT];
/// The settings of this run, for [`config`].
#[unsafe(no_mangle)]
pub static CONFIG: Config = Config {
    all: 0,
    children: 0,
    kernel_threads: 0,
    exec_parent: 0,
    page_shift: 0,
    rss_offset: 0,
    rss_stride: 0,
    wakeup_bytes: 0,
    cgroups: 0,
    memory_state: ABSENT,
    memory_hierarchy: 0,
    front_mask: 0,
};

/// A kernel object.
pub type Object = *const u8;

/// Reads a setting of the [`Config`].
macro_rules! config {
    ($field:ident) => {
        crate::offsets::setting(&crate::offsets::CONFIG.$field)
    };
}
pub(crate) use config;

/// Reads a constant that user space sets before the program is loaded.
#[inline(always)]
pub fn setting(value: &'static u32) -> u32 {
    // SAFETY: a reference; volatile, because the compiler must not take the
    // initial value for the value.
    unsafe { ptr::read_volatile(value) }
}

#[inline(always)]
fn offset(field: Field) -> usize {
    setting(&OFFSETS[field.index()]) as usize
}

/// Reads a field of an object the verifier knows.
///
/// # Safety
/// `object` is of the field's structure, and `T` of its type.
#[inline(always)]
pub unsafe fn load<T: Copy>(object: Object, field: Field) -> T {
    // SAFETY: the verifier checks it.
    unsafe { load_at(object, offset(field)) }
}

/// Reads `T` at `offset` of an object the verifier knows.
///
/// # Safety
/// As [`load`].
#[inline(always)]
pub unsafe fn load_at<T: Copy>(object: Object, offset: usize) -> T {
    // SAFETY: the verifier checks it.
    unsafe { ptr::read_volatile(object.add(offset).cast::<T>()) }
}

/// Reads a field behind a pointer that was itself loaded; 0 behind none. Where
/// the kernel's type information says that a pointer is of RCU, the verifier
/// wants to see that it is not null.
///
/// # Safety
/// As [`load`].
#[inline(always)]
pub unsafe fn load_behind(pointer: u64, field: Field) -> u32 {
    if pointer == 0 {
        return 0;
    }
    // SAFETY: the verifier checks it.
    unsafe { load(pointer as Object, field) }
}

/// Reads a field behind any pointer; zeros if it cannot be read.
///
/// # Safety
/// `T` is of the field's type and may be all zeros.
#[inline(always)]
pub unsafe fn peek<T: Copy>(object: Object, field: Field) -> T {
    // SAFETY: the caller's.
    unsafe { peek_at(object, offset(field)) }
}

/// Reads `T` at `offset` behind any pointer; zeros if it cannot be read.
///
/// # Safety
/// `T` may be all zeros.
#[inline(always)]
pub unsafe fn peek_at<T: Copy>(object: Object, offset: usize) -> T {
    let mut value = MaybeUninit::<T>::zeroed();
    // SAFETY: the helper checks the address and writes size_of::<T>() bytes.
    unsafe {
        let _ = bpf_probe_read_kernel(
            value.as_mut_ptr().cast(),
            size_of::<T>() as u32,
            object.wrapping_add(offset).cast(),
        );
        value.assume_init()
    }
}

/// The address of a field.
#[inline(always)]
pub fn address(object: Object, field: Field) -> Object {
    object.wrapping_add(offset(field))
}

/// One of a thread's totals; 0 where this kernel does not keep it.
///
/// # Safety
/// `task` is a task the verifier knows.
#[inline(always)]
pub unsafe fn task_stat(task: Object, index: usize) -> u64 {
    // SAFETY: the index is below COUNT; the verifier checks the load.
    unsafe { load_if_kept(task, setting(&TASK_STATS[index])) }
}

/// # Safety
/// As [`load_at`].
#[inline(always)]
unsafe fn load_if_kept(object: Object, offset: u32) -> u64 {
    match offset {
        ABSENT => 0,
        // SAFETY: the caller's.
        offset => unsafe { load_at(object, offset as usize) },
    }
}

/// What signal_struct keeps of dead threads; 0 where it does not.
///
/// # Safety
/// `signal` is the signal_struct of a task the verifier knows.
#[inline(always)]
pub unsafe fn signal_stat(signal: Object, index: usize) -> u64 {
    // SAFETY: the index is below COUNT; the verifier checks the load.
    unsafe { load_if_kept(signal, setting(&SIGNAL_STATS[index])) }
}

/// What oom:mark_victim says the victim holds; 0 where it does not.
///
/// # Safety
/// `record` points to the tracepoint's record.
#[inline(always)]
pub unsafe fn oom_stat(record: Object, index: usize) -> u64 {
    match setting(&OOM_STATS[index]) {
        ABSENT => 0,
        // SAFETY: the caller's; the index is below COUNT.
        offset => unsafe { peek_at(record, offset as usize) },
    }
}
