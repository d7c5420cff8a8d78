//! When user space is woken for what waits in the ring buffer; it looks by
//! itself at every tick.

use aya_ebpf::helpers::generated::bpf_ringbuf_query;

use crate::maps::EVENTS;
use crate::offsets::config;

// `bpf_ringbuf_query` and the flags of what puts records there
// (include/uapi/linux/bpf.h).
const BPF_RB_AVAIL_DATA: u64 = 0;
const BPF_RB_RING_SIZE: u64 = 1;
const BPF_RB_NO_WAKEUP: u64 = 1;
const BPF_RB_FORCE_WAKEUP: u64 = 2;

/// For an end: when enough has come together, or at once if someone may wait.
#[inline(always)]
pub fn for_an_end() -> u64 {
    once(u64::from(config!(wakeup_bytes)))
}

/// For what nobody waits for: before there is no room, as the next tick may be
/// far.
#[inline(always)]
pub fn for_room() -> u64 {
    once(query(BPF_RB_RING_SIZE) / 8)
}

#[inline(always)]
fn once(bytes: u64) -> u64 {
    if query(BPF_RB_AVAIL_DATA) >= bytes {
        BPF_RB_FORCE_WAKEUP
    } else {
        BPF_RB_NO_WAKEUP
    }
}

#[inline(always)]
fn query(what: u64) -> u64 {
    // SAFETY: the helper only reads the ring buffer's positions.
    unsafe { bpf_ringbuf_query((&raw const EVENTS).cast_mut().cast(), what) }
}
