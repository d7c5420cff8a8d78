//! How the C library's allocator is to behave.
//!
//! A tick of a great host takes tens of megabytes for as long as it is made and
//! sent. They are to go back to the system then, not to stay for the next one.

/// Allocations from this size on are mapped one by one, and unmapped when they
/// are freed. Set, it stays: else it grows with what is freed (mallopt(3)).
#[cfg(target_env = "gnu")]
const MAPPED_FROM: i32 = 2 << 20;
/// What may stay free at the end of the heap: the bodies of requests, of 1 MiB
/// each, come again and again.
#[cfg(target_env = "gnu")]
const KEPT: i32 = 4 << 20;

/// Sets the allocator up; once, before there are threads.
pub fn settle() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt(3) takes numbers; nobody else allocates meanwhile.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_FROM);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT);
        // One heap for all threads: each of several keeps its own holes.
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Gives what is free back to the system: 31 MiB of resident memory become 4
/// when the kernel's type information has been read.
pub fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim(3) may be called at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}
