//! Control groups that come, go and take in processes: what it takes to tell a
//! process's group by its id after both have gone.
//!
//! Hooks: cgroup:cgroup_mkdir (before anyone sees the group, and so before any
//! process is in it), cgroup_rename (version 1 only), cgroup_rmdir and
//! cgroup_attach_task (kernel/cgroup/cgroup.c, cgroup-v1.c). Their own `path` is
//! cut at 1,024 bytes; a name and the parent's id are not.

use aya_ebpf::helpers::generated::bpf_probe_read_kernel_str;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use procmon_common::cgroups::{CGROUP_NAME_LEN, change, tree};
use procmon_common::{CgroupRecord, Field, Loss};

use crate::maps::{EVENTS, lose};
use crate::offsets::{Object, config, load, peek};
use crate::{cgroups, events, front};

/// cgroup_mkdir(cgrp, path).
#[btf_tracepoint(function = "cgroup_mkdir")]
pub fn cgroup_mkdir(ctx: BtfTracePointContext) -> i32 {
    tell(ctx.arg(0), change::MADE);
    0
}

/// cgroup_rename(cgrp, path).
#[btf_tracepoint(function = "cgroup_rename")]
pub fn cgroup_rename(ctx: BtfTracePointContext) -> i32 {
    tell(ctx.arg(0), change::RENAMED);
    0
}

/// cgroup_rmdir(cgrp, path).
#[btf_tracepoint(function = "cgroup_rmdir")]
pub fn cgroup_rmdir(ctx: BtfTracePointContext) -> i32 {
    tell(ctx.arg(0), change::REMOVED);
    0
}

/// cgroup_attach_task(dst_cgrp, path, task, threadgroup), in any tree, once the
/// task is there.
#[btf_tracepoint(function = "cgroup_attach_task")]
pub fn cgroup_attach(ctx: BtfTracePointContext) -> i32 {
    let task: Object = ctx.arg(2);
    // SAFETY: a task the verifier knows, and its map value.
    unsafe {
        if let Some(entry) = front::entry(load::<u32>(task, Field::TaskPid))
            && (*entry).start_ns == load::<u64>(task, Field::TaskStart)
        {
            cgroups::note(entry, task);
        }
    }
    0
}

/// Passes a change on, if it is of a tree that user space wants.
#[inline(always)]
fn tell(group: Object, change: u32) {
    // SAFETY: a group the verifier knows; behind it reads by the helper, which
    // keeps within the name's length.
    unsafe {
        if config!(cgroups) == 0 {
            return;
        }
        let root = load::<u64>(group, Field::GroupRoot) as Object;
        let hierarchy: u32 = peek(root, Field::RootHierarchy);
        if hierarchy != 0 && hierarchy != config!(memory_hierarchy) {
            return;
        }
        let Some(mut record) = EVENTS.reserve_untyped::<CgroupRecord>(0) else {
            lose(Loss::CgroupChange);
            return;
        };
        let to = record.as_mut_ptr();
        (*to).tree = if hierarchy == 0 {
            tree::V2
        } else {
            tree::MEMORY
        };
        (*to).change = change;
        let node = load::<u64>(group, Field::GroupNode) as Object;
        (*to).id = peek(node, Field::NodeId);
        let parent = load::<u64>(group, Field::GroupParent) as Object;
        (*to).parent = cgroups::id(cgroups::of_state(parent));
        let name: u64 = peek(node, Field::NodeName);
        let _ = bpf_probe_read_kernel_str(
            (&raw mut (*to).name).cast(),
            CGROUP_NAME_LEN as u32,
            name as *const _,
        );
        record.submit(events::for_room());
    }
}
