//! A file of the kernel's that is read tick after tick: it stays open, since to
//! open one costs more than to read it.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::dir::{LARGEST_FILE, read_all};
use super::{Error, ProcRoot};

/// Such a file. Read from its beginning it is made anew (seq_read_iter of
/// fs/seq_file.c, kernfs_fop_read_iter of fs/kernfs/file.c).
#[derive(Debug)]
pub struct KeptFile {
    path: PathBuf,
    /// A file of any other file system may be replaced by another.
    stays: bool,
    open: Option<OwnedFd>,
}

impl KeptFile {
    /// A file below `root`, which is opened when it is read first.
    pub fn new(root: &ProcRoot, path: PathBuf) -> Self {
        Self {
            path,
            stays: root.is_procfs(),
            open: None,
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads it as it is now into `buf`, replacing what was there.
    ///
    /// # Errors
    /// When it cannot be opened or read; the next call opens it again.
    pub fn read(&mut self, buf: &mut Vec<u8>) -> Result<(), Error> {
        let file = match self.open.take() {
            Some(file) => Ok(file),
            None => rustix::fs::open(&self.path, OFlags::CLOEXEC, Mode::empty()),
        };
        let file = file
            .and_then(|file| read_all(&file, LARGEST_FILE, buf).map(|()| file))
            .map_err(|errno| Error::io(&self.path, errno))?;
        self.open = self.stays.then_some(file);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proc::dir::read_file;

    #[test]
    fn a_file_of_proc_is_read_as_it_is_now_without_being_opened_again() {
        let root = ProcRoot::system();
        let path = root.proc.join("self/comm");
        let mut file = KeptFile::new(&root, path.clone());
        let (mut kept, mut fresh) = (Vec::new(), Vec::new());
        let before = std::fs::read("/proc/self/comm").unwrap();
        for name in ["one", "another", "third"] {
            std::fs::write(&path, name).unwrap();
            file.read(&mut kept).unwrap();
            read_file(&path, &mut fresh).unwrap();
            assert_eq!(kept, fresh);
            assert_eq!(kept, format!("{name}\n").into_bytes());
            assert!(file.open.is_some());
        }
        std::fs::write(&path, before).unwrap();
    }

    #[test]
    fn every_file_that_is_kept_open_is_the_same_when_it_is_read_again() {
        let root = ProcRoot::system();
        let online = root.sys.join("devices/system/cpu/online");
        for path in [online, root.proc.join("version"), root.mountinfo()] {
            let mut file = KeptFile::new(&root, path);
            let (mut first, mut second) = (Vec::new(), Vec::new());
            file.read(&mut first).unwrap();
            file.read(&mut second).unwrap();
            assert!(!first.is_empty());
            assert_eq!(first, second, "{}", file.path().display());
        }
    }

    #[test]
    fn another_file_is_opened_each_time_for_it_may_be_replaced() {
        let tree = tempfile::tempdir().unwrap();
        let path = tree.path().join("file");
        let mut file = KeptFile::new(&ProcRoot::under(tree.path()), path.clone());
        let mut buf = vec![1];
        assert!(file.read(&mut buf).is_err());
        for text in ["a\n", "b\n"] {
            std::fs::remove_file(&path).ok();
            std::fs::write(&path, text).unwrap();
            file.read(&mut buf).unwrap();
            assert_eq!(buf, text.as_bytes());
        }
    }
}
