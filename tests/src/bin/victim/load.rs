//! Operations in great numbers: programs run, mappings come and gone, bytes over loopback.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream, UdpSocket},
    os::{fd::AsRawFd as _, unix::ffi::OsStrExt as _},
};

use crate::{
    control::{sleep, spin},
    ops::{Arguments, Kind},
    raw::{MAP, READ_WRITE, call, close, fork, mmap, open, wait},
    state::check,
};

/// Their table.
pub const KINDS: &[Kind] = &[
    Kind::repeat(
        "map-pairs",
        "N:BYTES",
        "N times 1 mmap of BYTES and 1 munmap of it",
        |_, a| {
            let address = mmap(a.bytes, READ_WRITE, MAP, -1, 0);
            check(
                "munmap",
                call(libc::SYS_munmap, [address, a.bytes, 0, 0, 0, 0]),
            );
        },
    ),
    Kind::once(
        "run",
        "N:PATH",
        "N times the program PATH, spawned as libc does and waited for",
        run,
    ),
    Kind::repeat(
        "sleepers",
        "N",
        "N forks of children that sleep until this one ends",
        |_, _| {
            child(|| {
                call(libc::SYS_ppoll, [0; 6]);
            });
        },
    ),
    Kind::repeat(
        "workers",
        "N",
        "N forks of children that map, open and run a little until this one ends",
        |_, _| child(work),
    ),
    Kind::once(
        "tcp",
        "BYTES",
        "BYTES over loopback to a child, half by write and half by sendfile",
        |_, a| tcp(a),
    ),
    Kind::once(
        "udp",
        "N:BYTES",
        "N datagrams of BYTES over loopback (IPv6) to a child, who answers each with 1 byte",
        |_, a| udp(a),
    ),
];

/// A child that does this again and again, until we have ended.
fn child(act: impl Fn()) {
    fork(|| {
        let kill = libc::SIGKILL.into();
        let prctl = [libc::PR_SET_PDEATHSIG.into(), kill, 0, 0, 0, 0];
        check("prctl", call(libc::SYS_prctl, prctl));
        loop {
            act();
        }
    });
}

fn work() {
    let bytes = 8 << 12;
    let address = mmap(bytes, READ_WRITE, MAP, -1, 0);
    close(open(c"/dev/null", libc::O_RDONLY));
    call(libc::SYS_openat, [-1, c"".as_ptr() as i64, 0, 0, 0, 0]);
    spin(1);
    let unmap = [address, bytes, 0, 0, 0, 0];
    check("munmap", call(libc::SYS_munmap, unmap));
    sleep(50);
}

fn run(_: &mut crate::state::State, a: &Arguments) {
    let program = std::ffi::OsStr::from_bytes(a.text.as_bytes());
    for _ in 0..a.n {
        must("run", std::process::Command::new(program).status());
    }
}

/// Ends the victim if a thing that must work did not.
pub fn must<T>(what: &str, result: std::io::Result<T>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => {
            eprintln!("victim: {what}: {error}");
            std::process::exit(70);
        }
    }
}

fn tcp(a: &Arguments) {
    let total = usize::try_from(a.bytes).unwrap_or(0);
    let listener = must("bind", TcpListener::bind("127.0.0.1:0"));
    let address = must("address", listener.local_addr());
    let child = fork(|| {
        let mut stream = must("connect", TcpStream::connect(address));
        let mut buffer = vec![0; 1 << 16];
        while must("read", stream.read(&mut buffer)) > 0 {}
    });
    let (mut stream, _) = must("accept", listener.accept());
    must("write", stream.write_all(&vec![0x5a; total / 2]));
    let file = must("tempfile", unnamed(total - total / 2));
    let mut sent = 0;
    while sent < total - total / 2 {
        let left = (total - total / 2 - sent) as i64;
        let arguments = [
            stream.as_raw_fd().into(),
            file.as_raw_fd().into(),
            0,
            left,
            0,
            0,
        ];
        sent +=
            usize::try_from(check("sendfile", call(libc::SYS_sendfile, arguments))).unwrap_or(0);
    }
    drop(stream);
    wait(child);
}

/// A file of so many bytes without a name, at its beginning.
fn unnamed(bytes: usize) -> std::io::Result<File> {
    use std::{io::Seek as _, os::fd::FromRawFd as _};
    let fd = check(
        "memfd_create",
        call(
            libc::SYS_memfd_create,
            [c"sent".as_ptr() as i64, 0, 0, 0, 0, 0],
        ),
    );
    // SAFETY: a descriptor that was made just now and is nobody else's.
    let mut file = unsafe { File::from_raw_fd(fd as i32) };
    file.write_all(&vec![0x5a; bytes])?;
    file.rewind()?;
    Ok(file)
}

fn udp(a: &Arguments) {
    let size = usize::try_from(a.bytes).unwrap_or(0);
    let here = must("bind", UdpSocket::bind("[::1]:0"));
    let there = must("bind", UdpSocket::bind("[::1]:0"));
    let (from, to) = (
        must("address", here.local_addr()),
        must("address", there.local_addr()),
    );
    let child = fork(|| {
        let mut buffer = vec![0; size];
        // A look ahead takes nothing.
        must("peek", there.peek_from(&mut buffer));
        for _ in 0..a.n {
            must("receive", there.recv_from(&mut buffer));
            must("answer", there.send_to(&[1], from));
        }
    });
    let datagram = vec![0x5a; size];
    let mut answer = [0; 8];
    for _ in 0..a.n {
        must("send", here.send_to(&datagram, to));
        must("answer", here.recv_from(&mut answer));
    }
    wait(child);
}
