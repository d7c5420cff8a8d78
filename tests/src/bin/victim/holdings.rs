//! Operations that leave something to be held: sockets in known states, memory of known kinds.

use std::{
    hint::black_box,
    mem::forget,
    net::{Shutdown, TcpListener, TcpStream, UdpSocket},
};

use crate::{
    load::must,
    ops::Kind,
    raw::{PAGE, READ_WRITE, brk, close, mmap, open},
};

/// Their table.
pub const KINDS: &[Kind] = &[
    Kind::once("listen", "N", "N TCP sockets that listen, kept", |_, a| {
        for _ in 0..a.n {
            forget(listener("127.0.0.1:0"));
        }
    }),
    Kind::once(
        "connect",
        "N",
        "1 TCP socket that listens (IPv6), N connections to it, both ends, kept",
        |_, a| connect(a.n, forget),
    ),
    Kind::once(
        "half-close",
        "N",
        "as connect; of each connection the end that asked for it has shut down its sending",
        |_, a| {
            connect(a.n, |ends| {
                must("shutdown", ends.0.shutdown(Shutdown::Write));
                forget(ends);
            });
        },
    ),
    Kind::once(
        "bind-udp",
        "N",
        "N UDP sockets bound to a port, kept",
        |_, a| {
            for _ in 0..a.n {
                forget(must("bind", UdpSocket::bind("127.0.0.1:0")));
            }
        },
    ),
    Kind::once(
        "share",
        "BYTES",
        "1 mmap of BYTES shared and of no file, each page written",
        |_, a| {
            let shared = i64::from(libc::MAP_SHARED | libc::MAP_ANONYMOUS);
            write_pages(mmap(a.bytes, READ_WRITE, shared, -1, 0), a.bytes);
        },
    ),
    Kind::once(
        "map-file",
        "BYTES:PATH",
        "1 openat, 1 private mmap of BYTES of the file PATH, each page read, 1 close",
        |_, a| {
            let file = open(&a.text, libc::O_RDONLY);
            let (read, private) = (libc::PROT_READ.into(), libc::MAP_PRIVATE.into());
            let start = mmap(a.bytes, read, private, file, 0);
            for at in (0..a.bytes as usize).step_by(PAGE) {
                // SAFETY: inside the mapping made above.
                black_box(unsafe { std::ptr::read_volatile((start as usize + at) as *const u8) });
            }
            close(file);
        },
    ),
    Kind::once(
        "heap",
        "BYTES",
        "1 brk up by BYTES, each page written",
        |state, a| {
            let start = state.brk;
            brk(state, a.bytes);
            write_pages(start, a.bytes);
        },
    ),
    Kind::once("stack", "BYTES", "BYTES of the stack written", |_, a| {
        descend(a.bytes);
    }),
];

fn listener(address: &str) -> TcpListener {
    must("bind", TcpListener::bind(address))
}

/// Makes N connections, and hands over their ends: who asked, who accepted.
fn connect(n: i64, keep: fn((TcpStream, TcpStream))) {
    let listener = listener("[::1]:0");
    let address = must("address", listener.local_addr());
    for _ in 0..n {
        let asked = must("connect", TcpStream::connect(address));
        let (accepted, _) = must("accept", listener.accept());
        keep((asked, accepted));
    }
    forget(listener);
}

fn write_pages(start: i64, bytes: i64) {
    for at in (0..bytes as usize).step_by(PAGE) {
        // SAFETY: the caller has just been given these bytes by the kernel.
        unsafe { std::ptr::write_volatile((start as usize + at) as *mut u8, 1) };
    }
}

/// Writes a page of each frame until there are enough frames.
fn descend(bytes: i64) {
    let mut page = [1u8; PAGE];
    black_box(&mut page);
    if bytes > PAGE as i64 {
        descend(bytes - PAGE as i64);
    }
    black_box(&mut page);
}
