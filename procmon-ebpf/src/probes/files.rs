//! Calls that make or close descriptors, at their exits, one operation a call.
//!
//! Hooks: syscalls:sys_exit_open and the others of `procmon_common::PROBES`
//! (fs/open.c, fs/file.c, net/socket.c, fs/pipe.c).

use aya_ebpf::macros::tracepoint;
use aya_ebpf::programs::TracePointContext;
use procmon_common::{Field, Operation, ProcessEntry};

use super::syscall::{exit, registers, result};
use crate::count;
use crate::offsets::{Object, load};

/// include/uapi/asm-generic/fcntl.h.
const F_DUPFD: u64 = 0;
/// F_LINUX_SPECIFIC_BASE + 6 (include/uapi/linux/fcntl.h).
const F_DUPFD_CLOEXEC: u64 = 1030;

macro_rules! exits {
    ($($program:ident => $operation:ident;)+) => {
        $(
            #[doc = concat!("The exits of `Operation::", stringify!($operation), "`.")]
            #[tracepoint]
            pub fn $program(ctx: TracePointContext) -> u32 {
                exit(&ctx, Operation::$operation)
            }
        )+
    };
}

exits! {
    exit_open => Open;
    exit_close => Close;
    exit_dup => Dup;
    exit_socket => Socket;
    exit_accept => Accept;
    exit_pipe => Pipe;
    exit_other => Other;
}

/// syscalls:sys_exit_fcntl.
#[tracepoint]
pub fn exit_fcntl(ctx: TracePointContext) -> u32 {
    let task = count::task();
    if let Some(entry) = count::of(task) {
        fcntl(entry, registers(task), result(&ctx));
    }
    0
}

/// Counts an fcntl(fd, command, ...) that duplicates a descriptor.
#[inline(always)]
pub fn fcntl(entry: *mut ProcessEntry, registers: Object, ret: i64) {
    // SAFETY: pt_regs the verifier knows. The command is an unsigned int: the
    // register's upper half is not part of it.
    let command = unsafe { load::<u64>(registers, Field::Argument2) } & 0xffff_ffff;
    if command == F_DUPFD || command == F_DUPFD_CLOEXEC {
        count::call(entry, Operation::Dup, ret);
    }
}
