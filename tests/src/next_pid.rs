//! Choosing the id of a process that is to be started.

use std::fs;

/// The id given last, which may be set (proc_sys_kernel(5)); not every kernel has it.
pub const LAST_PID: &str = "/proc/sys/kernel/ns_last_pid";

/// Whether an id can be chosen here.
pub fn can_be_chosen() -> bool {
    fs::metadata(LAST_PID).is_ok()
}

/// Starts with `start` what then has this id; what has another is dropped. `None` when others take it
/// first each time.
pub fn start_as<T>(pid: u32, start: impl Fn() -> T, id: impl Fn(&T) -> u32) -> Option<T> {
    for _ in 0..50 {
        fs::write(LAST_PID, (pid - 1).to_string()).ok()?;
        let started = start();
        if id(&started) == pid {
            return Some(started);
        }
    }
    None
}
