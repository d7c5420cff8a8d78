//! Who a process is in words: read once per process and again on exec.

use std::path::PathBuf;

/// What is known of a process beside its numbers. What could not be read is
/// `None`. Strings from the kernel may be any bytes: they are kept as UTF-8
/// with U+FFFD for what is not, control characters included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// Base name of the executable (`mm->exe_file`'s dentry); a kernel
    /// thread's comm.
    pub executable: String,
    /// Path of the executable, without " (deleted)".
    pub path: Option<PathBuf>,
    /// argv[0].
    pub command: Option<String>,
    /// Parent's pid at birth, as far as known.
    pub parent_pid: Option<u32>,
    /// Real user id.
    pub user_id: Option<u32>,
    /// The uid's name, where it has one.
    pub owner: Option<String>,
    /// Path in the cgroup v2 tree, else in the v1 memory controller's.
    pub cgroup: Option<String>,
    /// 64 hexadecimal digits, from the cgroup's path.
    pub container_id: Option<String>,
    /// Kubernetes pod uid, from the cgroup's path.
    pub pod_uid: Option<String>,
    /// It has no memory of its own.
    pub kernel_thread: bool,
}
