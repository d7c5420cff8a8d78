//! Opens a process's directory and reads its files into a buffer.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::buffer::spare_capacity;
use rustix::fs::{AtFlags, Mode, OFlags, RawDir};
use rustix::io::Errno;

use super::{Error, ProcRoot, text};

/// More than any file of /proc that is read here.
pub(super) const LARGEST_FILE: usize = 16 << 20;

/// Room for a page of a directory or a file at a time.
const STEP: usize = 16 << 10;

/// The directory of one process.
///
/// It stays that process's: once the process has ended, every read through it
/// fails, also when the pid has been given to another (proc(5)).
#[derive(Debug)]
pub struct ProcessDir<'r> {
    root: &'r ProcRoot,
    pid: u32,
    fd: OwnedFd,
}

impl<'r> ProcessDir<'r> {
    /// Opens /proc/PID.
    pub fn open(root: &'r ProcRoot, pid: u32) -> Result<Self, Error> {
        let path = root.proc.join(pid.to_string());
        match rustix::fs::open(&path, flags() | OFlags::PATH, Mode::empty()) {
            Ok(fd) => Ok(Self { root, pid, fd }),
            Err(Errno::NOENT | Errno::SRCH) => Err(Error::Gone { pid }),
            Err(errno) => Err(Error::io(&path, errno)),
        }
    }

    /// Whose it is.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Where it is found.
    pub fn root(&self) -> &'r ProcRoot {
        self.root
    }

    /// Path of one of its files, for messages.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.proc.join(self.pid.to_string()).join(name)
    }

    /// Reads a whole file into `buf`, replacing what was there.
    pub fn read(&self, name: &str, buf: &mut Vec<u8>) -> Result<(), Error> {
        self.try_read(name, buf)
            .map_err(|errno| self.error(name, errno))
    }

    /// [`ProcessDir::read`] with the bare error number, for files of threads,
    /// whose end is not the end of the process.
    pub(crate) fn try_read(&self, name: &str, buf: &mut Vec<u8>) -> Result<(), Errno> {
        let file = rustix::fs::openat(&self.fd, name, OFlags::CLOEXEC, Mode::empty())?;
        read_all(file, LARGEST_FILE, buf)
    }

    /// Reads the first bytes of a file, at most `most`.
    pub fn read_start(&self, name: &str, most: usize, buf: &mut Vec<u8>) -> Result<(), Error> {
        rustix::fs::openat(&self.fd, name, OFlags::CLOEXEC, Mode::empty())
            .and_then(|file| read_all(file, most, buf))
            .map_err(|errno| self.error(name, errno))
    }

    /// Where one of its links points.
    pub fn link(&self, name: &str) -> Result<Vec<u8>, Error> {
        rustix::fs::readlinkat(&self.fd, name, Vec::new())
            .map(|target| target.into_bytes())
            .map_err(|errno| self.error(name, errno))
    }

    /// True while the file is there; the permission to read it is another
    /// question.
    pub fn exists(&self, name: &str) -> bool {
        rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// Calls `each` with the name of every entry of a directory.
    pub fn entries(
        &self,
        name: &str,
        buf: &mut Vec<u8>,
        each: impl FnMut(&[u8]),
    ) -> Result<(), Error> {
        rustix::fs::openat(&self.fd, name, flags(), Mode::empty())
            .and_then(|directory| for_each_entry(directory, buf, each))
            .map_err(|errno| self.error(name, errno))
    }

    /// Open descriptors, by a directory such as `fd`: its size where the
    /// kernel says it (since 6.2, proc_readfd_count of fs/proc/fd.c), else its
    /// entries. Those that procmon itself holds while it looks do not count.
    pub fn count_descriptors(&self, name: &str, buf: &mut Vec<u8>) -> Result<u64, Error> {
        let own = u64::from(self.root.own_pids() && self.pid == std::process::id());
        if self.root.is_procfs() {
            let stat = rustix::fs::statat(&self.fd, name, AtFlags::empty())
                .map_err(|errno| self.error(name, errno))?;
            if let Ok(size @ 1..) = u64::try_from(stat.st_size) {
                return Ok(size.saturating_sub(own));
            }
        }
        let mut count = 0u64;
        self.entries(name, buf, |_| count += 1)?;
        Ok(count.saturating_sub(2 * own))
    }

    /// ENOENT is the end of the process, or a file this kernel does not have:
    /// `stat` is there as long as the process is.
    pub(crate) fn error(&self, name: &str, errno: Errno) -> Error {
        let gone = match errno {
            Errno::SRCH => true,
            Errno::NOENT => !self.exists("stat"),
            _ => false,
        };
        if gone {
            return Error::Gone { pid: self.pid };
        }
        Error::io(&self.path(name), errno)
    }
}

/// Reads a whole file into `buf`, replacing what was there.
pub fn read_file(path: &Path, buf: &mut Vec<u8>) -> Result<(), Error> {
    rustix::fs::open(path, OFlags::CLOEXEC, Mode::empty())
        .and_then(|file| read_all(file, LARGEST_FILE, buf))
        .map_err(|errno| Error::io(path, errno))
}

/// Every process /proc shows, in ascending order, into `pids`.
pub fn list_pids(root: &ProcRoot, buf: &mut Vec<u8>, pids: &mut Vec<u32>) -> Result<(), Error> {
    pids.clear();
    rustix::fs::open(&root.proc, flags(), Mode::empty())
        .and_then(|directory| {
            for_each_entry(directory, buf, |name| pids.extend(text::number32(name)))
        })
        .map_err(|errno| Error::io(&root.proc, errno))?;
    pids.sort_unstable();
    Ok(())
}

fn flags() -> OFlags {
    OFlags::DIRECTORY | OFlags::CLOEXEC
}

/// Reads a file from its beginning, wherever it was read to before.
pub(super) fn read_all(file: impl AsFd, most: usize, buf: &mut Vec<u8>) -> Result<(), Errno> {
    buf.clear();
    while buf.len() < most {
        buf.reserve(STEP);
        let at = buf.len() as u64;
        match rustix::io::pread(&file, spare_capacity(buf), at) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    buf.truncate(most);
    Ok(())
}

fn for_each_entry(
    directory: impl AsFd,
    buf: &mut Vec<u8>,
    mut each: impl FnMut(&[u8]),
) -> Result<(), Errno> {
    buf.clear();
    buf.reserve(STEP);
    let mut entries = RawDir::new(directory, buf.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        match entry?.file_name().to_bytes() {
            b"." | b".." => {}
            name => each(name),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn descriptors_of_this_process_are_counted_exactly() {
        let root = ProcRoot::system();
        let mut buf = Vec::new();
        // Other tests open files meanwhile: a count that stands between two
        // equal ones is right.
        let listed = || fs::read_dir("/proc/self/fd").unwrap().count() as u64 - 1;
        for _ in 0..1000 {
            let before = listed();
            let dir = ProcessDir::open(&root, std::process::id()).unwrap();
            let counted = dir.count_descriptors("fd", &mut buf).unwrap();
            drop(dir);
            if before == listed() && counted == before {
                return;
            }
        }
        panic!("the count never agreed with the entries of /proc/self/fd");
    }

    #[test]
    fn a_directory_is_counted_by_its_entries_where_it_has_no_size() {
        let tree = tempfile::tempdir().unwrap();
        let fd = tree.path().join("proc/7/fd");
        fs::create_dir_all(&fd).unwrap();
        for name in ["0", "1", "2"] {
            fs::write(fd.join(name), "").unwrap();
        }
        let root = ProcRoot::under(tree.path());
        let dir = ProcessDir::open(&root, 7).unwrap();
        assert_eq!(dir.count_descriptors("fd", &mut Vec::new()).unwrap(), 3);
    }

    #[test]
    fn gone_and_missing_are_told_apart() {
        let tree = tempfile::tempdir().unwrap();
        let process = tree.path().join("proc/7");
        fs::create_dir_all(&process).unwrap();
        let root = ProcRoot::under(tree.path());
        assert!(ProcessDir::open(&root, 8).unwrap_err().is_gone());
        let dir = ProcessDir::open(&root, 7).unwrap();
        let mut buf = Vec::new();
        assert!(dir.read("io", &mut buf).unwrap_err().is_gone());
        fs::write(process.join("stat"), "").unwrap();
        let missing = dir.read("io", &mut buf).unwrap_err();
        assert_eq!(missing.cause(), "ENOENT");
        assert!(missing.to_string().contains("proc/7/io"));
    }

    #[test]
    fn a_child_that_was_reaped_is_gone_through_its_old_directory() {
        let root = ProcRoot::system();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let dir = ProcessDir::open(&root, child.id()).unwrap();
        child.wait().unwrap();
        assert!(dir.read("stat", &mut Vec::new()).unwrap_err().is_gone());
        assert!(dir.link("exe").unwrap_err().is_gone());
    }

    #[test]
    fn pids_are_the_numeric_names() {
        let tree = tempfile::tempdir().unwrap();
        for name in ["12", "7", "self", "sys", "99999999999"] {
            fs::create_dir_all(tree.path().join("proc").join(name)).unwrap();
        }
        let (mut buf, mut pids) = (Vec::new(), vec![1]);
        list_pids(&ProcRoot::under(tree.path()), &mut buf, &mut pids).unwrap();
        assert_eq!(pids, [7, 12]);
        list_pids(&ProcRoot::system(), &mut buf, &mut pids).unwrap();
        assert!(pids.contains(&std::process::id()));
    }

    #[test]
    fn the_start_of_a_file_is_enough() {
        let tree = tempfile::tempdir().unwrap();
        let process = tree.path().join("proc/7");
        fs::create_dir_all(&process).unwrap();
        fs::write(process.join("cmdline"), vec![b'x'; 100_000]).unwrap();
        let root = ProcRoot::under(tree.path());
        let dir = ProcessDir::open(&root, 7).unwrap();
        let mut buf = Vec::new();
        dir.read("cmdline", &mut buf).unwrap();
        assert_eq!(buf.len(), 100_000);
        dir.read_start("cmdline", 4096, &mut buf).unwrap();
        assert_eq!(buf.len(), 4096);
    }
}
