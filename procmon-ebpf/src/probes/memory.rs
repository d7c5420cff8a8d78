//! mmap, munmap, mremap and brk at their exits: how often, how many bytes.
//!
//! Hooks: syscalls:sys_exit_mmap, _munmap, _mremap, _brk (mm/mmap.c,
//! mm/mremap.c). The lengths are still in the caller's registers; brk returns
//! the new break only, so the entry keeps the old one.

use aya_ebpf::macros::tracepoint;
use aya_ebpf::programs::TracePointContext;
use procmon_common::{Counter, Feature, Field, Operation, ProcessEntry};

use super::syscall::{registers, result};
use crate::maps::features;
use crate::offsets::{Object, config, load};
use crate::{atomic, count};

/// `MREMAP_DONTUNMAP`: the old mapping stays (include/uapi/linux/mman.h).
const MREMAP_DONTUNMAP: u64 = 4;

/// syscalls:sys_exit_mmap.
#[tracepoint]
pub fn exit_mmap(ctx: TracePointContext) -> u32 {
    let task = count::task();
    if let Some(entry) = count::of(task) {
        mmap(entry, || registers(task), result(&ctx));
    }
    0
}

/// syscalls:sys_exit_munmap.
#[tracepoint]
pub fn exit_munmap(ctx: TracePointContext) -> u32 {
    let task = count::task();
    if let Some(entry) = count::of(task) {
        munmap(entry, || registers(task), result(&ctx));
    }
    0
}

/// syscalls:sys_exit_mremap.
#[tracepoint]
pub fn exit_mremap(ctx: TracePointContext) -> u32 {
    let task = count::task();
    if let Some(entry) = count::of(task) {
        mremap(entry, || registers(task), result(&ctx));
    }
    0
}

/// syscalls:sys_exit_brk.
#[tracepoint]
pub fn exit_brk(ctx: TracePointContext) -> u32 {
    if let Some(entry) = count::current() {
        brk(entry, result(&ctx));
    }
    0
}

/// Counts an mmap(addr, length, ...). Here and below the registers are got only
/// for a call that succeeded, while its bytes are counted: it takes a helper.
#[inline(always)]
pub fn mmap(entry: *mut ProcessEntry, registers: impl FnOnce() -> Object, ret: i64) {
    if count::call(entry, Operation::Mmap, ret) && counts_bytes() {
        let registers = registers();
        // SAFETY: pt_regs the verifier knows.
        let length = unsafe { load(registers, Field::Argument2) };
        count::add(entry, Counter::MappedBytes, pages(length));
    }
}

/// Counts a munmap(addr, length).
#[inline(always)]
pub fn munmap(entry: *mut ProcessEntry, registers: impl FnOnce() -> Object, ret: i64) {
    if count::call(entry, Operation::Munmap, ret) && counts_bytes() {
        let registers = registers();
        // SAFETY: pt_regs the verifier knows.
        let length = unsafe { load(registers, Field::Argument2) };
        count::add(entry, Counter::UnmappedBytes, pages(length));
    }
}

/// Counts an mremap(old, old_size, new_size, flags).
#[inline(always)]
pub fn mremap(entry: *mut ProcessEntry, registers: impl FnOnce() -> Object, ret: i64) {
    if count::call(entry, Operation::Mremap, ret) && counts_bytes() {
        let registers = registers();
        // SAFETY: pt_regs the verifier knows.
        let (old, new, flags): (u64, u64, u64) = unsafe {
            (
                load(registers, Field::Argument2),
                load(registers, Field::Argument3),
                load(registers, Field::Argument4),
            )
        };
        let old = if flags & MREMAP_DONTUNMAP != 0 {
            0
        } else {
            pages(old)
        };
        change(entry, old, pages(new));
    }
}

/// Counts a brk. It has no error return: a refused one gives the old break.
#[inline(always)]
pub fn brk(entry: *mut ProcessEntry, ret: i64) {
    count::add(entry, Operation::Brk.succeeded(), 1);
    // Exchanged, so that the changes add up to the truth whichever thread's
    // exit comes first. SAFETY: a map value.
    let old = unsafe { atomic::swap(&raw mut (*entry).brk, ret as u64) };
    if old != 0 && counts_bytes() {
        change(entry, pages(old), pages(ret as u64));
    }
}

#[inline(always)]
fn counts_bytes() -> bool {
    features().has(Feature::MappingBytes)
}

#[inline(always)]
fn change(entry: *mut ProcessEntry, old: u64, new: u64) {
    if new > old {
        count::add(entry, Counter::MappedBytes, new - old);
    } else if old > new {
        count::add(entry, Counter::UnmappedBytes, old - new);
    }
}

/// Rounds up to pages, as the kernel does with lengths.
#[inline(always)]
fn pages(bytes: u64) -> u64 {
    let shift = config!(page_shift) & 63;
    let mask = (1u64 << shift).wrapping_sub(1);
    bytes.wrapping_add(mask) & !mask
}
