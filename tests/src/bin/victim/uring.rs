//! Work for a worker of io_uring(7): a thread that the kernel makes of the process itself.

use std::{
    ptr,
    sync::atomic::{AtomicU32, Ordering},
};

use crate::{
    control::sleep,
    ops::Kind,
    raw::{READ_WRITE, call, mmap},
    state::check,
};

/// Their table.
pub const KINDS: &[Kind] = &[Kind::once(
    "worker-reads",
    "N",
    "1 io_uring_setup, 2 mmap, 1 pipe2; N reads by a worker of io_uring, each waiting 10 ms",
    |_, a| read(a.n),
)];

// include/uapi/linux/io_uring.h.
const SUBMISSIONS_AT: i64 = 0x1000_0000;
const GET_EVENTS: i64 = 1;
const OP_READ: u8 = 22;
const ASYNC: u8 = 1 << 4;

/// `struct io_sqring_offsets`, bytes.
#[repr(C)]
struct SubmissionRing {
    head: u32,
    tail: u32,
    /// `ring_mask`, `ring_entries`, `flags`, `dropped`.
    unused: [u32; 4],
    array: u32,
    rest: [u32; 3],
}

/// `struct io_cqring_offsets`, bytes.
#[repr(C)]
struct CompletionRing {
    head: u32,
    /// `tail`, `ring_mask`, `ring_entries`, `overflow`.
    unused: [u32; 4],
    entries: u32,
    rest: [u32; 4],
}

/// `struct io_uring_params`.
#[repr(C)]
struct Parameters {
    submissions: u32,
    completions: u32,
    flags: [u32; 8],
    submission_ring: SubmissionRing,
    completion_ring: CompletionRing,
}

/// `struct io_uring_sqe`.
#[repr(C)]
#[derive(Default)]
struct Submission {
    operation: u8,
    flags: u8,
    priority: u16,
    descriptor: i32,
    offset: u64,
    address: u64,
    length: u32,
    rest: [u32; 7],
}

fn read(times: i64) {
    // SAFETY: all integers; zeros are valid.
    let mut parameters: Parameters = unsafe { std::mem::zeroed() };
    let (entries, to) = (1, &raw mut parameters as i64);
    let ring = check(
        "io_uring_setup",
        call(libc::SYS_io_uring_setup, [entries, to, 0, 0, 0, 0]),
    );
    let (submitted, completed) = (&parameters.submission_ring, &parameters.completion_ring);
    // Both rings are in one mapping (IORING_FEAT_SINGLE_MMAP, Linux 5.4).
    let end = (submitted.array + 4 * parameters.submissions)
        .max(completed.entries + 16 * parameters.completions);
    let map = |bytes, from| mmap(bytes, READ_WRITE, libc::MAP_SHARED.into(), ring, from);
    let rings = map(end.into(), 0);
    let submissions = map(64 * i64::from(parameters.submissions), SUBMISSIONS_AT);
    let mut ends = [0i32; 2];
    let to = ends.as_mut_ptr() as i64;
    check("pipe2", call(libc::SYS_pipe2, [to, 0, 0, 0, 0, 0]));
    let mut byte = 0u8;
    let submission = Submission {
        operation: OP_READ,
        flags: ASYNC,
        descriptor: ends[0],
        address: &raw mut byte as u64,
        length: 1,
        ..Submission::default()
    };
    // SAFETY: inside the mappings made above, which the kernel shares.
    let [tail, head] = unsafe {
        ptr::write_volatile(submissions as *mut Submission, submission);
        // With one entry its index is 0 always, as the array says from the beginning.
        [submitted.tail, completed.head]
            .map(|offset| AtomicU32::from_ptr((rings + i64::from(offset)) as *mut u32))
    };
    for _ in 0..times {
        tail.fetch_add(1, Ordering::Release);
        enter(ring, 1, 0);
        sleep(10);
        let from = &raw const byte as i64;
        let written = call(libc::SYS_write, [ends[1].into(), from, 1, 0, 0, 0]);
        check("write", written - 1);
        enter(ring, 0, 1);
        head.fetch_add(1, Ordering::Release);
    }
}

/// Submits so many, and waits for so many.
fn enter(ring: i64, submit: i64, wait: i64) {
    let entered = call(
        libc::SYS_io_uring_enter,
        [ring, submit, wait, GET_EVENTS * wait, 0, 0],
    );
    check("io_uring_enter", entered - submit);
}
