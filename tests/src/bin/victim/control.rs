//! The operations around the counted ones: time, input and output, meeting points, endings.

use std::io::Write as _;

use crate::{
    ops::{Arguments, Kind, Run},
    raw::{call, close, exit, fork, open},
    state::check,
};

/// Their table.
pub const KINDS: &[Kind] = &[
    Kind::once(
        "thread",
        "N",
        "N threads that end at once, each joined; their stacks are libc's mmaps",
        |_, a| {
            for _ in 0..a.n {
                if std::thread::spawn(|| ()).join().is_err() {
                    check("thread", -1);
                }
            }
        },
    ),
    Kind::once(
        "write",
        "N:BYTES:PATH",
        "1 openat (made, emptied), N writes of BYTES, 1 close",
        |_, a| transfer(a, libc::SYS_write),
    ),
    Kind::once(
        "write-sync",
        "N:BYTES:PATH",
        "as write, and 1 fdatasync before the close",
        |_, a| transfer(a, libc::SYS_fdatasync),
    ),
    Kind::once(
        "read",
        "N:BYTES:PATH",
        "1 openat, N reads of BYTES, 1 close",
        |_, a| transfer(a, libc::SYS_read),
    ),
    Kind::once(
        "spin",
        "MS",
        "MS milliseconds of this thread's CPU time",
        |_, a| spin(a.n),
    ),
    Kind::once("sleep", "MS", "1 sleep of MS milliseconds", |_, a| {
        sleep(a.n)
    }),
    Kind::repeat("yield", "N", "N sched_yield", |_, _| {
        call(libc::SYS_sched_yield, [0; 6]);
    }),
    Kind::once("print-ready", "", "prints `ready PID`", |_, _| {
        print(b"ready", call(libc::SYS_getpid, [0; 6]))
    }),
    Kind::once(
        "wait",
        "",
        "waits for one byte on stdin, or for its end",
        |_, _| wait_stdin(),
    ),
    Kind::once("wait-stdin", "", "the same as wait", |_, _| wait_stdin()),
    Kind::once(
        "zombie",
        "",
        "1 fork of a child that ends and is never waited for; prints `zombie PID`",
        |_, _| print(b"zombie", fork(|| ())),
    ),
    Kind::once(
        "name",
        "NAME",
        "gives this thread a name of any bytes",
        |_, a| {
            check(
                "prctl",
                call(
                    libc::SYS_prctl,
                    [libc::PR_SET_NAME.into(), a.text.as_ptr() as i64, 0, 0, 0, 0],
                ),
            );
        },
    ),
    Kind::once(
        "statfs",
        "PATH",
        "1 statfs, and waits for the answer whatever comes",
        |_, a| {
            let mut room = std::mem::MaybeUninit::<libc::statfs>::uninit();
            let (path, room) = (a.text.as_ptr() as i64, room.as_mut_ptr() as i64);
            check("statfs", call(libc::SYS_statfs, [path, room, 0, 0, 0, 0]));
        },
    ),
    Kind::once(
        "exec",
        "PATH",
        "becomes the program PATH, without arguments",
        |_, a| exec(a),
    ),
    Kind::once("exit", "CODE", "ends with this status", |_, a| exit(a.n)),
    Kind::once(
        "kill",
        "SIGNAL",
        "sends itself a signal, by number or as SIGKILL",
        |_, a| {
            let me = call(libc::SYS_getpid, [0; 6]);
            call(libc::SYS_kill, [me, a.n, 0, 0, 0, 0]);
        },
    ),
    Kind {
        name: "children",
        form: "N",
        help: "the rest of the list in N children, one after the other; then ends",
        run: Run::Children,
    },
    Kind {
        name: "threads",
        form: "N",
        help: "the rest of the list in N threads at once; then ends",
        run: Run::Threads,
    },
];

/// Bytes to write, and room for bytes read: a larger BYTES is done in calls of this size.
static mut BUFFER: [u8; 1 << 20] = [0x5a; 1 << 20];

fn transfer(a: &Arguments, number: libc::c_long) {
    let reads = number == libc::SYS_read;
    let flags = if reads {
        libc::O_RDONLY
    } else {
        libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC
    };
    let io = if reads {
        libc::SYS_read
    } else {
        libc::SYS_write
    };
    let file = open(&a.text, flags);
    let buffer = &raw mut BUFFER as i64;
    for _ in 0..a.n {
        check(
            "transfer",
            call(io, [file, buffer, a.bytes.min(1 << 20), 0, 0, 0]),
        );
    }
    if number == libc::SYS_fdatasync {
        check("fdatasync", call(number, [file, 0, 0, 0, 0, 0]));
    }
    close(file);
}

pub fn spin(milliseconds: i64) {
    let end = cpu_time() + milliseconds * 1_000_000;
    while cpu_time() < end {
        std::hint::spin_loop();
    }
}

fn cpu_time() -> i64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    check(
        "clock_gettime",
        call(
            libc::SYS_clock_gettime,
            [
                libc::CLOCK_THREAD_CPUTIME_ID.into(),
                &raw mut time as i64,
                0,
                0,
                0,
                0,
            ],
        ),
    );
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

pub fn sleep(milliseconds: i64) {
    let time = libc::timespec {
        tv_sec: milliseconds / 1000,
        tv_nsec: milliseconds % 1000 * 1_000_000,
    };
    call(libc::SYS_nanosleep, [&raw const time as i64, 0, 0, 0, 0, 0]);
}

/// One line in one write, without an allocation.
fn print(word: &[u8], number: i64) {
    let mut line = [0u8; 64];
    let mut room = &mut line[..];
    let whole = room
        .write_all(word)
        .and_then(|()| writeln!(room, " {number}"));
    let left = room.len();
    check("print", if whole.is_ok() { 0 } else { -1 });
    check(
        "write",
        call(
            libc::SYS_write,
            [1, line.as_ptr() as i64, (line.len() - left) as i64, 0, 0, 0],
        ),
    );
}

fn wait_stdin() {
    let mut byte = 0u8;
    call(libc::SYS_read, [0, &raw mut byte as i64, 1, 0, 0, 0]);
}

pub fn exec(a: &Arguments) {
    let arguments = [a.text.as_ptr(), std::ptr::null()];
    let nothing: [*const libc::c_char; 1] = [std::ptr::null()];
    check(
        "execve",
        call(
            libc::SYS_execve,
            [
                a.text.as_ptr() as i64,
                arguments.as_ptr() as i64,
                nothing.as_ptr() as i64,
                0,
                0,
                0,
            ],
        ),
    );
}
