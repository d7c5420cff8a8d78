//! The table of what the kernel says of a process that it kills for want of
//! memory.

use crate::counters::indexed;

indexed! {
    /// What the victim held, KiB: a field of the tracepoint oom:mark_victim.
    OomStat {
        /// Address space.
        VirtualMemory,
        /// Resident anonymous memory.
        Anonymous,
        /// Resident file mappings.
        File,
        /// Resident shared memory.
        Shared,
        /// Page tables.
        PageTables,
    }
}

impl OomStat {
    /// The record of the tracepoint, in the kernel's type information.
    pub const STRUCTURE: &'static str = "trace_event_raw_mark_victim";

    /// Where it stands in the record; older kernels name the victim only.
    pub const fn path(self) -> &'static str {
        match self {
            Self::VirtualMemory => "total_vm",
            Self::Anonymous => "anon_rss",
            Self::File => "file_rss",
            Self::Shared => "shmem_rss",
            Self::PageTables => "pgtables",
        }
    }
}
