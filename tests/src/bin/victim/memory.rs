//! The victim's memory: room of its own, so that what it takes asks the kernel for nothing,
//! whichever libc it has, whoever comes first and however long the list of operations is.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::UnsafeCell,
    sync::atomic::{AtomicUsize, Ordering},
};

const SIZE: usize = 1 << 20;

#[global_allocator]
static OWN: Own = Own {
    room: UnsafeCell::new([0; SIZE]),
    used: AtomicUsize::new(0),
};

/// Gives room away from the bottom up and takes none back.
struct Own {
    room: UnsafeCell<[u8; SIZE]>,
    used: AtomicUsize,
}

// SAFETY: each byte is given away once, to one thread.
unsafe impl Sync for Own {}

impl Own {
    fn start(&self) -> *mut u8 {
        self.room.get().cast()
    }
}

// SAFETY: what is given away is inside, aligned, and nobody else's; what does not fit is
// System's, and told by its address.
unsafe impl GlobalAlloc for Own {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let start = self.start();
        let place = |used: usize| {
            let address = (start as usize + used).next_multiple_of(layout.align());
            address - start as usize
        };
        let fits = |used: usize| {
            let end = place(used).checked_add(layout.size())?;
            (end <= SIZE).then_some(end)
        };
        let order = Ordering::Relaxed;
        match self.used.fetch_update(order, order, fits) {
            // SAFETY: inside the room, as `fits` has seen.
            Ok(used) => unsafe { start.add(place(used)) },
            // SAFETY: the caller's.
            Err(_) => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        let start = self.start();
        if !(start..start.wrapping_add(SIZE)).contains(&memory) {
            // SAFETY: it came from there.
            unsafe { System.dealloc(memory, layout) }
        }
    }
}
