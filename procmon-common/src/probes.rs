//! The table of probes: which program hangs on which hook.

use crate::{Feature, Operation};

/// The family a probe belongs to; what `procmon doctor` groups by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// mmap, munmap, mremap, brk.
    Memory,
    /// Descriptors.
    Files,
    /// Context switches.
    Sched,
    /// fork, exec, exit.
    Lifecycle,
    /// Kills for want of memory.
    Oom,
    /// Control groups.
    Cgroup,
    /// Socket payload.
    Network,
    /// The task iterator.
    Snapshot,
}

/// What a program hangs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// The exit tracepoints of these system calls; those this architecture
    /// does not have are left out.
    SyscallExit(&'static [&'static str]),
    /// A BTF-typed raw tracepoint.
    BtfTracepoint(&'static str),
    /// A tracepoint: its category and name.
    Tracepoint(&'static str, &'static str),
    /// A BPF iterator over this kind of object.
    Iterator(&'static str),
    /// A BTF-typed raw tracepoint; where the kernel does not have it, the
    /// exits of functions, each with a program of its own. A function that the
    /// kernel does not have is left out.
    BtfTracepointOr {
        /// The tracepoint.
        tracepoint: &'static str,
        /// (program, function).
        exits: &'static [(&'static str, &'static str)],
    },
    /// None of its own: a part of another probe's program that can be switched
    /// off. It does as that probe does.
    Part {
        /// The probe whose program it is part of, above it in the table.
        of: &'static str,
        /// The part.
        feature: Feature,
    },
}

/// One kernel program and its hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The probe's name: in `doctor`, in metrics, in messages.
    pub name: &'static str,
    /// The program's name in the object.
    pub program: &'static str,
    /// Its family.
    pub family: Family,
    /// Its hook.
    pub hook: Hook,
    /// The operation it counts, if it is a system call's.
    pub operation: Option<Operation>,
}

const fn syscall(
    name: &'static str,
    program: &'static str,
    family: Family,
    operation: Operation,
    calls: &'static [&'static str],
) -> Probe {
    Probe {
        name,
        program,
        family,
        hook: Hook::SyscallExit(calls),
        operation: Some(operation),
    }
}

const fn btf(
    name: &'static str,
    program: &'static str,
    family: Family,
    tracepoint: &'static str,
) -> Probe {
    Probe {
        name,
        program,
        family,
        hook: Hook::BtfTracepoint(tracepoint),
        operation: None,
    }
}

/// The tracepoints exist since Linux 6.3; before, the functions they stand in.
const fn network(
    name: &'static str,
    program: &'static str,
    tracepoint: &'static str,
    exits: &'static [(&'static str, &'static str)],
) -> Probe {
    Probe {
        name,
        program,
        family: Family::Network,
        hook: Hook::BtfTracepointOr { tracepoint, exits },
        operation: None,
    }
}

const fn part(
    name: &'static str,
    program: &'static str,
    family: Family,
    of: &'static str,
    feature: Feature,
) -> Probe {
    Probe {
        name,
        program,
        family,
        hook: Hook::Part { of, feature },
        operation: None,
    }
}

/// Every probe, in the order in which they are attached: lifecycle first, so
/// that no process is born unseen while the others follow.
pub const PROBES: &[Probe] = &[
    btf(
        "fork",
        "process_fork",
        Family::Lifecycle,
        "sched_process_fork",
    ),
    btf(
        "exec",
        "process_exec",
        Family::Lifecycle,
        "sched_process_exec",
    ),
    btf(
        "cgroup_mkdir",
        "cgroup_mkdir",
        Family::Cgroup,
        "cgroup_mkdir",
    ),
    btf(
        "cgroup_rename",
        "cgroup_rename",
        Family::Cgroup,
        "cgroup_rename",
    ),
    btf(
        "cgroup_rmdir",
        "cgroup_rmdir",
        Family::Cgroup,
        "cgroup_rmdir",
    ),
    btf(
        "cgroup_attach",
        "cgroup_attach",
        Family::Cgroup,
        "cgroup_attach_task",
    ),
    btf("switch", "context_switch", Family::Sched, "sched_switch"),
    part(
        "run_queue",
        "context_switch",
        Family::Sched,
        "switch",
        Feature::RunQueue,
    ),
    part(
        "off_cpu",
        "context_switch",
        Family::Sched,
        "switch",
        Feature::OffCpu,
    ),
    Probe {
        name: "snapshot",
        program: "task_snapshot",
        family: Family::Snapshot,
        hook: Hook::Iterator("task"),
        operation: None,
    },
    Probe {
        name: "oom",
        program: "oom_kill",
        family: Family::Oom,
        hook: Hook::Tracepoint("oom", "mark_victim"),
        operation: None,
    },
    network(
        "send",
        "socket_send",
        "sock_send_length",
        &[
            ("inet_send", "inet_sendmsg"),
            ("inet6_send", "inet6_sendmsg"),
            ("inet_sendpage", "inet_sendpage"),
        ],
    ),
    network(
        "receive",
        "socket_receive",
        "sock_recv_length",
        &[
            ("inet_receive", "inet_recvmsg"),
            ("inet6_receive", "inet6_recvmsg"),
        ],
    ),
    syscall(
        "mmap",
        "exit_mmap",
        Family::Memory,
        Operation::Mmap,
        &["mmap"],
    ),
    syscall(
        "munmap",
        "exit_munmap",
        Family::Memory,
        Operation::Munmap,
        &["munmap"],
    ),
    syscall(
        "mremap",
        "exit_mremap",
        Family::Memory,
        Operation::Mremap,
        &["mremap"],
    ),
    syscall("brk", "exit_brk", Family::Memory, Operation::Brk, &["brk"]),
    part(
        "mapping_bytes",
        "exit_mmap",
        Family::Memory,
        "mmap",
        Feature::MappingBytes,
    ),
    syscall(
        "open",
        "exit_open",
        Family::Files,
        Operation::Open,
        &["open", "openat", "openat2", "creat", "open_by_handle_at"],
    ),
    syscall(
        "close",
        "exit_close",
        Family::Files,
        Operation::Close,
        &["close", "close_range"],
    ),
    syscall(
        "dup",
        "exit_dup",
        Family::Files,
        Operation::Dup,
        &["dup", "dup2", "dup3"],
    ),
    // Of fcntl only F_DUPFD and F_DUPFD_CLOEXEC make a descriptor.
    syscall(
        "fcntl",
        "exit_fcntl",
        Family::Files,
        Operation::Dup,
        &["fcntl"],
    ),
    syscall(
        "socket",
        "exit_socket",
        Family::Files,
        Operation::Socket,
        &["socket", "socketpair"],
    ),
    syscall(
        "accept",
        "exit_accept",
        Family::Files,
        Operation::Accept,
        &["accept", "accept4"],
    ),
    syscall(
        "pipe",
        "exit_pipe",
        Family::Files,
        Operation::Pipe,
        &["pipe", "pipe2"],
    ),
    syscall(
        "other",
        "exit_other",
        Family::Files,
        Operation::Other,
        &[
            "eventfd",
            "eventfd2",
            "epoll_create",
            "epoll_create1",
            "timerfd_create",
            "signalfd",
            "signalfd4",
            "memfd_create",
            "inotify_init",
            "inotify_init1",
            "pidfd_open",
            "io_uring_setup",
        ],
    ),
];

/// The program that stands in for all system call probes where there is no
/// tracefs: one BTF tracepoint, filtered by call number.
pub const SYSCALL_FALLBACK: Probe = btf("syscalls", "syscall_exit", Family::Files, "sys_exit");
