//! Operations after which it is not plain who a process is: threads that outlive their leader or
//! take its place, children that share what is usually their own.

use std::{ffi::c_void, sync::Barrier};

use crate::{
    control::{exec, spin},
    ops::{Arguments, Kind, Op, Run, perform},
    raw::{call, close, exit, open, wait},
    state::{State, check},
};

/// Their table.
pub const KINDS: &[Kind] = &[
    Kind {
        name: "leader-exit",
        form: "CODE",
        help: "the rest of the list in a second thread; the first ends with CODE before that; 1 openat, 1 close",
        run: Run::Rest(leader_exit),
    },
    Kind::once(
        "exit-thread",
        "CODE",
        "ends this thread alone, with this status",
        |_, a| exit_thread(a.n),
    ),
    Kind::once(
        "exec-thread",
        "N:PATH",
        "N threads spin 10 ms and sleep; one more becomes the program PATH, as exec does",
        |_, a| exec_thread(a),
    ),
    Kind {
        name: "vfork",
        form: "N",
        help: "the rest of the list in N vforked children, one after the other; then ends",
        run: Run::Rest(|a, list, state| {
            for _ in 0..a.n {
                wait(vfork(list, state));
            }
        }),
    },
    Kind {
        name: "share-files",
        form: "",
        help: "the rest of the list in a child that shares the descriptors; waits for it, and ends",
        run: Run::Rest(|_, list, state| {
            let flags = i64::from(libc::CLONE_FILES | libc::SIGCHLD);
            let pid = check("clone", call(libc::SYS_clone, [flags, 0, 0, 0, 0, 0]));
            if pid == 0 {
                perform(list, state);
                exit(0);
            }
            wait(pid);
        }),
    },
];

fn exit_thread(code: i64) -> ! {
    call(libc::SYS_exit, [code, 0, 0, 0, 0, 0]);
    std::process::abort()
}

fn leader_exit(a: &Arguments, list: &[Op], _: &mut State) {
    let gone = Barrier::new(2);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut state = State::new(list);
            gone.wait();
            wait_for_zombie_leader();
            perform(list, &mut state);
            exit(0)
        });
        gone.wait();
        // Its stack stays: the other thread's list is on it.
        exit_thread(a.n)
    });
}

/// Until the kernel shows the leader's state as Z; reads the one file again and again.
fn wait_for_zombie_leader() {
    let file = open(c"/proc/thread-self/../../stat", libc::O_RDONLY);
    let mut text = [0u8; 512];
    let at = text.as_mut_ptr() as i64;
    loop {
        let length = check(
            "pread",
            call(libc::SYS_pread64, [file, at, text.len() as i64, 0, 0, 0]),
        );
        let stat = &text[..usize::try_from(length).unwrap_or(0)];
        if stat.windows(4).any(|part| part == b") Z ") {
            break;
        }
        call(libc::SYS_sched_yield, [0; 6]);
    }
    close(file);
}

fn exec_thread(a: &Arguments) {
    let n = usize::try_from(a.n).unwrap_or(0);
    let meeting = Barrier::new(n + 1);
    std::thread::scope(|scope| {
        for _ in 0..n {
            scope.spawn(|| {
                spin(10);
                meeting.wait();
                park()
            });
        }
        scope.spawn(|| {
            meeting.wait();
            exec(a);
        });
        park()
    });
}

fn park() -> ! {
    loop {
        std::thread::park();
    }
}

/// A child that performs the list in our memory, on a stack of its own, while we wait.
fn vfork(list: &[Op], state: &mut State) -> i64 {
    const STACK: usize = 256 << 10;
    static mut ROOM: [u128; STACK / 16] = [0; STACK / 16];
    struct Errand<'a>(&'a [Op], &'a mut State);
    extern "C" fn child(errand: *mut c_void) -> i32 {
        // SAFETY: made below by the parent, which stands still until we are gone.
        let Errand(list, state) = unsafe { &mut *errand.cast::<Errand<'_>>() };
        perform(list, state);
        exit(0)
    }
    let mut errand = Errand(list, state);
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: CLONE_VFORK keeps us here until the child has ended or become another program, so
    // that the room is its alone and what the errand points to outlives it.
    let pid = unsafe {
        let top = (&raw mut ROOM).cast::<u8>().add(STACK);
        libc::clone(child, top.cast(), flags, (&raw mut errand).cast())
    };
    check("clone", pid.into())
}
