//! What the system call programs share: the exit tracepoint's fields, the
//! call's arguments, and the one program for hosts without tracefs.

use aya_ebpf::EbpfContext;
use aya_ebpf::helpers::generated::bpf_task_pt_regs;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::{BtfTracePointContext, TracePointContext};
use procmon_common::config::{SYSCALL_FCNTL, SYSCALL_NUMBERS};
use procmon_common::{Field, Operation, ProcessEntry};

use crate::maps::SYSCALLS;
use crate::offsets::{Object, load};
use crate::{count, probes};

/// What a system call returned: `ret` of every syscalls:sys_exit_* tracepoint
/// stands at byte 16, after the common fields and the number
/// (kernel/trace/trace_syscalls.c, struct syscall_trace_exit).
#[inline(always)]
pub fn result(ctx: &TracePointContext) -> i64 {
    // SAFETY: the verifier checks the access against the context.
    unsafe { core::ptr::read_volatile(ctx.as_ptr().byte_add(16).cast::<i64>()) }
}

/// The registers of the current task's system call; at its exit its arguments are
/// still in them, all but the first on arm64.
#[inline(always)]
pub fn registers(task: Object) -> Object {
    // SAFETY: the current task always has them.
    unsafe { bpf_task_pt_regs(task.cast_mut().cast()) as usize as Object }
}

/// Counts a call of `operation` in a process that is counted.
#[inline(always)]
pub fn exit(ctx: &TracePointContext, operation: Operation) -> u32 {
    if let Some(entry) = count::current() {
        count::call(entry, operation, result(ctx));
    }
    0
}

/// Stands in for all exit tracepoints: hook sys_exit, filtered by number.
#[btf_tracepoint(function = "sys_exit")]
pub fn syscall_exit(ctx: BtfTracePointContext) -> i32 {
    let registers: *const u8 = ctx.arg(0);
    let ret: i64 = ctx.arg(1);
    let number = number(registers);
    if number >= SYSCALL_NUMBERS as u64 {
        return 0;
    }
    let Some(&call) = SYSCALLS.get(number as u32) else {
        return 0;
    };
    if call == 0 {
        return 0;
    }
    if let Some(entry) = count::current() {
        dispatch(entry, call, registers, ret);
    }
    0
}

#[inline(always)]
fn number(registers: Object) -> u64 {
    // SAFETY: sys_exit's first argument is a pt_regs the verifier knows.
    #[cfg(not(bpf_target_arch = "aarch64"))]
    return unsafe { load::<u64>(registers, Field::SyscallNumber) };
    // SAFETY: as above; arm64 keeps it in 32 bits.
    #[cfg(bpf_target_arch = "aarch64")]
    return u64::from(unsafe { load::<u32>(registers, Field::SyscallNumber) });
}

#[inline(always)]
fn dispatch(entry: *mut ProcessEntry, call: u32, registers: Object, ret: i64) {
    if call == SYSCALL_FCNTL {
        probes::files::fcntl(entry, registers, ret);
        return;
    }
    match call - 1 {
        0 => probes::memory::mmap(entry, || registers, ret),
        1 => probes::memory::munmap(entry, || registers, ret),
        2 => probes::memory::mremap(entry, || registers, ret),
        3 => probes::memory::brk(entry, ret),
        index => {
            // A loop would make the operation a variable; the call below wants
            // a constant, so that its counters are.
            macro_rules! each {
                ($($operation:ident)+) => {
                    $(if index == Operation::$operation as u32 {
                        count::call(entry, Operation::$operation, ret);
                    })+
                };
            }
            each!(Open Close Dup Socket Accept Pipe Other);
        }
    }
}
