//! All the groups of a mounted cgroup tree, by their ids.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir};
use rustix::io::Errno;

use super::Error;

/// Room for the entries of a directory, at a time.
const STEP: usize = 16 << 10;

/// A group in its tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The inode of its directory: `kernfs_node.id`, as inodes have 64 bits
    /// (kernfs_ino of include/linux/kernfs.h).
    pub id: u64,
    /// The id of the group it is in; 0 for the one that is mounted.
    pub parent: u64,
    /// Its name; empty for the one that is mounted.
    pub name: Box<[u8]>,
}

/// One directory on the way down.
struct Level {
    fd: OwnedFd,
    below: Vec<Group>,
}

/// Calls `each` with every group from a mount point on, those above before those
/// below. It goes down by descriptors, a few at a time: a path may be longer
/// than an open(2) takes. What goes meanwhile is left out; of anything else that
/// cannot be read, the first is the error, after all that can.
pub fn walk(mountpoint: &Path, mut each: impl FnMut(Group)) -> Result<(), Error> {
    let failed = |errno: Errno| Error::io(mountpoint, errno);
    let fd = rustix::fs::open(mountpoint, flags(), Mode::empty()).map_err(failed)?;
    let id = rustix::fs::fstat(&fd).map_err(failed)?.st_ino;
    each(Group {
        id,
        parent: 0,
        name: Box::default(),
    });
    let mut buffer = Vec::new();
    let mut failure = Ok(());
    let mut note = |errno: Errno| {
        if errno != Errno::NOENT && failure.is_ok() {
            failure = Err(failed(errno));
        }
    };
    let mut levels = Vec::new();
    match Level::open(fd, id, &mut buffer) {
        Ok(level) => levels.push(level),
        Err(errno) => note(errno),
    }
    while let Some(level) = levels.last_mut() {
        let Some(group) = level.below.pop() else {
            levels.pop();
            continue;
        };
        let found = level.enter(&group.name);
        let id = group.id;
        each(group);
        match found {
            Ok(None) => {}
            Ok(Some(fd)) => match Level::open(fd, id, &mut buffer) {
                Ok(level) => levels.push(level),
                Err(errno) => note(errno),
            },
            Err(errno) => note(errno),
        }
    }
    failure
}

impl Level {
    /// Reads which groups are in one.
    fn open(fd: OwnedFd, id: u64, buffer: &mut Vec<u8>) -> Result<Self, Errno> {
        let mut below = Vec::new();
        buffer.clear();
        buffer.reserve(STEP);
        let mut entries = RawDir::new(&fd, buffer.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if entry.file_type() == FileType::Directory && !matches!(name, b"." | b"..") {
                below.push(Group {
                    id: entry.ino(),
                    parent: id,
                    name: name.into(),
                });
            }
        }
        Ok(Self { fd, below })
    }

    /// Opens a group in it; `None` when there is none below that one, by its
    /// count of links (kernfs_refresh_inode of fs/kernfs/inode.c): most are
    /// such, and to list their files takes much longer.
    fn enter(&self, name: &[u8]) -> Result<Option<OwnedFd>, Errno> {
        let stat = rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW)?;
        if stat.st_nlink == 2 {
            return Ok(None);
        }
        rustix::fs::openat(&self.fd, name, flags(), Mode::empty()).map(Some)
    }
}

fn flags() -> OFlags {
    OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn every_group_is_told_by_its_inode_after_the_one_it_is_in() {
        let tree = tempfile::tempdir().unwrap();
        let inode = |path: &str| std::fs::metadata(tree.path().join(path)).unwrap().ino();
        for path in ["a/b/c", "a/d", "e"] {
            std::fs::create_dir_all(tree.path().join(path)).unwrap();
        }
        std::fs::write(tree.path().join("a/cgroup.procs"), "").unwrap();
        let mut found = HashMap::new();
        walk(tree.path(), |group| {
            assert!(group.parent == 0 || found.contains_key(&group.parent));
            found.insert(group.id, (group.parent, group.name));
        })
        .unwrap();
        let expected = |path: &str, parent: &str, name: &str| {
            (inode(path), (inode(parent), name.as_bytes().into()))
        };
        assert_eq!(
            found,
            HashMap::from([
                (inode(""), (0, Box::default())),
                expected("a", "", "a"),
                expected("a/b", "a", "b"),
                expected("a/b/c", "a/b", "c"),
                expected("a/d", "a", "d"),
                expected("e", "", "e"),
            ])
        );
    }

    #[test]
    fn a_path_may_be_longer_than_a_system_call_takes() {
        let tree = tempfile::tempdir().unwrap();
        let name = "x".repeat(255);
        let mut at = rustix::fs::open(tree.path(), flags(), Mode::empty()).unwrap();
        for _ in 0..20 {
            rustix::fs::mkdirat(&at, &name, Mode::RWXU).unwrap();
            at = rustix::fs::openat(&at, &name, flags(), Mode::empty()).unwrap();
        }
        let mut count = 0;
        walk(tree.path(), |_| count += 1).unwrap();
        assert_eq!(count, 21);
    }

    #[test]
    fn a_tree_that_is_not_there_is_named() {
        let error = walk(Path::new("/none"), |_| ()).unwrap_err();
        assert!(error.to_string().starts_with("/none: "));
    }
}
