//! The table of counters: what the probes keep for each process.

/// Makes an enum whose variants index arrays, with its names and its `COUNT`.
macro_rules! indexed {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u32)]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            /// Every variant, in the order of its index.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];
            /// How many variants there are: the length of an array they index.
            pub const COUNT: usize = Self::ALL.len();

            /// The place of this variant in an array.
            #[inline(always)]
            pub const fn index(self) -> usize {
                self as usize
            }
        }
    };
}
pub(crate) use indexed;

indexed! {
    /// One cumulative value that the probes keep for each process.
    Counter {
        // The first six share a cache line with whose they are: what a process that
        // does little does most.
        /// Successful mmap calls.
        Mmap,
        /// Bytes mapped by mmap, mremap and brk, rounded to pages.
        MappedBytes,
        /// brk calls; brk(2) has no error return, so none is a failure.
        Brk,
        /// Successful open, openat, openat2, creat and open_by_handle_at calls.
        Open,
        /// Failed open calls.
        OpenFailed,
        /// Successful close and close_range calls.
        Close,
        /// Failed close calls.
        CloseFailed,
        /// Failed mmap calls.
        MmapFailed,
        /// Successful munmap calls.
        Munmap,
        /// Failed munmap calls.
        MunmapFailed,
        /// Bytes unmapped by munmap, mremap and brk, rounded to pages.
        UnmappedBytes,
        /// Successful mremap calls.
        Mremap,
        /// Failed mremap calls.
        MremapFailed,
        /// Always 0: every operation has a counter of its failures.
        BrkFailed,
        /// Successful dup, dup2, dup3 and fcntl(F_DUPFD, F_DUPFD_CLOEXEC) calls.
        Dup,
        /// Failed dup calls.
        DupFailed,
        /// Successful socket and socketpair calls.
        Socket,
        /// Failed socket calls.
        SocketFailed,
        /// Successful accept and accept4 calls.
        Accept,
        /// Failed accept calls.
        AcceptFailed,
        /// Successful pipe and pipe2 calls.
        Pipe,
        /// Failed pipe calls.
        PipeFailed,
        /// Successful calls that make any other kind of descriptor.
        Other,
        /// Failed calls that make any other kind of descriptor.
        OtherFailed,
        /// Child processes made (threads are not).
        Forks,
        /// Successful execve calls.
        Execs,
        /// Nanoseconds off the CPU in interruptible sleep.
        OffCpuSleep,
        /// Nanoseconds off the CPU in uninterruptible sleep.
        OffCpuUninterruptible,
        /// Nanoseconds off the CPU stopped or traced.
        OffCpuStopped,
        /// Nanoseconds of all the waits in the run-queue histogram.
        RunQueueWait,
        /// Times the kernel chose it to be killed for want of memory.
        OomKills,
        /// Payload bytes sent on AF_INET and AF_INET6 sockets.
        NetworkTransmitted,
        /// Payload bytes received on them, not those only peeked at.
        NetworkReceived,
        /// Sends on TCP sockets.
        TcpTransmits,
        /// Receives on TCP sockets.
        TcpReceives,
        /// Sends on UDP sockets.
        UdpTransmits,
        /// Receives on UDP sockets.
        UdpReceives,
    }
}

indexed! {
    /// One kind of operation on mappings or descriptors. Each has two
    /// counters: that of its successes, and that of its failures.
    Operation {
        /// mmap.
        Mmap,
        /// munmap.
        Munmap,
        /// mremap.
        Mremap,
        /// brk.
        Brk,
        /// open and its relatives.
        Open,
        /// close and close_range.
        Close,
        /// dup and its relatives.
        Dup,
        /// socket and socketpair.
        Socket,
        /// accept and accept4.
        Accept,
        /// pipe and pipe2.
        Pipe,
        /// Every other call that makes a descriptor.
        Other,
    }
}

impl Operation {
    /// The counter of this operation's successes.
    #[inline(always)]
    pub const fn succeeded(self) -> Counter {
        self.counters().0
    }

    /// The counter of this operation's failures.
    #[inline(always)]
    pub const fn failed(self) -> Counter {
        self.counters().1
    }

    #[inline(always)]
    const fn counters(self) -> (Counter, Counter) {
        match self {
            Self::Mmap => (Counter::Mmap, Counter::MmapFailed),
            Self::Munmap => (Counter::Munmap, Counter::MunmapFailed),
            Self::Mremap => (Counter::Mremap, Counter::MremapFailed),
            Self::Brk => (Counter::Brk, Counter::BrkFailed),
            Self::Open => (Counter::Open, Counter::OpenFailed),
            Self::Close => (Counter::Close, Counter::CloseFailed),
            Self::Dup => (Counter::Dup, Counter::DupFailed),
            Self::Socket => (Counter::Socket, Counter::SocketFailed),
            Self::Accept => (Counter::Accept, Counter::AcceptFailed),
            Self::Pipe => (Counter::Pipe, Counter::PipeFailed),
            Self::Other => (Counter::Other, Counter::OtherFailed),
        }
    }

    /// The value of `procmon.memory.operation` or
    /// `procmon.file_descriptor.operation`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mmap => "mmap",
            Self::Munmap => "munmap",
            Self::Mremap => "mremap",
            Self::Brk => "brk",
            Self::Open => "open",
            Self::Close => "close",
            Self::Dup => "dup",
            Self::Socket => "socket",
            Self::Accept => "accept",
            Self::Pipe => "pipe",
            Self::Other => "other",
        }
    }

    /// Operations on mappings.
    pub const MEMORY: &'static [Self] = &[Self::Mmap, Self::Munmap, Self::Mremap, Self::Brk];
    /// Operations on descriptors.
    pub const FILES: &'static [Self] = &[
        Self::Open,
        Self::Close,
        Self::Dup,
        Self::Socket,
        Self::Accept,
        Self::Pipe,
        Self::Other,
    ];
}

const _: () = {
    assert!(Operation::COUNT == Operation::MEMORY.len() + Operation::FILES.len());
};

indexed! {
    /// One kind of loss, counted for the whole host. Every failed insert, lost
    /// event and skipped record is one of these. The map of them is what other
    /// programs can see of it while procmon runs; so it has what user space lost,
    /// too, written there at each tick.
    Loss {
        /// A process found no room in the COUNTERS map.
        NoRoomForProcess,
        /// A process that the iterator met found no room; it is met again at
        /// each pass.
        NoRoomAtSnapshot,
        /// A thread found no room in task storage: its switches are not seen.
        NoRoomForThread,
        /// An exit record found the ring buffer full; its entry stays in the
        /// map for user space to collect.
        ExitRecordDeferred,
        /// A deferred exit record was overwritten by a new process of its pid.
        ExitRecordLost,
        /// A counter was not kept because its process had found no room.
        UpdateWithoutProcess,
        /// A change of a tree of control groups found the ring buffer full: the
        /// trees are walked anew.
        CgroupChange,
        /// A control group found no room in user space's table: the processes in
        /// it that are gone before they are read have no group. User space
        /// writes it.
        CgroupForgotten,
        /// A tick began late, or was left out. User space writes it.
        LateTick,
        /// A consumer was too slow for a view. User space writes it.
        ViewDropped,
    }
}

impl Loss {
    /// `procmon.event` and `procmon.loss.reason`.
    pub const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::NoRoomForProcess => ("process", "map_full"),
            Self::NoRoomAtSnapshot => ("process", "map_full_at_snapshot"),
            Self::NoRoomForThread => ("thread", "no_memory"),
            Self::ExitRecordDeferred => ("exit", "buffer_full_deferred"),
            Self::ExitRecordLost => ("exit", "buffer_full"),
            Self::UpdateWithoutProcess => ("update", "no_process"),
            Self::CgroupChange => ("cgroup", "buffer_full"),
            Self::CgroupForgotten => ("cgroup", "table_full"),
            Self::LateTick => ("tick", "late"),
            Self::ViewDropped => ("frame", "dropped"),
        }
    }
}

/// How many buckets the run-queue histogram has: powers of two of seconds
/// from 2^-30 (about 1 ns) up to 2^10 (17 minutes).
pub const WAIT_BUCKETS: usize = 40;

/// The histogram's bucket of a wait of `ns`, in OTLP's scale-0 layout: the
/// kernel counts units of 2^-30 s, so that its powers of two are those of
/// seconds, and upper bounds are inclusive. Bucket `i` is (2^(i-30), 2^(i-29)] s.
#[inline(always)]
pub const fn wait_bucket(ns: u64) -> usize {
    // 1_125_900 / 2^20 = 2^30 / 10^9 to seven digits; saturate instead of
    // overflowing for waits above four hours.
    let ns = if ns > 1 << 43 { 1 << 43 } else { ns };
    let units = (ns * 1_125_900) >> 20;
    if units < 2 {
        return 0;
    }
    let bucket = 63 - (units - 1).leading_zeros() as usize;
    if bucket >= WAIT_BUCKETS {
        WAIT_BUCKETS - 1
    } else {
        bucket
    }
}
