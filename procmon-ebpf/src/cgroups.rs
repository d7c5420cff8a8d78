//! The control groups of a task, by their ids.
//!
//! `task_struct.cgroups` names a group in every tree, from before the fork hook
//! until the task is freed: cgroup_exit takes the task off the group's list and
//! leaves the pointer (kernel/cgroup/cgroup.c).

use core::ptr;

use procmon_common::config::ABSENT;
use procmon_common::{CgroupIds, Field, ProcessEntry};

use crate::offsets::{Object, config, peek, peek_at};

/// Notes which groups a process is in, by its leader.
///
/// # Safety
/// `entry` is a map value.
#[inline(always)]
pub unsafe fn note(entry: *mut ProcessEntry, leader: Object) {
    if config!(cgroups) == 0 {
        return;
    }
    // SAFETY: the caller's; all reads are by the helper.
    unsafe {
        let set = peek::<u64>(leader, Field::TaskCgroups) as Object;
        let ids = CgroupIds {
            v2: id(peek::<u64>(set, Field::SetDefault) as Object),
            memory: match config!(memory_state) {
                ABSENT => 0,
                offset => id(of_state(peek_at::<u64>(set, offset as usize) as Object)),
            },
        };
        ptr::write_volatile(&raw mut (*entry).cgroups, ids);
    }
}

/// A group's id; 0 when it cannot be read.
///
/// # Safety
/// None beyond what the helper checks.
#[inline(always)]
pub unsafe fn id(group: Object) -> u64 {
    // SAFETY: reads by the helper.
    unsafe {
        let node = peek::<u64>(group, Field::GroupNode) as Object;
        peek(node, Field::NodeId)
    }
}

/// The group that a controller's state is of.
///
/// # Safety
/// As [`id`].
#[inline(always)]
pub unsafe fn of_state(state: Object) -> Object {
    // SAFETY: a read by the helper.
    unsafe { peek::<u64>(state, Field::StateGroup) as Object }
}
