//! The entries of processes, most of them in front of a hash, and the notes of
//! threads in front of task storage.
//!
//! With the kernel's protection against speculative returns each function call
//! costs a hook more than all it does there: a look-up in a hash takes several,
//! one in an array none, and task storage takes half of a switch. And the memory
//! of a hash's entry is asked for at each birth, with an interrupt to the CPU
//! itself every few births (kernel/bpf/memalloc.c), which a virtual machine pays
//! dearly for.

use core::mem::offset_of;
use core::ptr;

use procmon_common::config::ABSENT;
use procmon_common::records::{EXECUTABLE_LEN, FAILURE_SLOTS, ThreadFront, ThreadNotes, state};
use procmon_common::{Field, ProcessEntry};

use crate::atomic;
use crate::maps::{COUNTERS, FRONT, THREAD_FRONT};
use crate::offsets::{Object, config, load};

/// Where the entry of a process would be.
#[inline(always)]
fn place(tgid: u32) -> Option<*mut ProcessEntry> {
    FRONT.get_ptr_mut(index(tgid)?)
}

/// The index that these bits are; none where nobody is to have a place.
#[inline(always)]
fn index(bits: u32) -> Option<u32> {
    let mask = config!(front_mask);
    (mask != ABSENT).then_some(bits & mask)
}

/// What the entry begins with.
#[inline(always)]
fn word(entry: *mut ProcessEntry) -> *mut u64 {
    entry.cast()
}

/// The entry of a process that has a place, if it is counted.
#[inline(always)]
fn counted(tgid: u32) -> Option<*mut ProcessEntry> {
    let entry = place(tgid)?;
    // SAFETY: a map value.
    let word = unsafe { ptr::read_volatile(word(entry)) };
    (word == ProcessEntry::word(tgid, state::ACTIVE)).then_some(entry)
}

/// The entry of a process that has a place, in whatever state.
#[inline(always)]
fn owned(tgid: u32) -> Option<*mut ProcessEntry> {
    let entry = place(tgid)?;
    // SAFETY: a map value.
    let word = unsafe { ptr::read_volatile(word(entry)) };
    (word != 0 && word as u32 == tgid).then_some(entry)
}

/// The entry of a process, if it is counted.
#[inline(always)]
pub fn active(tgid: u32) -> Option<*mut ProcessEntry> {
    counted(tgid).or_else(|| {
        let behind = COUNTERS.get_ptr_mut(tgid);
        // SAFETY: a map value.
        behind.filter(|entry| unsafe { (**entry).state } == state::ACTIVE)
    })
}

/// The entry of a process, in whatever state.
#[inline(always)]
pub fn entry(tgid: u32) -> Option<*mut ProcessEntry> {
    owned(tgid).or_else(|| COUNTERS.get_ptr_mut(tgid))
}

/// What a process finds at its place.
pub enum Found {
    /// Nothing: it is its own now, an entry of zeros that is [`state::WANTED`].
    Free(*mut ProcessEntry),
    /// An entry of its own.
    Own(*mut ProcessEntry),
    /// Another process, or no place.
    Taken,
}

/// Takes a process's place, if nobody has it.
#[inline(always)]
pub fn claim(tgid: u32) -> Found {
    let Some(entry) = place(tgid) else {
        return Found::Taken;
    };
    // SAFETY: a map value.
    unsafe {
        let ours = ProcessEntry::word(tgid, state::WANTED);
        let before = atomic::replace(word(entry), 0, ours);
        if before == 0 {
            clear(entry);
            Found::Free(entry)
        } else if before as u32 == tgid {
            Found::Own(entry)
        } else {
            Found::Taken
        }
    }
}

/// Takes away what is in an entry but for its first word, and for its name, which
/// is written before anybody looks.
///
/// # Safety
/// `entry` is a map value.
#[inline(always)]
pub unsafe fn clear(entry: *mut ProcessEntry) {
    const NAME: usize = offset_of!(ProcessEntry, executable) / 8;
    const BEHIND_NAME: usize = NAME + EXECUTABLE_LEN / 8;
    const FAILURES: usize = offset_of!(ProcessEntry, failures) / 8;
    let numbers: *mut u64 = entry.cast();
    // SAFETY: the caller's; indexes in bounds. Volatile writes: a compiler's fill
    // is a function, which there is none of.
    unsafe {
        let mut index = 1;
        while index < NAME {
            ptr::write_volatile(numbers.add(index), 0);
            index += 1;
        }
        index = BEHIND_NAME;
        while index < FAILURES {
            ptr::write_volatile(numbers.add(index), 0);
            index += 1;
        }
        // Few have any: what is not looked at need not come into the cache.
        index = 0;
        while index < FAILURE_SLOTS {
            let slot = &raw mut (*entry).failures[index];
            if ptr::read_volatile(&raw const (*slot).key) == 0 {
                break;
            }
            ptr::write_volatile(&raw mut (*slot).key, 0);
            ptr::write_volatile(&raw mut (*slot).count, 0);
            index += 1;
        }
    }
}

/// Lets go of a process's entry. In a place, what was counted stays until another
/// comes: a pass of the iterator may be reading it.
#[inline(always)]
pub fn leave(tgid: u32) {
    match owned(tgid) {
        // SAFETY: a map value.
        Some(entry) => unsafe { ptr::write_volatile(word(entry), 0) },
        None => {
            let _ = COUNTERS.remove(tgid);
        }
    }
}

/// Where the notes of a thread would be, and what it is known by there.
#[inline(always)]
fn place_of(task: Object) -> Option<(*mut ThreadFront, u64)> {
    // SAFETY: a task the verifier knows.
    let stack: u64 = unsafe { load(task, Field::TaskStack) };
    // That of the dead has been given back.
    if stack == 0 {
        return None;
    }
    // Stacks are pages apart; the golden ratio spreads them (Knuth's
    // multiplicative hashing).
    let spread = (stack >> 12).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let front = THREAD_FRONT.get_ptr_mut(index(spread as u32)?)?;
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

/// Gives a thread that begins to be counted its place, if no other has it: with
/// its stack's address there it is counted. Until its notes are of an epoch, a
/// switch of it only takes note.
#[inline(always)]
pub fn claim_notes(task: Object) -> Option<*mut ThreadNotes> {
    let (front, stack) = place_of(task)?;
    // SAFETY: a map value.
    unsafe {
        let before = atomic::replace(&raw mut (*front).owner, 0, stack);
        // Its own: of one whose stack it was, met as it made its last switch.
        if before != 0 && before != stack {
            return None;
        }
        (*front).notes.epoch = 0;
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
