//! procmon's kernel programs: thin entry functions on the hooks of
//! `procmon_common::probes`, which add to the maps of [`maps`].
//!
//! Every event costs O(1) and makes no event of its own; the ring buffer
//! carries exit records, and the rare changes of the trees of control groups.
#![no_std]
#![no_main]
#![feature(core_intrinsics)]
#![expect(
    internal_features,
    reason = "the BPF target has no fetch_add of its own; the intrinsics are its atomics"
)]

mod atomic;
mod cgroups;
mod count;
mod events;
mod front;
mod iter;
mod maps;
mod members;
mod offsets;
mod probes;
mod process;

#[cfg(not(test))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// The helpers procmon uses are for programs under the GPL only.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
