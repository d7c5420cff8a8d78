//! The floors that the probes are measured against: what a tracer costs that
//! looks at the clock at every switch and every wakeup, and one that does
//! nothing at the end of a system call. Only `procmon-bench` loads these.

use aya_ebpf::helpers::generated::bpf_ktime_get_ns;
use aya_ebpf::macros::{btf_tracepoint, tracepoint};
use aya_ebpf::programs::{BtfTracePointContext, TracePointContext};

/// sched_switch, clock only.
#[btf_tracepoint(function = "sched_switch")]
pub fn bench_switch(_: BtfTracePointContext) -> i32 {
    look()
}

/// sched_wakeup, clock only.
#[btf_tracepoint(function = "sched_wakeup")]
pub fn bench_wakeup(_: BtfTracePointContext) -> i32 {
    look()
}

/// syscalls:sys_exit_*, nothing.
#[tracepoint]
pub fn bench_call(_: TracePointContext) -> u32 {
    0
}

#[inline(always)]
fn look() -> i32 {
    // SAFETY: the helper may be called at any time. Its result is returned, so
    // that the call stays; the hook ignores it.
    unsafe { bpf_ktime_get_ns() as i32 }
}
