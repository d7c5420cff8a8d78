//! Who a process is in words: read once per process and again on exec. What
//! the kernel half tells is not read.

use std::path::PathBuf;

use super::owners::Owners;
use super::redact::redact;
use super::{Groups, ProcessId};
use crate::proc::{
    Error, Malformed, ProcRoot, ProcessDir, ReadErrors, argv, exe, stat, status, tasks,
};

/// What is known of a process beside its numbers. What could not be read is
/// `None`. Strings from the kernel may be any bytes: they are kept as UTF-8
/// with U+FFFD for what is not, control characters included.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Metadata {
    /// Base name of the executable (`mm->exe_file`'s dentry); a kernel
    /// thread's comm.
    pub executable: String,
    /// Path of the executable, without " (deleted)".
    pub path: Option<PathBuf>,
    /// argv[0].
    pub command: Option<String>,
    /// The first 4 KiB of its arguments, secrets redacted, where they were asked
    /// for; else none.
    pub arguments: Vec<String>,
    /// Parent's pid at birth, as far as known.
    pub parent_pid: Option<u32>,
    /// Real user id.
    pub user_id: Option<u32>,
    /// The uid's name, where it has one.
    pub owner: Option<String>,
    /// Path in the cgroup v2 tree, else in the v1 memory controller's; the
    /// present one, where the kernel half tells of moves.
    pub cgroup: Option<String>,
    /// 64 hexadecimal digits, or a machine's name, from the cgroup's path at
    /// first sight or at the last execve: it is a resource attribute, and a
    /// process that moves is no other resource. Runtimes move, then execute.
    pub container_id: Option<String>,
    /// Kubernetes pod uid, in the same way.
    pub pod_uid: Option<String>,
    /// systemd unit, from the cgroup's path: `nginx.service`; the present one,
    /// as the path is.
    pub unit: Option<String>,
    /// It has no memory of its own.
    pub kernel_thread: bool,
}

/// What the kernel half tells of a process: it holds whatever /proc says.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// [`Metadata::executable`].
    pub executable: Option<String>,
    /// [`Metadata::user_id`].
    pub user_id: Option<u32>,
    /// What those control groups tell that it knows.
    pub groups: Option<Groups>,
    /// There may be others, of which /proc tells.
    pub other_groups: bool,
}

impl Metadata {
    /// Takes over what its control groups tell.
    pub fn enter(&mut self, groups: Groups) {
        self.container_id = groups.container_id.clone();
        self.pod_uid = groups.pod_uid.clone();
        self.move_to(groups);
    }

    /// The same for a process that moves while it executes one program.
    pub fn move_to(&mut self, groups: Groups) {
        self.cgroup = Some(groups.path);
        self.unit = groups.unit;
    }

    /// Counts what a process took with it before anyone could read it.
    pub fn count_gone(&self, errors: &mut ReadErrors) {
        if self.kernel_thread {
            return;
        }
        for (field, known) in [
            ("status", self.user_id.is_some()),
            ("cgroup", self.cgroup.is_some()),
            ("cmdline", self.command.is_some()),
            ("exe", self.path.is_some()),
        ] {
            if !known {
                errors.record_gone(field);
            }
        }
    }
}

/// Reads [`Metadata`] from /proc.
#[derive(Debug)]
pub struct MetadataReader {
    root: ProcRoot,
    owners: Owners,
    with_arguments: bool,
    buf: Vec<u8>,
}

impl MetadataReader {
    /// A reader of the processes under `root`.
    pub fn new(root: ProcRoot) -> Self {
        let passwd = root.rootfs.join("etc/passwd");
        Self {
            root,
            owners: Owners::new(passwd),
            with_arguments: false,
            buf: Vec::new(),
        }
    }

    /// Says whether [`Metadata::arguments`] are read; they are not at first.
    pub fn set_arguments(&mut self, with_arguments: bool) {
        self.with_arguments = with_arguments;
    }

    /// Reads what is known of a process and was not told. Of a process that has
    /// gone meanwhile, its pid used again or not, that is all there is; what it
    /// took with it is counted.
    pub fn read(&mut self, id: ProcessId, told: Told, errors: &mut ReadErrors) -> Metadata {
        let mut metadata = Metadata::default();
        if let Some(user_id) = told.user_id {
            metadata.user_id = Some(user_id);
            metadata.owner = self.owners.name(user_id);
        }
        if let Some(groups) = told.groups {
            metadata.enter(groups);
        }
        // The process may go between two files: what was read is right.
        let told_groups = metadata.cgroup.is_some() && !told.other_groups;
        if self.fill(id, told_groups, &mut metadata, errors).is_err() {
            metadata.count_gone(errors);
        }
        if let Some(executable) = told.executable {
            metadata.executable = executable;
        }
        metadata
    }

    /// The control groups of a process, by /proc.
    pub fn groups(&mut self, id: ProcessId, errors: &mut ReadErrors) -> Option<Groups> {
        let root = self.root.clone();
        let groups = ProcessDir::open(&root, id.pid).and_then(|dir| self.groups_of(&dir, id));
        match errors.keep("cgroup", groups) {
            Ok(groups) => groups,
            Err(_) => {
                errors.record_gone("cgroup");
                None
            }
        }
    }

    fn groups_of(&mut self, dir: &ProcessDir<'_>, id: ProcessId) -> Result<Groups, Error> {
        let stat = self.file(dir, "stat", |text| {
            stat::parse(text).map(|stat| stat.start_ticks)
        })?;
        if stat != id.start_ticks {
            return Err(Error::Gone { pid: id.pid });
        }
        self.file(dir, "cgroup", Groups::parse)
    }

    /// The name of a user id, where it has one.
    pub fn owner(&mut self, user_id: u32) -> Option<String> {
        self.owners.name(user_id)
    }

    fn fill(
        &mut self,
        id: ProcessId,
        told_groups: bool,
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

        if metadata.user_id.is_none() {
            let status = self.file(&dir, "status", status::parse);
            if let Some(status) = errors.keep("status", status)? {
                metadata.user_id = status.user_id;
                metadata.owner = status.user_id.and_then(|uid| self.owners.name(uid));
            }
        }
        if !told_groups {
            let groups = self.file(&dir, "cgroup", Groups::parse);
            if let Some(groups) = errors.keep("cgroup", groups)? {
                metadata.enter(groups);
            }
        }
        if !has_executable {
            return Ok(());
        }

        let name = format!("{living}cmdline");
        let read = dir.read_start(&name, argv::LONGEST, &mut self.buf);
        if errors.keep("cmdline", read)?.is_none() {
            self.buf.clear();
        }
        if self.with_arguments {
            let words: Vec<_> = argv::whole(&self.buf)
                .map(String::from_utf8_lossy)
                .collect();
            metadata.arguments = redact(words.iter().map(|word| &**word));
        }
        let argv0 = argv::first(&self.buf);
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

#[cfg(test)]
mod tests;
