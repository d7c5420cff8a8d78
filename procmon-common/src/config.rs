//! What user space tells the kernel programs before they are loaded.

/// Constants of one run, in the programs' read-only data: the verifier knows
/// them and drops the code they switch off. Integers are 0 or 1 where they
/// answer a question.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Count every process, not only those in the COUNTERS map.
    pub all: u32,
    /// Count the children of counted processes.
    pub children: u32,
    /// With `all`: count kernel threads too.
    pub kernel_threads: u32,
    /// `procmon exec`: count the children of this thread group from their
    /// first execve on; 0 for none.
    pub exec_parent: u32,
    /// Shift from bytes to pages.
    pub page_shift: u32,
    /// Where `mm_struct.rss_stat`'s first counter stands (the field changed
    /// its type in Linux 6.2).
    pub rss_offset: u32,
    /// Bytes from one counter of `rss_stat` to the next.
    pub rss_stride: u32,
    /// Ring buffer bytes that may wait before user space is woken.
    pub wakeup_bytes: u32,
    /// Note the processes' control groups: this kernel has them as expected.
    pub cgroups: u32,
    /// Where `css_set.subsys` has the memory controller's state; [`ABSENT`]
    /// where no version 1 hierarchy has that controller.
    pub memory_state: u32,
    /// The number of that hierarchy (`cgroup_root.hierarchy_id`).
    pub memory_hierarchy: u32,
    /// The bits of what places are found by that are the index in the maps
    /// FRONT and THREAD_FRONT; [`ABSENT`] where nobody is to have a place.
    pub front_mask: u32,
}

/// The global variable of the [`Config`].
pub const CONFIG: &str = "CONFIG";
/// The global array of offsets, by [`crate::Field`].
pub const OFFSETS: &str = "OFFSETS";
/// The global array of [`crate::ThreadStat`]'s offsets in `task_struct`.
pub const TASK_STATS: &str = "TASK_STATS";
/// The global array of [`crate::ThreadStat`]'s offsets in `signal_struct`.
pub const SIGNAL_STATS: &str = "SIGNAL_STATS";
/// The global array of [`crate::OomStat`]'s offsets in its record.
pub const OOM_STATS: &str = "OOM_STATS";
/// The offset of what this kernel does not have: reads as 0.
pub const ABSENT: u32 = u32::MAX;
/// Least number of places in each of the maps FRONT and THREAD_FRONT, 1,344 and 64
/// bytes each; a power of two.
pub const FEWEST_PLACES: u32 = 1 << 10;
/// Most of them: 22 MiB.
pub const MOST_PLACES: u32 = 1 << 14;
/// How many system call numbers the fallback program's table has.
pub const SYSCALL_NUMBERS: usize = 512;
/// In that table: fcntl, whose command must be looked at.
pub const SYSCALL_FCNTL: u32 = 100;
