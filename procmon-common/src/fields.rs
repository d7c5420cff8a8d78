//! The table of kernel structure fields the programs read.
//!
//! rustc emits no relocations for kernel structures, so user space finds each
//! field in the running kernel's BTF, checks its type, and passes its offset.

/// What a field must be for the programs to read it rightly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// An integer of so many bytes (also one inside a struct of one integer).
    Integer(u32),
    /// A pointer to anything.
    Pointer,
    /// An array of integers of one byte, of at least so many.
    Bytes(u32),
    /// An array of structures.
    Structures,
}

macro_rules! fields {
    ($($(#[$doc:meta])* $variant:ident => $structure:literal, $path:expr, $type:expr;)+) => {
        crate::counters::indexed! {
            /// A field of a kernel structure.
            Field { $($(#[$doc])* $variant,)+ }
        }

        impl Field {
            /// The structure, the dotted path in it, and the type it must have.
            pub const fn place(self) -> (&'static str, &'static str, FieldType) {
                match self {
                    $(Self::$variant => ($structure, $path, $type),)+
                }
            }
        }
    };
}

/// Where system call arguments stand (arch/x86/include/asm/syscall.h and
/// arch/arm64/include/asm/syscall.h); the call's number with its width.
mod registers {
    #[cfg(not(target_arch = "aarch64"))]
    mod names {
        pub const ARGUMENT_2: &str = "si";
        pub const ARGUMENT_3: &str = "dx";
        pub const ARGUMENT_4: &str = "r10";
        pub const SYSCALL: (&str, u32) = ("orig_ax", 8);
    }
    #[cfg(target_arch = "aarch64")]
    mod names {
        pub const ARGUMENT_2: &str = "regs[1]";
        pub const ARGUMENT_3: &str = "regs[2]";
        pub const ARGUMENT_4: &str = "regs[3]";
        pub const SYSCALL: (&str, u32) = ("syscallno", 4);
    }
    pub use names::{ARGUMENT_2, ARGUMENT_3, ARGUMENT_4, SYSCALL};
}

use FieldType::{Bytes, Integer, Pointer, Structures};

fields! {
    /// Thread id.
    TaskPid => "task_struct", "pid", Integer(4);
    /// Thread group id.
    TaskTgid => "task_struct", "tgid", Integer(4);
    /// PF_* flags.
    TaskFlags => "task_struct", "flags", Integer(4);
    /// What it does now, as sched_switch's prev_state.
    TaskState => "task_struct", "__state", Integer(4);
    /// EXIT_ZOMBIE, EXIT_DEAD.
    TaskExitState => "task_struct", "exit_state", Integer(4);
    /// Start, ns of CLOCK_BOOTTIME.
    TaskStart => "task_struct", "start_boottime", Integer(8);
    /// Address space.
    TaskMm => "task_struct", "mm", Pointer;
    /// What the threads of a group share.
    TaskSignal => "task_struct", "signal", Pointer;
    /// Descriptors.
    TaskFiles => "task_struct", "files", Pointer;
    /// Credentials.
    TaskCred => "task_struct", "real_cred", Pointer;
    /// Parent.
    TaskParent => "task_struct", "real_parent", Pointer;
    /// Group leader.
    TaskLeader => "task_struct", "group_leader", Pointer;
    /// Link in the list of the group's threads.
    TaskThreadNode => "task_struct", "thread_node.next", Pointer;
    /// Its stack in the kernel.
    TaskStack => "task_struct", "stack", Pointer;
    /// Name.
    TaskComm => "task_struct", "comm", Bytes(16);
    /// `se.sum_exec_runtime`.
    TaskRuntime => "task_struct", "se.sum_exec_runtime", Integer(8);
    /// `sched_info.run_delay`.
    TaskRunDelay => "task_struct", "sched_info.run_delay", Integer(8);
    /// When it was last given a CPU, ns of the scheduler's clock.
    TaskArrival => "task_struct", "sched_info.last_arrival", Integer(8);
    /// Threads of the group.
    SignalThreads => "signal_struct", "nr_threads", Integer(4);
    /// The list of the group's threads.
    SignalThreadList => "signal_struct", "thread_head.next", Pointer;
    /// Exit status of the group.
    SignalExitCode => "signal_struct", "group_exit_code", Integer(4);
    /// High-water mark of resident pages, set when the group dies.
    SignalMaxRss => "signal_struct", "maxrss", Integer(8);
    /// The address space, once the group was chosen to be killed for want of memory.
    SignalOomMm => "signal_struct", "oom_mm", Pointer;
    /// User time last shown.
    SignalPrevUtime => "signal_struct", "prev_cputime.utime", Integer(8);
    /// System time last shown.
    SignalPrevStime => "signal_struct", "prev_cputime.stime", Integer(8);
    /// Resource limits.
    SignalLimits => "signal_struct", "rlim", Structures;
    /// Program break.
    MmBrk => "mm_struct", "brk", Integer(8);
    /// Pages of address space.
    MmTotalVm => "mm_struct", "total_vm", Integer(8);
    /// High-water mark of resident pages.
    MmHighRss => "mm_struct", "hiwater_rss", Integer(8);
    /// Bytes of page tables.
    MmPageTables => "mm_struct", "pgtables_bytes", Integer(8);
    /// The file being executed.
    MmExeFile => "mm_struct", "exe_file", Pointer;
    /// The file's directory entry.
    FileDentry => "file", "f_path.dentry", Pointer;
    /// The directory entry's name.
    DentryName => "dentry", "d_name.name", Pointer;
    /// Real user id.
    CredUid => "cred", "uid", Integer(4);
    /// Table of descriptors.
    FilesTable => "files_struct", "fdt", Pointer;
    /// Descriptors the table has room for.
    TableSize => "fdtable", "max_fds", Integer(4);
    /// Bitmap of the open ones.
    TableOpen => "fdtable", "open_fds", Pointer;
    /// The control groups of a task, in all trees.
    TaskCgroups => "task_struct", "cgroups", Pointer;
    /// The one in the tree of version 2.
    SetDefault => "css_set", "dfl_cgrp", Pointer;
    /// The group that a controller's state is of.
    StateGroup => "cgroup_subsys_state", "cgroup", Pointer;
    /// A group's directory.
    GroupNode => "cgroup", "kn", Pointer;
    /// The tree a group is in.
    GroupRoot => "cgroup", "root", Pointer;
    /// The state, of no controller, of the group it is in.
    GroupParent => "cgroup", "self.parent", Pointer;
    /// A tree's number: 0 is version 2's.
    RootHierarchy => "cgroup_root", "hierarchy_id", Integer(4);
    /// A directory's id.
    NodeId => "kernfs_node", "id", Integer(8);
    /// A directory's name.
    NodeName => "kernfs_node", "name", Pointer;
    /// Address family of a socket.
    SockFamily => "sock", "__sk_common.skc_family", Integer(2);
    /// Protocol of a socket.
    SockProtocol => "sock", "sk_protocol", Integer(2);
    /// The network layer's half of a socket.
    SocketSock => "socket", "sk", Pointer;
    /// Second argument of a system call.
    Argument2 => "pt_regs", registers::ARGUMENT_2, Integer(8);
    /// Third argument of a system call.
    Argument3 => "pt_regs", registers::ARGUMENT_3, Integer(8);
    /// Fourth argument of a system call.
    Argument4 => "pt_regs", registers::ARGUMENT_4, Integer(8);
    /// Number of a system call.
    SyscallNumber => "pt_regs", registers::SYSCALL.0, Integer(registers::SYSCALL.1);
}

impl Field {
    /// Whether only the control groups are read by it: those a kernel may be
    /// built without.
    pub const fn is_of_cgroups(self) -> bool {
        matches!(
            self,
            Self::TaskCgroups
                | Self::SetDefault
                | Self::StateGroup
                | Self::GroupNode
                | Self::GroupRoot
                | Self::GroupParent
                | Self::RootHierarchy
                | Self::NodeId
                | Self::NodeName
        )
    }
}
