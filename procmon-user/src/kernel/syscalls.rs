//! System call numbers by name, for the program that filters by number.

/// The number of a call on this architecture; `None` where it does not exist.
pub fn number(call: &str) -> Option<u32> {
    let number = match call {
        "mmap" => libc::SYS_mmap,
        "munmap" => libc::SYS_munmap,
        "mremap" => libc::SYS_mremap,
        "brk" => libc::SYS_brk,
        "openat" => libc::SYS_openat,
        "openat2" => libc::SYS_openat2,
        "open_by_handle_at" => libc::SYS_open_by_handle_at,
        "close" => libc::SYS_close,
        "close_range" => libc::SYS_close_range,
        "dup" => libc::SYS_dup,
        "dup3" => libc::SYS_dup3,
        "fcntl" => libc::SYS_fcntl,
        "socket" => libc::SYS_socket,
        "socketpair" => libc::SYS_socketpair,
        "accept" => libc::SYS_accept,
        "accept4" => libc::SYS_accept4,
        "pipe2" => libc::SYS_pipe2,
        "eventfd2" => libc::SYS_eventfd2,
        "epoll_create1" => libc::SYS_epoll_create1,
        "timerfd_create" => libc::SYS_timerfd_create,
        "signalfd4" => libc::SYS_signalfd4,
        "memfd_create" => libc::SYS_memfd_create,
        "inotify_init1" => libc::SYS_inotify_init1,
        "pidfd_open" => libc::SYS_pidfd_open,
        "io_uring_setup" => libc::SYS_io_uring_setup,
        other => return old(other),
    };
    u32::try_from(number).ok()
}

/// Calls that newer architectures never had.
#[cfg(target_arch = "x86_64")]
fn old(call: &str) -> Option<u32> {
    let number = match call {
        "open" => libc::SYS_open,
        "creat" => libc::SYS_creat,
        "dup2" => libc::SYS_dup2,
        "pipe" => libc::SYS_pipe,
        "eventfd" => libc::SYS_eventfd,
        "epoll_create" => libc::SYS_epoll_create,
        "signalfd" => libc::SYS_signalfd,
        "inotify_init" => libc::SYS_inotify_init,
        _ => return None,
    };
    u32::try_from(number).ok()
}

#[cfg(not(target_arch = "x86_64"))]
fn old(_: &str) -> Option<u32> {
    None
}

#[cfg(test)]
mod tests {
    use procmon_common::probes::{Hook, PROBES};

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn every_call_of_the_probe_table_has_a_number_here() {
        for probe in PROBES {
            if let Hook::SyscallExit(calls) = probe.hook {
                for call in calls {
                    assert!(super::number(call).is_some(), "{call}");
                }
            }
        }
    }
}
