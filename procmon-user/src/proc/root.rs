//! Where the kernel's files are.

use std::path::{Path, PathBuf};

/// The roots everything is read under: the host's own, those of a host seen
/// from a container (`/host/proc`), or a tree of fixtures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcRoot {
    /// /proc.
    pub proc: PathBuf,
    /// /sys.
    pub sys: PathBuf,
    /// /run.
    pub run: PathBuf,
    /// `/`: /etc/passwd and the mount points are looked up below it.
    pub rootfs: PathBuf,
    procfs: bool,
    own_pids: bool,
}

impl ProcRoot {
    /// PROC_SUPER_MAGIC (include/uapi/linux/magic.h).
    const PROCFS: u64 = 0x9fa0;

    /// Files under these roots.
    pub fn new(
        proc: impl Into<PathBuf>,
        sys: impl Into<PathBuf>,
        run: impl Into<PathBuf>,
        rootfs: impl Into<PathBuf>,
    ) -> Self {
        let proc = proc.into();
        let procfs = rustix::fs::statfs(&proc)
            .is_ok_and(|statfs| u64::try_from(statfs.f_type) == Ok(Self::PROCFS));
        // /proc/self is the reader's pid in the namespace of that procfs.
        let own_pids = procfs
            && std::fs::read_link(proc.join("self"))
                .is_ok_and(|own| own.as_os_str() == std::process::id().to_string().as_str());
        Self {
            proc,
            sys: sys.into(),
            run: run.into(),
            rootfs: rootfs.into(),
            procfs,
            own_pids,
        }
    }

    /// This host's.
    pub fn system() -> Self {
        Self::new("/proc", "/sys", "/run", "/")
    }

    /// `proc`, `sys` and `run` in `directory`, which is the root file system.
    pub fn under(directory: &Path) -> Self {
        Self::new(
            directory.join("proc"),
            directory.join("sys"),
            directory.join("run"),
            directory,
        )
    }

    /// The kernel's own file system: its directories have sizes that mean
    /// something.
    pub fn is_procfs(&self) -> bool {
        self.procfs
    }

    /// Its pids are those this process may use in system calls.
    pub fn own_pids(&self) -> bool {
        self.own_pids
    }

    /// A path of the host, such as a mount point, as it is reached from here.
    pub fn locate(&self, path: &Path) -> PathBuf {
        if let Ok(rest) = path.strip_prefix("/sys") {
            return self.sys.join(rest);
        }
        self.rootfs.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// The mounts of the host: ours, or those of its first process when we
    /// look at it from a container (proc_pid_mountinfo(5)).
    pub fn mountinfo(&self) -> PathBuf {
        let whose = if self.own_pids { "self" } else { "1" };
        self.proc.join(whose).join("mountinfo")
    }
}

impl Default for ProcRoot {
    fn default() -> Self {
        Self::system()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_hosts_proc_is_our_own() {
        let root = ProcRoot::system();
        assert!(root.is_procfs() && root.own_pids());
        assert_eq!(root.locate(Path::new("/home")), Path::new("/home"));
    }

    #[test]
    fn fixtures_are_not() {
        let directory = tempfile::tempdir().unwrap();
        let root = ProcRoot::under(directory.path());
        assert!(!root.is_procfs() && !root.own_pids());
        assert_eq!(
            root.locate(Path::new("/sys/fs/cgroup")),
            directory.path().join("sys/fs/cgroup")
        );
        assert_eq!(
            root.locate(Path::new("/home")),
            directory.path().join("home")
        );
    }
}
