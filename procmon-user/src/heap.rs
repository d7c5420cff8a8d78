//! How the C library's allocator is to behave, and what of the program stays
//! resident.
//!
//! A tick of a great host takes tens of megabytes for as long as it is made and
//! sent. They are to go back to the system then, not to stay for the next one.

/// Allocations from this size on are mapped one by one, and unmapped when they
/// are freed. Set, it stays: else it grows with what is freed (mallopt(3)).
#[cfg(target_env = "gnu")]
const MAPPED_FROM: i32 = 2 << 20;
/// What may stay free at the end of the heap: the bodies of requests, of 1 MiB
/// each, come again and again. More of it saves page faults at each tick, and
/// stays resident between ticks.
#[cfg(target_env = "gnu")]
const KEPT: i32 = 2 << 20;
/// More than this is not left free in the heap: what a tick took, where
/// something small that stays came to lie behind it.
#[cfg(target_env = "gnu")]
const MOST_FREE: i32 = 8 << 20;

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

/// Gives back what is free if that is much: most ticks leave it at the end of the
/// heap, from where it goes by itself, and some do not.
pub fn trim_if_much() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallinfo(3) may be called at any time. Past 2 GiB its numbers wrap,
    // and nothing is given back.
    if unsafe { libc::mallinfo() }.fordblks > MOST_FREE {
        trim();
    }
}

/// Lets go of what only the start needed; once, when the first tick is over.
pub fn let_go_of_the_start() {
    trim();
    // SAFETY: the function is of the type that dl_iterate_phdr(3) calls.
    unsafe {
        libc::dl_iterate_phdr(Some(let_go_of_code), std::ptr::null_mut());
    }
}

/// Lets go of the resident pages of an object's code and constants, and ends the
/// walk: the first one is the program itself. They stay in the page cache;
/// those that are needed come back from there, at the price of a minor fault.
unsafe extern "C" fn let_go_of_code(
    object: *mut libc::dl_phdr_info,
    _size: libc::size_t,
    _data: *mut libc::c_void,
) -> libc::c_int {
    // SAFETY: dl_iterate_phdr(3) gives an object that is loaded, and its headers.
    let (base, headers) = unsafe {
        let object = &*object;
        let number = usize::from(object.dlpi_phnum);
        let headers = std::slice::from_raw_parts(object.dlpi_phdr, number);
        (object.dlpi_addr, headers)
    };
    // SAFETY: sysconf(3) cannot fail here.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) }.cast_unsigned();
    for header in headers {
        // What may be written holds addresses that were put in at start.
        if header.p_type != libc::PT_LOAD || header.p_flags & libc::PF_W != 0 {
            continue;
        }
        let begin = (base + header.p_vaddr).next_multiple_of(page);
        let end = (base + header.p_vaddr + header.p_memsz) / page * page;
        if begin < end {
            // SAFETY: whole pages of a file that is mapped, and that nobody has
            // written to: they read the same afterwards (madvise(2)).
            unsafe {
                libc::madvise(begin as *mut _, (end - begin) as usize, libc::MADV_DONTNEED);
            }
        }
    }
    1
}
