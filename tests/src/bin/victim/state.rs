//! What an operation leaves for later ones, and the check on each call.

use std::{hint::black_box, io::Write as _, process};

use crate::ops::Op;

/// The status when a call did not do what it should.
const UNEXPECTED: i32 = 70;

/// Mappings and descriptors made and kept.
pub struct State {
    /// Address and length of each mapping that is still there.
    pub maps: Vec<(usize, usize)>,
    /// Descriptors kept open.
    pub descriptors: Vec<i32>,
    /// The break, which the kernel tells only to those who move it.
    pub brk: i64,
}

impl State {
    /// Room for all that the list will keep, so that no operation allocates, nor is the first to
    /// write to a page of it: whether one would be hangs on how long the arguments are. One call
    /// of brk.
    pub fn new(list: &[Op]) -> Self {
        let room = |names: &[&str]| {
            let wanted = list.iter().filter(|(kind, _)| names.contains(&kind.name));
            wanted
                .map(|(_, arguments)| usize::try_from(arguments.n).unwrap_or(0))
                .sum::<usize>()
                + 8
        };
        Self {
            maps: written(room(&["mmap", "mmap-apart", "touch"])),
            descriptors: written(room(&["open-keep", "socket-keep"])),
            // SAFETY: moves nothing.
            brk: unsafe { libc::syscall(libc::SYS_brk, 0) },
        }
    }
}

/// An empty list with so much room, each page of which was written to.
fn written<T: Copy + Default>(room: usize) -> Vec<T> {
    let mut list = Vec::with_capacity(room);
    list.resize(room, T::default());
    black_box(&mut list).clear();
    list
}

/// The result of a call that must succeed.
pub fn check(what: &str, result: i64) -> i64 {
    if result < 0 {
        unexpected(what, "failed");
    }
    result
}

/// A call that must fail with this errno.
pub fn check_fails(what: &str, result: i64, errno: i32) {
    if result >= 0 || std::io::Error::last_os_error().raw_os_error() != Some(errno) {
        unexpected(what, "did not fail as it should");
    }
}

fn unexpected(what: &str, how: &str) -> ! {
    let error = std::io::Error::last_os_error();
    let _ = writeln!(std::io::stderr(), "victim: {what} {how}: {error}");
    process::exit(UNEXPECTED)
}
