//! Letting go of the hooks without making anyone wait.
//!
//! The kernel detaches a perf tracepoint in 70 ms, one after the other: 42 take
//! three seconds, in exit(2) too, for whoever closes them last. So a forked
//! child that holds nothing but the links outlives us and ends slowly in the
//! background, and procmon is gone at once.

use std::os::fd::RawFd;

use super::load::Kernel;

impl Kernel {
    /// Hands the links to a child that closes them when this process has
    /// ended, which it should soon. Returns at once.
    pub fn detach_in_background(self) {
        if keep_links_until_we_are_gone() {
            // The child's copies keep the links alive: closing ours is quick,
            // but dropping would first disable each of them.
            std::mem::forget(self);
        }
        // No child: dropping the links here is slow, but right.
    }
}

/// Makes the end of this process quick, whatever links it holds. False when
/// that cannot be.
pub fn keep_links_until_we_are_gone() -> bool {
    let (links, other): (Vec<_>, Vec<_>) = open_descriptors()
        .into_iter()
        .partition(|(_, target)| holds_a_link(target));
    if links.is_empty() {
        return true;
    }
    let parent = std::process::id().cast_signed();
    // SAFETY: between fork(2) and _exit(2) the child of this threaded process
    // only makes async-signal-safe calls (signal-safety(7)).
    match unsafe { libc::fork() } {
        0 => {
            for (fd, _) in &other {
                // SAFETY: the child's own copies.
                unsafe { libc::close(*fd) };
            }
            // SAFETY: no handler runs. The parent's end kills it, after the
            // parent has closed its descriptors (exit_notify of
            // kernel/exit.c): the child is the last to hold the links.
            unsafe {
                libc::setsid();
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                while libc::getppid() == parent {
                    libc::sleep(1);
                }
                libc::_exit(0);
            }
        }
        child => child > 0,
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
