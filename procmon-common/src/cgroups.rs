//! What crosses the boundary about control groups (cgroups(7)).

use crate::ProcessEntry;

/// Bytes kept of a group's name, with the NUL that ends it: as many as a name
/// in a file system can have.
pub const CGROUP_NAME_LEN: usize = 256;

/// The trees whose groups procmon knows, in [`CgroupRecord::tree`].
pub mod tree {
    /// Version 2's, which every kernel has.
    pub const V2: u32 = 0;
    /// The version 1 hierarchy of the memory controller.
    pub const MEMORY: u32 = 1;
}

/// The groups a process is in: ids of a tree's directories (`kernfs_node.id`),
/// which stat(2) calls their inodes where those have 64 bits. An id is not
/// given out again while the tree is mounted.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct CgroupIds {
    /// In the tree of version 2 (`task.cgroups.dfl_cgrp`); 0 when unknown.
    pub v2: u64,
    /// In the version 1 hierarchy of the memory controller
    /// (`task.cgroups.subsys[memory_cgrp_id]`); 0 where there is none.
    pub memory: u64,
}

/// What became of a group, in [`CgroupRecord::change`]: no [`crate::records::state`]
/// of an exit record has these numbers.
pub mod change {
    /// It was made; no process can have been in it before.
    pub const MADE: u32 = 16;
    /// It has another name, as version 1 allows.
    pub const RENAMED: u32 = 17;
    /// It was removed; those that died in it may not have told so yet.
    pub const REMOVED: u32 = 18;
}

/// A change of a tree, in the EVENTS ring buffer.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct CgroupRecord {
    /// One of [`tree`].
    pub tree: u32,
    /// One of [`change`]; stands where an exit record has its state.
    pub change: u32,
    /// The group's id.
    pub id: u64,
    /// The id of the group it is in.
    pub parent: u64,
    /// Its name, NUL-terminated; what follows the NUL says nothing.
    pub name: [u8; CGROUP_NAME_LEN],
}

const _: () = {
    assert!(
        core::mem::offset_of!(CgroupRecord, change) == core::mem::offset_of!(ProcessEntry, state)
    );
    assert!(size_of::<CgroupRecord>() == 24 + CGROUP_NAME_LEN);
    assert!(size_of::<CgroupRecord>() < size_of::<ProcessEntry>());
};
