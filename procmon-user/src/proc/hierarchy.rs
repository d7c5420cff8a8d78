//! Where cgroup trees are mounted (cgroups(7), proc_pid_mountinfo(5)).

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use super::dir::read_file;
use super::mounts::{Mount, mounts};
use super::{Error, ProcRoot, cgroup};

/// Version of a cgroup tree: its files have other names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// A tree of one or some controllers.
    V1,
    /// The tree of all.
    V2,
}

impl Version {
    /// Whether a tree of this version is mounted there; of version 1, the
    /// controller's.
    fn is_of(self, mount: &Mount, controller: &str) -> bool {
        match self {
            Self::V2 => mount.kind == "cgroup2",
            Self::V1 => {
                mount.kind == "cgroup"
                    && mount.options.split(',').any(|option| option == controller)
            }
        }
    }
}

/// A process's group in the file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Whose files are there.
    pub version: Version,
    /// Where the tree begins.
    pub mountpoint: PathBuf,
    /// The group's directory, at or below it.
    pub group: PathBuf,
}

/// The mounted trees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hierarchies {
    mounts: Vec<Mount>,
}

impl Hierarchies {
    /// Finds them; they do not move while a host is up.
    pub fn find(root: &ProcRoot) -> Result<Self, Error> {
        let mut text = Vec::new();
        read_file(&root.mountinfo(), &mut text)?;
        let mounts = mounts(&text)
            .filter(|mount| matches!(mount.kind.as_str(), "cgroup" | "cgroup2"))
            .collect();
        Ok(Self { mounts })
    }

    /// Where the tree of version 2, or version 1's of a controller, is mounted,
    /// and the path in it of what is: all of it, if that is mounted anywhere.
    pub fn mounted(
        &self,
        root: &ProcRoot,
        version: Version,
        controller: &str,
    ) -> Option<(PathBuf, Vec<u8>)> {
        let mount = self
            .mounts
            .iter()
            .filter(|mount| version.is_of(mount, controller))
            .min_by_key(|mount| mount.root.as_os_str().len())?;
        let path = mount.root.as_os_str().as_bytes().to_vec();
        Some((root.locate(&mount.mountpoint), path))
    }

    /// The group, by the text of /proc/PID/cgroup, that a controller limits
    /// the process by: in the controller's v1 tree if it has one, else in v2's.
    pub fn place(&self, root: &ProcRoot, cgroup: &[u8], controller: &str) -> Option<Place> {
        let v1 = cgroup::entries(cgroup).find(|entry| entry.has(controller));
        let v2 = || cgroup::entries(cgroup).find(cgroup::Entry::is_v2);
        let (version, entry) = match v1 {
            Some(entry) => (Version::V1, entry),
            None => (Version::V2, v2()?),
        };
        let path = Path::new(OsStr::from_bytes(entry.path));
        self.mounts
            .iter()
            .filter(|mount| version.is_of(mount, controller))
            .find_map(|mount| {
                // A tree may be mounted from a group of its own on: a container's.
                let below = path.strip_prefix(&mount.root).ok()?;
                // `..` leads out of the reader's cgroup namespace.
                if below.components().any(|part| part == Component::ParentDir) {
                    return None;
                }
                let mountpoint = root.locate(&mount.mountpoint);
                Some(Place {
                    version,
                    group: mountpoint.join(below),
                    mountpoint,
                })
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_found_in_the_tree_of_its_controller() {
        let tree = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(tree.path().join("proc/1")).unwrap();
        std::fs::write(
            tree.path().join("proc/1/mountinfo"),
            "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
             32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n\
             33 31 0:30 /docker/x /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
             41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
        )
        .unwrap();
        let root = ProcRoot::under(tree.path());
        let found = Hierarchies::find(&root).unwrap();
        let text = b"5:memory:/docker/x/y\n3:cpu,cpuacct:/a/b\n0::/u\n";
        let base = tree.path().join("sys/fs/cgroup");
        let place = |controller| found.place(&root, text, controller).unwrap();
        assert_eq!(place("cpu").group, base.join("cpu/a/b"));
        assert_eq!(place("memory").group, base.join("memory/y"));
        assert_eq!(place("memory").version, Version::V1);
        assert_eq!(place("io").group, base.join("unified/u"));
        assert_eq!(place("io").version, Version::V2);
        assert_eq!(found.place(&root, b"0::/../../etc\n", "cpu"), None);
        assert_eq!(found.place(&root, b"5:memory:/other\n", "memory"), None);
    }
}
