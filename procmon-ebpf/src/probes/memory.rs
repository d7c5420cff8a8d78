//! mmap, munmap, mremap and brk at their exits: how often, how many bytes.
//!
//! Hooks: syscalls:sys_exit_mmap, _munmap, _mremap, _brk (mm/mmap.c,
//! mm/mremap.c). The lengths are still in the caller's registers; brk returns
//! the new break only, so the entry keeps the old one.

use aya_ebpf::macros::tracepoint;
use aya_ebpf::programs::TracePointContext;
use procmon_common::records::Tally;
use procmon_common::{Counter, Feature, Field, Operation};

use super::syscall::{registers, result};
use crate::maps::features;
use crate::offsets::{Object, config, load};
use crate::{atomic, count};

/// `MREMAP_DONTUNMAP`: the old mapping stays (include/uapi/linux/mman.h).
const MREMAP_DONTUNMAP: u64 = 4;

/// syscalls:sys_exit_mmap.
#[tracepoint]
pub fn exit_mmap(ctx: TracePointContext) -> u32 {
    if let Some(tally) = count::current() {
        mmap(tally, registers, result(&ctx));
    }
    0
}

/// syscalls:sys_exit_munmap.
#[tracepoint]
pub fn exit_munmap(ctx: TracePointContext) -> u32 {
    if let Some(tally) = count::current() {
        munmap(tally, registers, result(&ctx));
    }
    0
}

/// syscalls:sys_exit_mremap.
#[tracepoint]
pub fn exit_mremap(ctx: TracePointContext) -> u32 {
    if let Some(tally) = count::current() {
        mremap(tally, registers, result(&ctx));
    }
    0
}

/// syscalls:sys_exit_brk.
#[tracepoint]
pub fn exit_brk(ctx: TracePointContext) -> u32 {
    if let Some(tally) = count::current() {
        brk(tally, result(&ctx));
    }
    0
}

/// Counts an mmap(addr, length, ...). Here and below the registers are got only
/// for a call that succeeded, while its bytes are counted: it takes two helpers.
#[inline(always)]
pub fn mmap(tally: *mut Tally, registers: impl FnOnce() -> Object, ret: i64) {
    if count::call(tally, Operation::Mmap, ret) && counts_bytes() {
        let registers = registers();
        // SAFETY: pt_regs the verifier knows.
        let length = unsafe { load(registers, Field::Argument2) };
        count::add(tally, Counter::MappedBytes, pages(length));
    }
}

/// Counts a munmap(addr, length).
#[inline(always)]
pub fn munmap(tally: *mut Tally, registers: impl FnOnce() -> Object, ret: i64) {
    if count::call(tally, Operation::Munmap, ret) && counts_bytes() {
        let registers = registers();
        // SAFETY: pt_regs the verifier knows.
        let length = unsafe { load(registers, Field::Argument2) };
        count::add(tally, Counter::UnmappedBytes, pages(length));
    }
}

/// Counts an mremap(old, old_size, new_size, flags).
#[inline(always)]
pub fn mremap(tally: *mut Tally, registers: impl FnOnce() -> Object, ret: i64) {
    if count::call(tally, Operation::Mremap, ret) && counts_bytes() {
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
        change(tally, old, pages(new));
    }
}

/// Counts a brk. It has no error return: a refused one gives the old break.
#[inline(always)]
pub fn brk(tally: *mut Tally, ret: i64) {
    count::add(tally, Operation::Brk.succeeded(), 1);
    // Exchanged, so that the changes add up to the truth whichever thread's
    // exit comes first. SAFETY: a map value.
    let old = unsafe { atomic::swap(&raw mut (*tally).brk, ret as u64) };
    if old != 0 && counts_bytes() {
        change(tally, pages(old), pages(ret as u64));
    }
}

#[inline(always)]
fn counts_bytes() -> bool {
    features().has(Feature::MappingBytes)
}

#[inline(always)]
fn change(tally: *mut Tally, old: u64, new: u64) {
    if new > old {
        count::add(tally, Counter::MappedBytes, new - old);
    } else if old > new {
        count::add(tally, Counter::UnmappedBytes, old - new);
    }
}

/// Rounds up to pages, as the kernel does with lengths.
#[inline(always)]
fn pages(bytes: u64) -> u64 {
    let shift = config!(page_shift) & 63;
    let mask = (1u64 << shift).wrapping_sub(1);
    bytes.wrapping_add(mask) & !mask
}
