//! The operations that procmon counts: memory, descriptors, processes.

use std::mem;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::{
    ops::Kind,
    raw::*,
    state::{check, check_fails},
};

/// Their table.
pub const KINDS: &[Kind] = &[
    Kind::repeat(
        "mmap",
        "N:BYTES",
        "N anonymous mappings of BYTES, kept",
        |s, a| map(s, a.bytes),
    ),
    Kind::repeat(
        "mmap-apart",
        "N",
        "N anonymous mappings of a page that the kernel cannot make one of, kept",
        |s, _| map_apart(s),
    ),
    Kind::repeat("mmap-fail", "N", "N mmap of length 0: EINVAL", |_, _| {
        check_fails(
            "mmap",
            call(libc::SYS_mmap, [0, 0, 0, MAP, -1, 0]),
            libc::EINVAL,
        );
    }),
    Kind::repeat(
        "munmap",
        "N",
        "N of the kept mappings unmapped, newest first",
        |s, _| unmap(s),
    ),
    Kind::repeat(
        "munmap-fail",
        "N",
        "N munmap of an odd address: EINVAL",
        |_, _| {
            check_fails(
                "munmap",
                call(libc::SYS_munmap, [1, 4096, 0, 0, 0, 0]),
                libc::EINVAL,
            );
        },
    ),
    Kind::repeat(
        "mremap",
        "N",
        "N resizes of the newest mapping: one page more, one less, and so on",
        |s, _| remap(s),
    ),
    Kind::repeat("mremap-fail", "N", "N mremap of nothing: EFAULT", |_, _| {
        check_fails(
            "mremap",
            call(libc::SYS_mremap, [4096, 4096, 8192, 0, 0, 0]),
            libc::EFAULT,
        );
    }),
    Kind::repeat(
        "brk",
        "N:BYTES",
        "N moves of the break by BYTES, which may be negative; not in threads",
        |s, a| brk(s, a.bytes),
    ),
    Kind::once(
        "touch",
        "BYTES",
        "1 mmap of BYTES, each page written, kept",
        |s, a| touch(s, a.bytes),
    ),
    Kind::repeat(
        "open",
        "N",
        "N openat of /dev/null, each followed by its close",
        |_, _| close(open(c"/dev/null", libc::O_RDONLY)),
    ),
    Kind::repeat(
        "open-keep",
        "N",
        "N openat of /dev/null, kept open",
        |s, _| {
            let descriptor = open(c"/dev/null", libc::O_RDONLY);
            s.descriptors.push(descriptor as i32);
        },
    ),
    Kind::repeat("open2", "N", "N openat2 and N close", |_, _| {
        // SAFETY: all zeros is a valid value of this plain structure.
        let how: libc::open_how = unsafe { mem::zeroed() };
        let size = size_of_val(&how) as i64;
        close(check(
            "openat2",
            call(
                libc::SYS_openat2,
                [CWD, path(c"/dev/null"), &raw const how as i64, size, 0, 0],
            ),
        ));
    }),
    Kind::repeat(
        "open-fail",
        "N",
        "N openat of what is not there: ENOENT",
        |_, _| {
            check_fails(
                "openat",
                call(libc::SYS_openat, [CWD, path(c"/nonexistent"), 0, 0, 0, 0]),
                libc::ENOENT,
            );
        },
    ),
    Kind::repeat(
        "open-fail-dir",
        "N",
        "N openat of / for writing: EISDIR",
        |_, _| {
            check_fails(
                "openat",
                call(
                    libc::SYS_openat,
                    [CWD, path(c"/"), libc::O_WRONLY.into(), 0, 0, 0],
                ),
                libc::EISDIR,
            );
        },
    ),
    Kind::repeat(
        "close-kept",
        "N",
        "N of the kept descriptors closed, newest first",
        |s, _| {
            close(s.descriptors.pop().unwrap_or(-1).into());
        },
    ),
    Kind::repeat("close-fail", "N", "N close of -1: EBADF", |_, _| {
        check_fails(
            "close",
            call(libc::SYS_close, [-1, 0, 0, 0, 0, 0]),
            libc::EBADF,
        )
    }),
    Kind::repeat(
        "close-range",
        "N",
        "N close_range over descriptors that are not open",
        |_, _| {
            drop_result(
                "close_range",
                libc::SYS_close_range,
                [4000, 4100, 0, 0, 0, 0],
            )
        },
    ),
    Kind::repeat("dup", "N", "N dup and N close", |_, _| {
        made("dup", libc::SYS_dup, [2, 0, 0, 0, 0, 0])
    }),
    Kind::repeat("dup3", "N", "N dup3 and N close", |_, _| {
        made("dup3", libc::SYS_dup3, [2, own_descriptor(), 0, 0, 0, 0])
    }),
    Kind::repeat(
        "dup-fcntl",
        "N",
        "N fcntl(F_DUPFD_CLOEXEC) and N close",
        |_, _| {
            made(
                "fcntl",
                libc::SYS_fcntl,
                [2, libc::F_DUPFD_CLOEXEC.into(), 0, 0, 0, 0],
            );
        },
    ),
    Kind::repeat("dup-fail", "N", "N dup of -1: EBADF", |_, _| {
        check_fails("dup", call(libc::SYS_dup, [-1, 0, 0, 0, 0, 0]), libc::EBADF)
    }),
    Kind::repeat("socket", "N", "N socket (UDP) and N close", |_, _| {
        made(
            "socket",
            libc::SYS_socket,
            [libc::AF_INET.into(), libc::SOCK_DGRAM.into(), 0, 0, 0, 0],
        );
    }),
    Kind::repeat(
        "socket-fail",
        "N",
        "N socket of no family: EAFNOSUPPORT",
        |_, _| {
            check_fails(
                "socket",
                call(libc::SYS_socket, [4711, 1, 0, 0, 0, 0]),
                libc::EAFNOSUPPORT,
            );
        },
    ),
    Kind::repeat("socketpair", "N", "N socketpair and 2N close", |_, _| {
        pair("socketpair", libc::SYS_socketpair, |to| [1, 1, 0, to, 0, 0])
    }),
    Kind::repeat("accept-fail", "N", "N accept4 of -1: EBADF", |_, _| {
        check_fails(
            "accept4",
            call(libc::SYS_accept4, [-1, 0, 0, 0, 0, 0]),
            libc::EBADF,
        );
    }),
    Kind::once(
        "accept",
        "N",
        "1 socket; N times 1 socket, 1 accept4 and 2 close; 1 close",
        |_, a| accept(a.n),
    ),
    Kind::repeat("pipe", "N", "N pipe2 and 2N close", |_, _| {
        pair("pipe2", libc::SYS_pipe2, |to| [to, 0, 0, 0, 0, 0])
    }),
    Kind::repeat(
        "eventfd",
        "N",
        "N eventfd2 and N close (kind other)",
        |_, _| made("eventfd2", libc::SYS_eventfd2, [0; 6]),
    ),
    Kind::repeat(
        "epoll",
        "N",
        "N epoll_create1 and N close (kind other)",
        |_, _| made("epoll_create1", libc::SYS_epoll_create1, [0; 6]),
    ),
    Kind::repeat(
        "timerfd",
        "N",
        "N timerfd_create and N close (kind other)",
        |_, _| {
            made(
                "timerfd_create",
                libc::SYS_timerfd_create,
                [1, 0, 0, 0, 0, 0],
            )
        },
    ),
    Kind::repeat(
        "memfd",
        "N",
        "N memfd_create and N close (kind other)",
        |_, _| {
            made(
                "memfd_create",
                libc::SYS_memfd_create,
                [path(c"victim"), 0, 0, 0, 0, 0],
            )
        },
    ),
    Kind::repeat(
        "inotify",
        "N",
        "N inotify_init1 and N close (kind other)",
        |_, _| made("inotify_init1", libc::SYS_inotify_init1, [0; 6]),
    ),
    Kind::repeat(
        "signalfd",
        "N",
        "N signalfd4 and N close (kind other)",
        |_, _| {
            let set = 0u64;
            made(
                "signalfd4",
                libc::SYS_signalfd4,
                [-1, &raw const set as i64, 8, 0, 0, 0],
            );
        },
    ),
    Kind::repeat(
        "pidfd",
        "N",
        "N pidfd_open of itself and N close (kind other)",
        |_, _| {
            let me = call(libc::SYS_getpid, [0; 6]);
            made("pidfd_open", libc::SYS_pidfd_open, [me, 0, 0, 0, 0, 0]);
        },
    ),
    Kind::repeat(
        "fork",
        "N",
        "N children that end at once, each waited for",
        |_, _| wait(fork(|| ())),
    ),
    Kind::repeat(
        "uncounted",
        "N",
        "N getppid: a call that nobody counts",
        |_, _| drop_result("getppid", libc::SYS_getppid, [0; 6]),
    ),
];

/// A descriptor number that no other thread of the victim uses.
fn own_descriptor() -> i64 {
    static NEXT: AtomicI64 = AtomicI64::new(2_000);
    thread_local! {
        static OWN: i64 = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    OWN.with(|own| *own)
}
