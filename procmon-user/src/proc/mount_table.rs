//! The mounts to show, read again only when something was mounted or unmounted.

use std::fs::File;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::dir::read_file;
use super::mounts::{Mount, choose};
use super::{Error, ProcRoot};

/// The mounts of a host.
#[derive(Debug, Default)]
pub struct MountTable {
    /// Tells when mounts change: /proc/PID/mountinfo, open. `None` where nothing
    /// tells.
    watch: Option<File>,
    mounts: Vec<Mount>,
}

impl MountTable {
    /// The mounts there are now.
    ///
    /// # Errors
    /// When they cannot be read; the next call tries again.
    pub fn get(&mut self, root: &ProcRoot, buf: &mut Vec<u8>) -> Result<&[Mount], Error> {
        if !self.watch.as_ref().is_some_and(is_unchanged) {
            let path = root.mountinfo();
            // Opened before it is read: what changes meanwhile is told.
            let watch = root.is_procfs().then(|| watch(&path)).transpose()?;
            let mut known = Vec::new();
            read_file(&root.proc.join("filesystems"), &mut known)?;
            read_file(&path, buf)?;
            self.mounts = choose(buf, &known);
            self.watch = watch;
        }
        Ok(&self.mounts)
    }
}

fn watch(mountinfo: &Path) -> Result<File, Error> {
    File::open(mountinfo).map_err(|error| Error::io(mountinfo, error))
}

/// Whether the mounts are those there were when the file was opened: poll(2)
/// says so of it (mounts_poll of fs/namespace.c, proc_pid_mountinfo(5)).
fn is_unchanged(mountinfo: &File) -> bool {
    let mut fds = [PollFd::new(mountinfo, PollFlags::PRI)];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    poll(&mut fds, Some(&now)).is_ok_and(|changed| changed == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_mounts_are_not_read_twice() {
        let root = ProcRoot::system();
        let mut table = MountTable::default();
        let mut buf = Vec::new();
        let before = table.get(&root, &mut buf).unwrap().to_vec();
        buf.clear();
        assert_eq!(table.get(&root, &mut buf).unwrap(), before);
        // Others may mount something at any time.
        assert!(buf.is_empty() || !table.watch.as_ref().is_some_and(is_unchanged));
    }

    #[test]
    fn without_procfs_they_are_read_each_time() {
        let tree = tempfile::tempdir().unwrap();
        let root = ProcRoot::under(tree.path());
        let mountinfo = root.mountinfo();
        std::fs::create_dir_all(mountinfo.parent().unwrap()).unwrap();
        std::fs::write(root.proc.join("filesystems"), "\text4\n").unwrap();
        let mut table = MountTable::default();
        for number in 1..3 {
            let line = |number| format!("{number} 1 8:{number} / /{number} rw - ext4 /dev/x rw\n");
            let text: String = (0..number).map(line).collect();
            std::fs::write(&mountinfo, text).unwrap();
            assert_eq!(table.get(&root, &mut Vec::new()).unwrap().len(), number);
        }
    }
}
