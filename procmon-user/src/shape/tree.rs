//! Process trees.

use crate::frame::Frame;
use crate::process::ProcessSample;

/// Longer chains of ancestors are a circle of pids that were used again.
const DEEPEST: usize = 4_096;

/// Where a process belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tree {
    /// To the tree of this process of the frame before.
    OfBefore(usize),
    /// To a tree of its own name: `executable[pid]` of its root.
    Named(String),
}

/// The tree of a process: that of its oldest ancestor below init (pid 1) that
/// is known. Once in a tree, a process stays there, whatever becomes of its
/// ancestors: this is asked only for one that was not in the frame before.
pub fn of(sample: &ProcessSample, frame: &Frame, before: Option<&Frame>) -> Tree {
    let mut root = sample;
    for _ in 0..DEEPEST {
        let parent = root.metadata.parent_pid.filter(|pid| *pid > 1);
        let Some(pid) = parent.filter(|pid| *pid != root.id.pid) else {
            break;
        };
        // A pid that was used again is of somebody younger.
        let is_parent = |parent: &&ProcessSample| parent.id.start_ticks <= root.id.start_ticks;
        let known = before.and_then(|before| {
            let place = place(before, pid)?;
            is_parent(&&before.processes[place]).then_some(place)
        });
        if let Some(place) = known {
            return Tree::OfBefore(place);
        }
        let live = place(frame, pid).map(|place| &frame.processes[place]);
        let ended = || frame.exited.iter().find(|ended| ended.id.pid == pid);
        let Some(parent) = live.filter(is_parent).or_else(|| ended().filter(is_parent)) else {
            break;
        };
        root = parent;
    }
    Tree::Named(format!("{}[{}]", root.metadata.executable, root.id.pid))
}

/// The place of a pid in a frame, whose processes are by pid.
pub fn place(frame: &Frame, pid: u32) -> Option<usize> {
    let place = frame
        .processes
        .binary_search_by_key(&pid, |sample| sample.id.pid);
    place.ok()
}
