//! The floors that the probes are measured against: what a tracer costs that
//! looks at the clock at every switch and every wakeup, and one that does
//! nothing at the end of a system call, or at any other hook; and the two roads
//! to that end, counted.
//! Only `procmon-bench` loads these.

use aya_ebpf::btf_maps::Array;
use aya_ebpf::helpers::generated::bpf_ktime_get_ns;
use aya_ebpf::macros::{btf_map, btf_tracepoint, fexit, tracepoint};
use aya_ebpf::programs::{BtfTracePointContext, FExitContext, TracePointContext};

use crate::atomic;

/// How often [`bench_exit`] or [`bench_return`] ran.
#[btf_map]
pub static BENCH_RUNS: Array<u64, 1> = Array::new();

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

/// Programs that do nothing, on the hooks of those that do.
macro_rules! empty {
    ($($program:ident at $hook:tt,)+) => {
        $(
            #[doc = concat!($hook, ", nothing.")]
            #[btf_tracepoint(function = $hook)]
            pub fn $program(_: BtfTracePointContext) -> i32 {
                0
            }
        )+
    };
}

empty! {
    empty_sched_process_fork at "sched_process_fork",
    empty_sched_process_exec at "sched_process_exec",
    empty_sched_switch at "sched_switch",
    empty_sock_send_length at "sock_send_length",
    empty_sock_recv_length at "sock_recv_length",
    empty_cgroup_mkdir at "cgroup_mkdir",
    empty_cgroup_rename at "cgroup_rename",
    empty_cgroup_rmdir at "cgroup_rmdir",
    empty_cgroup_attach_task at "cgroup_attach_task",
}

/// syscalls:sys_exit_* and other tracepoints, nothing.
#[tracepoint]
pub fn bench_call(_: TracePointContext) -> u32 {
    0
}

/// syscalls:sys_exit_*, counted.
#[tracepoint]
pub fn bench_exit(_: TracePointContext) -> u32 {
    count();
    0
}

/// The end of the function of a system call, counted.
#[fexit(function = "bench")]
pub fn bench_return(_: FExitContext) -> i32 {
    count();
    0
}

#[inline(always)]
fn count() {
    if let Some(runs) = BENCH_RUNS.get_ptr_mut(0) {
        // SAFETY: a map value.
        unsafe { atomic::add(runs, 1) };
    }
}

#[inline(always)]
fn look() -> i32 {
    // SAFETY: the helper may be called at any time. Its result is returned, so
    // that the call stays; the hook ignores it.
    unsafe { bpf_ktime_get_ns() as i32 }
}
