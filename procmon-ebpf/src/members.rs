//! The threads of a process, when the leader does not stand for them all.

use procmon_common::Field;

use crate::offsets::{Object, address, load, peek};
use crate::process::is_kernel_thread;

/// How many threads are looked at: a dead one but for the leader leaves the
/// list, so that the second or third still has what is looked for.
const LOOKED_AT: u32 = 8;

/// The thread whose address space and descriptors are the process's: `task`
/// itself, or, when it has ended before the others, one that still has them.
///
/// # Safety
/// `task` is a task the verifier knows.
#[inline(always)]
pub unsafe fn holder(task: Object) -> Object {
    // SAFETY: the caller's; behind `signal` all reads are by the helper, and a
    // thread that goes meanwhile reads as another or as zeros.
    unsafe {
        // exit_mm is the first that do_exit gives up (kernel/exit.c).
        if load::<u64>(task, Field::TaskMm) != 0 || is_kernel_thread(task) {
            return task;
        }
        let signal = load::<u64>(task, Field::TaskSignal) as Object;
        let end = address(signal, Field::SignalThreadList);
        let mut node = peek::<u64>(signal, Field::SignalThreadList) as Object;
        let mut looked_at = 0;
        while looked_at < LOOKED_AT && node != end {
            let thread = of_node(node);
            if peek::<u64>(thread, Field::TaskMm) != 0 {
                return thread;
            }
            node = peek::<u64>(thread, Field::TaskThreadNode) as Object;
            looked_at += 1;
        }
        task
    }
}

/// The thread whose link in the list this is.
#[inline(always)]
fn of_node(node: Object) -> Object {
    let offset = address(core::ptr::null(), Field::TaskThreadNode) as usize;
    node.wrapping_sub(offset)
}
