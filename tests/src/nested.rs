//! Control groups in control groups, made and entered by descriptors: a path may be longer than a
//! system call takes.

use std::{
    fmt, io,
    os::{fd::OwnedFd, unix::process::CommandExt as _},
    path::Path,
    process::Command,
    time::Instant,
};

use anyhow::{Context as _, Result};
use rustix::fs::{AtFlags, Mode, OFlags};

use crate::program::{POLL, SOON};

/// A tree that procmon names the groups of processes in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Tree {
    /// Where it is mounted.
    pub mountpoint: &'static str,
    /// Whether it is of version 2; of version 1 it is the memory controller's.
    pub v2: bool,
}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.mountpoint)
    }
}

/// Those there are here: of version 2, of version 1, or of both.
///
/// # Errors
/// The reason why there is none.
pub fn trees() -> Result<Vec<Tree>, String> {
    let places = [
        ("/sys/fs/cgroup", "cgroup.controllers", true),
        ("/sys/fs/cgroup/unified", "cgroup.controllers", true),
        ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", false),
    ];
    let trees: Vec<Tree> = places
        .iter()
        .filter(|(mountpoint, file, _)| Path::new(mountpoint).join(file).exists())
        .map(|(mountpoint, _, v2)| Tree {
            mountpoint,
            v2: *v2,
        })
        .collect();
    if trees.is_empty() {
        return Err("no control groups are mounted at /sys/fs/cgroup".to_owned());
    }
    Ok(trees)
}

/// A group below others of our own; all are removed when it is dropped.
pub struct Nested {
    /// The tree's root, then each group.
    levels: Vec<OwnedFd>,
    names: Vec<String>,
}

impl Nested {
    /// Makes groups of these names, one in the other, below one of this test's.
    pub fn new(tree: Tree, names: &[&str]) -> Result<Self> {
        let root = rustix::fs::open(tree.mountpoint, flags(), Mode::empty())
            .with_context(|| format!("cannot open {tree:?}"))?;
        let mut group = Self {
            levels: vec![root],
            names: Vec::new(),
        };
        group.add(&own_name())?;
        for name in names {
            group.add(name)?;
        }
        Ok(group)
    }

    fn add(&mut self, name: &str) -> Result<()> {
        let above = self.innermost();
        rustix::fs::mkdirat(above, name, Mode::from(0o755))
            .with_context(|| format!("cannot make group {name}"))?;
        let fd = rustix::fs::openat(above, name, flags(), Mode::empty())?;
        self.levels.push(fd);
        self.names.push(name.to_owned());
        Ok(())
    }

    fn innermost(&self) -> &OwnedFd {
        self.levels.last().expect("the root is always there")
    }

    /// Its path in the tree.
    pub fn path(&self) -> String {
        self.names.iter().map(|name| format!("/{name}")).collect()
    }

    /// Its inode.
    pub fn id(&self) -> Result<u64> {
        Ok(rustix::fs::fstat(self.innermost())?.st_ino)
    }

    /// A command that runs in it from its execve on.
    pub fn command(&self, program: impl AsRef<Path>) -> Result<Command> {
        let file = self.processes()?;
        let mut command = Command::new(program.as_ref());
        // SAFETY: between fork and exec only write(2) is called; 0 is whoever writes it.
        unsafe {
            command.pre_exec(move || {
                rustix::io::write(&file, b"0")?;
                Ok(())
            });
        }
        Ok(command)
    }

    /// Moves a process into it.
    pub fn take_in(&self, pid: u32) -> Result<()> {
        rustix::io::write(&self.processes()?, pid.to_string().as_bytes())
            .with_context(|| format!("cannot move process {pid}"))?;
        Ok(())
    }

    fn processes(&self) -> Result<OwnedFd> {
        let mode = OFlags::WRONLY | OFlags::CLOEXEC;
        rustix::fs::openat(self.innermost(), "cgroup.procs", mode, Mode::empty())
            .context("cannot open cgroup.procs")
    }

    /// Gives the innermost another name, as version 1 allows.
    pub fn rename(&mut self, to: &str) -> Result<()> {
        let name = self.names.last_mut().context("no group")?;
        let above = &self.levels[self.levels.len() - 2];
        rustix::fs::renameat(above, &*name, above, to).context("cannot rename")?;
        to.clone_into(name);
        Ok(())
    }

    /// Removes all of them, now.
    pub fn remove(mut self) -> Result<()> {
        self.clear().context("cannot remove a group")
    }

    fn clear(&mut self) -> io::Result<()> {
        // A group goes when its last process has, a moment after that was waited for.
        let until = Instant::now() + SOON / 20;
        while let Some(name) = self.names.last() {
            let above = &self.levels[self.levels.len() - 2];
            match rustix::fs::unlinkat(above, name, AtFlags::REMOVEDIR) {
                Ok(()) => {
                    self.names.pop();
                    self.levels.pop();
                }
                Err(rustix::io::Errno::BUSY) if Instant::now() < until => std::thread::sleep(POLL),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

impl Drop for Nested {
    fn drop(&mut self) {
        // It is all there is to do for a test that failed.
        let _ = self.clear();
    }
}

/// The name of the outermost group of this test.
pub fn own_name() -> String {
    format!("procmon-test-{}", std::process::id())
}

fn flags() -> OFlags {
    OFlags::DIRECTORY | OFlags::CLOEXEC
}
