//! Who a process is in words: read once per process and again on exec.

use std::path::PathBuf;

use super::ProcessId;
use super::owners::Owners;
use crate::proc::{
    Error, Malformed, ProcRoot, ProcessDir, ReadErrors, argv, cgroup, container, exe, stat, status,
    tasks, unit,
};

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
    /// systemd unit, from the cgroup's path: `nginx.service`.
    pub unit: Option<String>,
    /// It has no memory of its own.
    pub kernel_thread: bool,
}

/// Reads [`Metadata`] from /proc.
#[derive(Debug)]
pub struct MetadataReader {
    root: ProcRoot,
    owners: Owners,
    buf: Vec<u8>,
}

impl MetadataReader {
    /// A reader of the processes under `root`.
    pub fn new(root: ProcRoot) -> Self {
        let passwd = root.rootfs.join("etc/passwd");
        Self {
            root,
            owners: Owners::new(passwd),
            buf: Vec::new(),
        }
    }

    /// Reads what is known of a process. `executable` is the name the kernel
    /// gave, if it did: it holds whatever /proc says. Of a process that has
    /// gone meanwhile, its pid used again or not, it is all there is.
    pub fn read(
        &mut self,
        id: ProcessId,
        executable: Option<&str>,
        errors: &mut ReadErrors,
    ) -> Metadata {
        let mut metadata = Metadata::default();
        // The process may go between two files: what was read is right.
        let _ = self.fill(id, &mut metadata, errors);
        if let Some(executable) = executable {
            metadata.executable = executable.to_owned();
        }
        metadata
    }

    /// The name of a user id, where it has one.
    pub fn owner(&mut self, user_id: u32) -> Option<String> {
        self.owners.name(user_id)
    }

    fn fill(
        &mut self,
        id: ProcessId,
        metadata: &mut Metadata,
        errors: &mut ReadErrors,
    ) -> Result<(), Error> {
        let root = self.root.clone();
        let dir = ProcessDir::open(&root, id.pid)?;
        dir.read("stat", &mut self.buf)?;
        let stat = stat::parse(&self.buf).map_err(|malformed| malformed.at(dir.path("stat")))?;
        if stat.start_ticks != id.start_ticks {
            return Err(Error::Gone { pid: id.pid });
        }
        metadata.parent_pid = Some(stat.parent_pid);
        metadata.kernel_thread = stat.is_kernel_thread();
        let comm = stat.comm.to_vec();
        metadata.executable = String::from_utf8_lossy(&comm).into_owned();
        // Neither has an executable: the link says so with ENOENT.
        let has_executable = !stat.is_kernel_thread() && !stat.is_zombie();
        // A leader that ended first has left it to the others.
        let dead_leader = stat.has_dead_leader();
        let living = tasks::prefix(&dir, dead_leader, &mut self.buf);

        let status = self.file(&dir, "status", status::parse);
        if let Some(status) = errors.keep("status", status)? {
            metadata.user_id = status.user_id;
            metadata.owner = status.user_id.and_then(|uid| self.owners.name(uid));
        }
        let groups = self.file(&dir, "cgroup", Groups::parse);
        if let Some(groups) = errors.keep("cgroup", groups)? {
            metadata.cgroup = Some(groups.path);
            metadata.container_id = groups.container_id;
            metadata.pod_uid = groups.pod_uid;
            metadata.unit = groups.unit;
        }
        if !has_executable {
            return Ok(());
        }

        let name = format!("{living}cmdline");
        let read = dir.read_start(&name, argv::LONGEST, &mut self.buf);
        let argv0 = match errors.keep("cmdline", read)? {
            Some(()) => argv::first(&self.buf),
            None => None,
        };
        metadata.command = argv0.map(|argv0| String::from_utf8_lossy(argv0).into_owned());
        metadata.executable = exe::fallback_name(&comm, argv0);
        if dead_leader && living.is_empty() {
            return Ok(());
        }
        let target = match dir.link(&format!("{living}exe")) {
            // On its way out, it has let go of its memory already.
            Err(error) if error.cause() == "ENOENT" => None,
            target => errors.keep("exe", target)?,
        };
        if let Some(target) = target {
            let path = exe::path(target);
            metadata.executable = exe::base_name(path.as_os_str().as_encoded_bytes());
            metadata.path = Some(path);
        }
        Ok(())
    }

    fn file<T>(
        &mut self,
        dir: &ProcessDir<'_>,
        name: &str,
        parse: impl FnOnce(&[u8]) -> Result<T, Malformed>,
    ) -> Result<T, Error> {
        dir.read(name, &mut self.buf)?;
        parse(&self.buf).map_err(|malformed| malformed.at(dir.path(name)))
    }
}

/// What /proc/PID/cgroup tells.
struct Groups {
    path: String,
    container_id: Option<String>,
    pod_uid: Option<String>,
    unit: Option<String>,
}

impl Groups {
    /// Where v1 and v2 trees are both in use, a runtime may have made its
    /// groups in some v1 trees only: every line may name the container.
    fn parse(text: &[u8]) -> Result<Self, Malformed> {
        let path = String::from_utf8_lossy(cgroup::path(text)?).into_owned();
        let others = cgroup::entries(text).map(|entry| String::from_utf8_lossy(entry.path));
        let (mut container_id, mut pod_uid, mut unit) = (None, None, None);
        for path in std::iter::once(path.as_str().into()).chain(others) {
            container_id =
                container_id.or_else(|| container::container_id(&path).map(str::to_owned));
            pod_uid = pod_uid.or_else(|| container::pod_uid(&path));
            unit = unit.or_else(|| unit::unit(&path).map(str::to_owned));
        }
        Ok(Self {
            path,
            container_id,
            pod_uid,
            unit,
        })
    }
}

#[cfg(test)]
mod tests;
