//! The tallies in front of the COUNTERS map, and the notes of threads in front
//! of task storage.
//!
//! With the kernel's protection against speculative returns each function call
//! costs a hook more than all it does there: a look-up in a hash takes several,
//! one in an array none, and task storage takes half of a switch.

use core::ptr;

use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use procmon_common::records::{Front, Tally, ThreadFront, ThreadNotes};
use procmon_common::{Field, ProcessEntry};

use crate::atomic;
use crate::maps::{FRONT, THREAD_FRONT};
use crate::offsets::{Object, config, load};

/// Where the tally of a process would be.
#[inline(always)]
fn place(tgid: u32) -> Option<*mut Front> {
    FRONT.get_ptr_mut(tgid & config!(front_mask))
}

/// The same, if it is there.
#[inline(always)]
fn owned(tgid: u32) -> Option<*mut Front> {
    let front = place(tgid)?;
    // SAFETY: a map value.
    unsafe { (ptr::read_volatile(&raw const (*front).owner) == u64::from(tgid)).then_some(front) }
}

/// The tally of a process that has a place; it is counted then.
#[inline(always)]
pub fn tally(tgid: u32) -> Option<*mut Tally> {
    let front = owned(tgid)?;
    // SAFETY: a map value.
    Some(unsafe { &raw mut (*front).tally })
}

/// Where the hot probes add to for a process that is counted.
///
/// # Safety
/// `entry` is a map value.
#[inline(always)]
pub unsafe fn tally_of(entry: *mut ProcessEntry) -> *mut Tally {
    // SAFETY: the caller's.
    unsafe { tally((*entry).pid).unwrap_or(&raw mut (*entry).tally) }
}

/// Gives a process that begins to be counted its place, if nobody has it.
///
/// # Safety
/// As [`tally_of`].
#[inline(always)]
pub unsafe fn claim(entry: *mut ProcessEntry) {
    // SAFETY: the caller's; an index in bounds.
    unsafe {
        let tgid = u64::from((*entry).pid);
        let Some(front) = place((*entry).pid) else {
            return;
        };
        let before = atomic::replace(&raw mut (*front).owner, 0, tgid);
        // Its own: of one that was forgotten, or that two hooks met at once.
        if before != 0 && before != tgid {
            return;
        }
        let numbers: *mut u64 = (&raw mut (*front).tally).cast();
        let mut index = 0;
        while index < Tally::LENGTH {
            ptr::write_volatile(numbers.add(index), 0);
            index += 1;
        }
        (*front).tally.brk = (*entry).tally.brk;
    }
}

/// Takes the tally of a process that has ended home into its entry.
///
/// # Safety
/// As [`tally_of`].
#[inline(always)]
pub unsafe fn settle(entry: *mut ProcessEntry) {
    // SAFETY: map values, and a length that both have.
    unsafe {
        if let Some(front) = owned((*entry).pid) {
            let _ = bpf_probe_read_kernel(
                (&raw mut (*entry).tally).cast(),
                size_of::<Tally>() as u32,
                (&raw const (*front).tally).cast(),
            );
            // What was counted stays until another comes: a pass of the iterator
            // may be reading it.
            ptr::write_volatile(&raw mut (*front).owner, 0);
        }
    }
}

/// Where the notes of a thread would be, and what it is known by there.
#[inline(always)]
fn place_of(task: Object) -> Option<(*mut ThreadFront, u64)> {
    // SAFETY: a task the verifier knows.
    let stack: u64 = unsafe { load(task, Field::TaskStack) };
    // Stacks are pages apart; the golden ratio spreads them (Knuth's
    // multiplicative hashing).
    let spread = (stack >> 12).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let front = THREAD_FRONT.get_ptr_mut(spread as u32 & config!(front_mask))?;
    Some((front, stack))
}

/// The same, if they are there.
#[inline(always)]
fn owned_by(task: Object) -> Option<*mut ThreadFront> {
    let (front, stack) = place_of(task)?;
    // SAFETY: a map value.
    unsafe { (ptr::read_volatile(&raw const (*front).owner) == stack).then_some(front) }
}

/// The notes of a thread that has a place; it is counted then.
#[inline(always)]
pub fn notes(task: Object) -> Option<*mut ThreadNotes> {
    let front = owned_by(task)?;
    // SAFETY: a map value.
    Some(unsafe { &raw mut (*front).notes })
}

/// Gives a thread that begins to be counted its place, if nobody has it. Until
/// its notes are of an epoch, a switch of it only takes note.
#[inline(always)]
pub fn claim_notes(task: Object) -> Option<*mut ThreadNotes> {
    let (front, stack) = place_of(task)?;
    // SAFETY: a map value.
    unsafe {
        if stack == 0 || atomic::replace(&raw mut (*front).owner, 0, stack) != 0 {
            return None;
        }
        (*front).notes.blocked_ns = 0;
        Some(&raw mut (*front).notes)
    }
}

/// Makes room for another thread's notes: this one has switched for the last time.
#[inline(always)]
pub fn leave_notes(task: Object) {
    if let Some(front) = owned_by(task) {
        // SAFETY: a map value.
        unsafe {
            ptr::write_volatile(&raw mut (*front).notes.epoch, 0);
            ptr::write_volatile(&raw mut (*front).owner, 0);
        }
    }
}
