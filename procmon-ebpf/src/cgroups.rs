//! The control groups of a task, by their ids.
//!
//! `task_struct.cgroups` names a group in every tree, from before the fork hook
//! until the task is freed: cgroup_exit takes the task off the group's list and
//! leaves the pointer (kernel/cgroup/cgroup.c).

use core::ptr;

use procmon_common::config::ABSENT;
use procmon_common::{CgroupIds, Field, ProcessEntry};

use crate::offsets::{Object, config, load, load_at};

/// Notes which groups a process is in, by its leader.
///
/// # Safety
/// `entry` is a map value, `leader` a task the verifier knows.
#[inline(always)]
pub unsafe fn note(entry: *mut ProcessEntry, leader: Object) {
    if config!(cgroups) == 0 {
        return;
    }
    // SAFETY: the caller's; what a known object points to is known.
    unsafe {
        let set: u64 = load(leader, Field::TaskCgroups);
        if set == 0 {
            return;
        }
        let set = set as Object;
        let group: u64 = load(set, Field::SetDefault);
        let mut ids = CgroupIds {
            v2: id(group as Object),
            memory: 0,
        };
        let memory_state = config!(memory_state);
        if memory_state != ABSENT {
            let state: u64 = load_at(set, memory_state as usize);
            ids.memory = id(of_state(state as Object));
        }
        ptr::write_volatile(&raw mut (*entry).cgroups, ids);
    }
}

/// A group's id; 0 when there is none.
///
/// # Safety
/// `group` is a group the verifier knows.
#[inline(always)]
pub unsafe fn id(group: Object) -> u64 {
    // SAFETY: the caller's.
    unsafe {
        let node: u64 = load(group, Field::GroupNode);
        load(node as Object, Field::NodeId)
    }
}

/// The group that a controller's state is of.
///
/// # Safety
/// `state` is one that the verifier knows.
#[inline(always)]
pub unsafe fn of_state(state: Object) -> Object {
    // SAFETY: the caller's.
    unsafe { load::<u64>(state, Field::StateGroup) as Object }
}
