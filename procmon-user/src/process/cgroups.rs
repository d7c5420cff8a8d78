//! The control groups there are and were, by their ids: the kernel half tells a
//! process's groups by id alone, also when both have gone.

use std::collections::{HashMap, HashSet, VecDeque};

use procmon_common::cgroups::{change, tree};
use procmon_common::{CgroupIds, CgroupRecord};

use super::groups::Groups;
use crate::proc::cgroup_tree;
use crate::proc::hierarchy::{Hierarchies, Version};
use crate::proc::{Error, ProcRoot};

/// Most groups that are remembered. One takes about 150 bytes.
const MOST: usize = 65_536;
/// A path with more groups than this is a loop.
const DEEPEST: usize = 1 << 16;

/// The id of a whole tree's root (kernfs_create_root of fs/kernfs/dir.c): the
/// first that is given out. All processes are there in a tree that is not mounted.
const ROOT: u64 = 1;

/// (tree, id).
type Key = (u32, u64);

/// The table of groups. Who is removed is remembered until there is no room for
/// another, the longest removed first: as a group is removed after those in it,
/// none that is known is without those that it is in.
#[derive(Debug)]
pub struct Cgroups {
    groups: HashMap<Key, Group>,
    removed: VecDeque<Key>,
    most: usize,
    without_room: u64,
}

#[derive(Debug)]
struct Group {
    /// 0 for the one that is mounted.
    parent: u64,
    /// Of the one that is mounted, its path.
    name: Box<[u8]>,
    removed: bool,
}

impl Default for Cgroups {
    fn default() -> Self {
        Self::of_most(MOST)
    }
}

impl Cgroups {
    fn of_most(most: usize) -> Self {
        Self {
            groups: HashMap::new(),
            removed: VecDeque::new(),
            most,
            without_room: 0,
        }
    }

    /// Reads the mounted trees; who is in none of them any more was removed.
    /// Changes before this are to be taken in before, or are known by it.
    ///
    /// # Errors
    /// When some part could not be read: the first; all else has been.
    pub fn walk(&mut self, root: &ProcRoot) -> Result<(), Error> {
        let hierarchies = Hierarchies::find(root)?;
        let mut result = Ok(());
        let mut there = HashSet::new();
        for (tree, version) in [(tree::V2, Version::V2), (tree::MEMORY, Version::V1)] {
            let Some((mountpoint, path)) = hierarchies.mounted(root, version, "memory") else {
                continue;
            };
            let walked = cgroup_tree::walk(&mountpoint, |group| {
                let name = match group.parent {
                    0 => path.clone().into(),
                    _ => group.name,
                };
                there.insert((tree, group.id));
                self.insert((tree, group.id), group.parent, name);
            });
            result = result.and(walked);
        }
        let gone: Vec<Key> = self
            .groups
            .keys()
            .filter(|key| !there.contains(key))
            .copied()
            .collect();
        gone.into_iter().for_each(|key| self.remove(key));
        result
    }

    /// Takes in a change of a tree.
    pub fn apply(&mut self, record: &CgroupRecord) {
        let key = (record.tree, record.id);
        if record.change == change::REMOVED {
            return self.remove(key);
        }
        let end = record.name.iter().position(|byte| *byte == 0);
        let name = &record.name[..end.unwrap_or(record.name.len())];
        self.insert(key, record.parent, name.into());
    }

    /// What the groups of a process tell; `None` when one of them is unknown.
    pub fn groups(&self, ids: CgroupIds) -> Option<Groups> {
        let memory = match ids.memory {
            0 => None,
            id => Some(self.path((tree::MEMORY, id))?),
        };
        Some(Groups::of_paths(self.path((tree::V2, ids.v2))?, memory))
    }

    /// How many groups have found no room, as all that are known are there.
    pub fn without_room(&self) -> u64 {
        self.without_room
    }

    fn insert(&mut self, key: Key, parent: u64, name: Box<[u8]>) {
        if let Some(group) = self.groups.get_mut(&key) {
            (group.parent, group.name) = (parent, name);
            return;
        }
        if self.groups.len() >= self.most {
            let Some(oldest) = self.removed.pop_front() else {
                self.without_room += 1;
                return;
            };
            self.groups.remove(&oldest);
        }
        let group = Group {
            parent,
            name,
            removed: false,
        };
        self.groups.insert(key, group);
    }

    fn remove(&mut self, key: Key) {
        if let Some(group) = self.groups.get_mut(&key)
            && !group.removed
        {
            group.removed = true;
            self.removed.push_back(key);
        }
    }

    /// The path of a group as /proc/PID/cgroup has it.
    fn path(&self, key: Key) -> Option<String> {
        let mut names = Vec::new();
        let Some(mut group) = self.groups.get(&key) else {
            return (key.1 == ROOT).then(|| "/".to_owned());
        };
        while group.parent != 0 {
            names.push(&group.name);
            group = self.groups.get(&(key.0, group.parent))?;
            if names.len() > DEEPEST {
                return None;
            }
        }
        let mut path = group.name.to_vec();
        for name in names.into_iter().rev() {
            if path.last() != Some(&b'/') {
                path.push(b'/');
            }
            path.extend_from_slice(name);
        }
        Some(String::from_utf8_lossy(&path).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    fn record(change: u32, id: u64, parent: u64, name: &str) -> CgroupRecord {
        let mut record = CgroupRecord {
            tree: tree::V2,
            change,
            id,
            parent,
            // As the kernel leaves it behind the NUL.
            name: [b'#'; 256],
        };
        record.name[..name.len()].copy_from_slice(name.as_bytes());
        record.name[name.len()] = 0;
        record
    }

    fn with_root(most: usize) -> Cgroups {
        let mut cgroups = Cgroups::of_most(most);
        cgroups.insert((tree::V2, ROOT), 0, (*b"/").into());
        cgroups
    }

    fn path(cgroups: &Cgroups, id: u64) -> Option<String> {
        let ids = CgroupIds { v2: id, memory: 0 };
        cgroups.groups(ids).map(|groups| groups.path)
    }

    #[test]
    fn a_group_outlives_its_removal_and_a_name_changes_all_below() {
        let mut cgroups = with_root(MOST);
        cgroups.apply(&record(change::MADE, 2, ROOT, "a"));
        cgroups.apply(&record(change::MADE, 3, 2, "b"));
        assert_eq!(path(&cgroups, 3).as_deref(), Some("/a/b"));
        assert_eq!(path(&cgroups, ROOT).as_deref(), Some("/"));
        cgroups.apply(&record(change::RENAMED, 2, ROOT, "c"));
        cgroups.apply(&record(change::REMOVED, 3, 2, "b"));
        cgroups.apply(&record(change::REMOVED, 2, ROOT, "c"));
        assert_eq!(path(&cgroups, 3).as_deref(), Some("/c/b"));
        assert_eq!(path(&cgroups, 4), None);
        // Another tree's groups have the same ids.
        let ids = CgroupIds { v2: 2, memory: 3 };
        assert_eq!(cgroups.groups(ids), None);
    }

    #[test]
    fn the_longest_removed_make_room_and_the_living_do_not() {
        let mut cgroups = with_root(4);
        for id in 2..5 {
            cgroups.apply(&record(change::MADE, id, ROOT, "x"));
        }
        cgroups.apply(&record(change::REMOVED, 3, ROOT, "x"));
        cgroups.apply(&record(change::REMOVED, 3, ROOT, "x"));
        cgroups.apply(&record(change::MADE, 5, ROOT, "y"));
        assert_eq!((path(&cgroups, 3), cgroups.without_room()), (None, 0));
        cgroups.apply(&record(change::MADE, 6, ROOT, "z"));
        assert_eq!((path(&cgroups, 6), cgroups.without_room()), (None, 1));
        assert!(path(&cgroups, 5).is_some() && path(&cgroups, 2).is_some());
    }

    #[test]
    fn a_name_of_255_bytes_and_paths_beyond_4096() {
        let mut cgroups = with_root(MOST);
        let name = "n".repeat(255);
        for id in 2..22 {
            cgroups.apply(&record(change::MADE, id, id - 1, &name));
        }
        assert_eq!(path(&cgroups, 21), Some(format!("/{name}").repeat(20)));
    }

    #[test]
    fn who_is_in_the_root_of_a_tree_that_is_not_mounted() {
        let mut cgroups = Cgroups::default();
        cgroups.insert((tree::MEMORY, ROOT), 0, (*b"/").into());
        cgroups.insert((tree::MEMORY, 7), ROOT, (*b"a").into());
        let groups = |v2, memory| cgroups.groups(CgroupIds { v2, memory });
        assert_eq!(groups(ROOT, 7).unwrap().path, "/a");
        assert_eq!(groups(2, 7), None);
    }

    #[test]
    fn a_loop_is_no_path() {
        let mut cgroups = with_root(MOST);
        cgroups.apply(&record(change::MADE, 2, 3, "a"));
        cgroups.apply(&record(change::MADE, 3, 2, "b"));
        assert_eq!(path(&cgroups, 3), None);
    }

    #[test]
    fn a_walk_finds_what_is_there_and_what_is_not() {
        let host = tempfile::tempdir().unwrap();
        fs::create_dir_all(host.path().join("proc/1")).unwrap();
        fs::write(
            host.path().join("proc/1/mountinfo"),
            "33 31 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
             41 31 0:38 /pod /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
        )
        .unwrap();
        let group = |path: &str| {
            let path = host.path().join("sys/fs/cgroup").join(path);
            fs::create_dir_all(&path).unwrap();
            fs::metadata(path).unwrap().ino()
        };
        let ids = CgroupIds {
            v2: group("unified/a"),
            memory: group("memory/b"),
        };
        let root = ProcRoot::under(host.path());
        let mut cgroups = Cgroups::default();
        cgroups.apply(&record(change::MADE, u64::MAX, 0, "gone"));
        cgroups.walk(&root).unwrap();
        assert_eq!(cgroups.groups(ids).unwrap().path, "/pod/a");
        assert_eq!(cgroups.path((tree::MEMORY, ids.memory)).unwrap(), "/b");
        assert_eq!(cgroups.removed, [(tree::V2, u64::MAX)]);
    }
}
