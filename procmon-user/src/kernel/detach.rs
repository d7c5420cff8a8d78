//! Letting go of the hooks without making anyone wait.
//!
//! The kernel detaches a perf tracepoint in 70 ms, one after the other: 42 take
//! three seconds, in exit(2) too. So a forked child that holds nothing but the
//! links ends slowly in the background, and procmon is gone at once.

use std::os::fd::RawFd;

use super::load::Kernel;

impl Kernel {
    /// Hands the links to a child that closes them in the background. Returns
    /// at once; counting stops within seconds.
    pub fn detach_in_background(self) {
        let other: Vec<RawFd> = open_descriptors()
            .into_iter()
            .filter(|(_, target)| !holds_a_link(target))
            .map(|(fd, _)| fd)
            .collect();
        // SAFETY: between fork(2) and _exit(2) the child of this threaded
        // process only makes async-signal-safe calls (signal-safety(7)).
        match unsafe { libc::fork() } {
            0 => {
                for fd in other {
                    // SAFETY: the child's own copies.
                    unsafe { libc::close(fd) };
                }
                // SAFETY: leaves the terminal's session; no handler runs.
                unsafe {
                    libc::setsid();
                    libc::_exit(0);
                }
            }
            // No child: dropping the links here is slow, but right.
            -1 => drop(self),
            // The child's copies keep the links alive: closing ours is quick,
            // but dropping would first disable each of them.
            _ => std::mem::forget(self),
        }
    }
}

/// Open descriptors and what they are, as /proc/self/fd shows them.
fn open_descriptors() -> Vec<(RawFd, String)> {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let fd = entry.file_name().to_str()?.parse().ok()?;
            let target = std::fs::read_link(entry.path()).ok()?;
            Some((fd, target.to_string_lossy().into_owned()))
        })
        .collect()
}

fn holds_a_link(target: &str) -> bool {
    target.contains("perf_event") || target.contains("bpf")
}
