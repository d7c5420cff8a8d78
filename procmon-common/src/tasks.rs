//! The table of what the kernel itself keeps of each thread.

use crate::counters::indexed;

indexed! {
    /// A total that the kernel keeps in every `task_struct`, right since the
    /// thread's birth. All are 64 bits wide.
    ThreadStat {
        /// `se.sum_exec_runtime`, ns on a CPU.
        Runtime,
        /// `utime`, ns as the tick sampled them.
        UserTime,
        /// `stime`, ns as the tick sampled them.
        SystemTime,
        /// `sched_info.run_delay`, ns runnable but not running.
        RunDelay,
        /// `se.nr_migrations`.
        Migrations,
        /// `nvcsw`.
        VoluntarySwitches,
        /// `nivcsw`.
        InvoluntarySwitches,
        /// `min_flt`.
        MinorFaults,
        /// `maj_flt`.
        MajorFaults,
        /// `ioac.read_bytes`: bytes fetched from the storage layer.
        ReadBytes,
        /// `ioac.write_bytes`: bytes sent to the storage layer.
        WriteBytes,
        /// `ioac.syscr`: read system calls.
        ReadCalls,
        /// `ioac.syscw`: write system calls.
        WriteCalls,
        /// `ioac.rchar`: bytes read by calls.
        ReadChars,
        /// `ioac.wchar`: bytes written by calls.
        WriteChars,
    }
}

impl ThreadStat {
    /// Where it stands in `task_struct`.
    pub const fn task_path(self) -> &'static str {
        match self {
            Self::Runtime => "se.sum_exec_runtime",
            Self::UserTime => "utime",
            Self::SystemTime => "stime",
            Self::RunDelay => "sched_info.run_delay",
            Self::Migrations => "se.nr_migrations",
            Self::VoluntarySwitches => "nvcsw",
            Self::InvoluntarySwitches => "nivcsw",
            Self::MinorFaults => "min_flt",
            Self::MajorFaults => "maj_flt",
            Self::ReadBytes => "ioac.read_bytes",
            Self::WriteBytes => "ioac.write_bytes",
            Self::ReadCalls => "ioac.syscr",
            Self::WriteCalls => "ioac.syscw",
            Self::ReadChars => "ioac.rchar",
            Self::WriteChars => "ioac.wchar",
        }
    }

    /// Where `signal_struct` keeps the dead threads' share, if it does.
    pub const fn signal_path(self) -> Option<&'static str> {
        match self {
            Self::Runtime => Some("sum_sched_runtime"),
            Self::RunDelay | Self::Migrations => None,
            other => Some(other.task_path()),
        }
    }
}
