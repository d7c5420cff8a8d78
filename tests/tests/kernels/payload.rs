//! Socket payload: by tracepoints, and before Linux 6.3 by the exits of functions.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::fd::AsRawFd,
    ptr, thread,
    time::{Duration, Instant},
};

use procmon_tests::{Procmon, Program, need, payload, watching::objects};
use tempfile::NamedTempFile;

use crate::{LIMIT, key};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// A procmon that watches this process, who is sender and receiver both.
struct Watched {
    procmon: Program,
    file: NamedTempFile,
}

impl Watched {
    /// Or the reason why nothing can be counted exactly.
    fn start() -> Result<Self, String> {
        payload::exact()?;
        let file = NamedTempFile::new().unwrap();
        let procmon = Procmon::new("run")
            .pid(std::process::id())
            .args(["--interval", "100ms", "--jsonl"])
            .arg(file.path())
            .start_watching(LIMIT)
            .unwrap();
        Ok(Self { procmon, file })
    }

    /// Bytes received and transmitted, as last written.
    fn counted(&self) -> [Option<f64>; 2] {
        let text = fs::read_to_string(self.file.path()).unwrap();
        let last = objects(&text).pop();
        ["receive", "transmit"].map(|direction| {
            let key = key("process.network.io", "network.io.direction", direction);
            last.as_ref()?.get(&key)
        })
    }

    /// It comes to exactly this, and stays there.
    fn assert_counts(self, received: usize, transmitted: usize) {
        let wanted = [received, transmitted].map(|bytes| Some(bytes as f64));
        let until = Instant::now() + LIMIT;
        while self.counted().iter().zip(wanted).any(|(is, to)| *is < to) {
            assert!(Instant::now() < until, "{:?} of {wanted:?}", self.counted());
            thread::sleep(Duration::from_millis(50));
        }
        thread::sleep(Duration::from_millis(300));
        assert_eq!(self.counted(), wanted);
        self.procmon.signal(libc::SIGINT).unwrap();
        assert!(self.procmon.wait(LIMIT).unwrap().status.success());
    }
}

#[test]
fn network_payload_is_counted_exactly_on_this_kernel() {
    let watched = need!(Watched::start());
    let mut moved = tcp(V4, 3, 100_000) + sendfile(70_000) + udp(10, 1_000) + many(8, 500);
    if TcpListener::bind(SocketAddr::new(V6, 0)).is_ok() {
        moved += tcp(V6, 2, 25_000);
    }
    watched.assert_counts(moved, moved);
}

#[test]
fn splice_into_a_socket_is_counted_and_splice_out_of_one_is_not() {
    // Sockets that were there before procmon count like any other.
    let (sender, receiver) = pair(V4);
    let (unseen_sender, unseen_receiver) = pair(V4);
    let watched = need!(Watched::start());
    let received = receive(receiver);
    let (mut from, mut to) = std::io::pipe().unwrap();
    for _ in 0..3 {
        to.write_all(&[b'x'; 20_000]).unwrap();
        splice(&from, &sender, 20_000);
    }
    drop(sender);
    assert_eq!(received.join().unwrap(), 60_000);

    (&unseen_sender).write_all(&[b'x'; 7_000]).unwrap();
    splice(&unseen_receiver, &to, 7_000);
    from.read_exact(&mut [0; 7_000]).unwrap();
    watched.assert_counts(60_000, 67_000);
}

/// A connection with ourselves.
fn pair(address: IpAddr) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(SocketAddr::new(address, 0)).unwrap();
    let sender = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (sender, listener.accept().unwrap().0)
}

fn receive(mut from: TcpStream) -> thread::JoinHandle<usize> {
    thread::spawn(move || from.read_to_end(&mut Vec::new()).unwrap())
}

fn tcp(address: IpAddr, times: usize, bytes: usize) -> usize {
    let (mut sender, receiver) = pair(address);
    // Looked at, but not taken.
    sender.write_all(b"x").unwrap();
    receiver.peek(&mut [0; 8]).unwrap();
    let received = receive(receiver);
    for _ in 0..times {
        sender.write_all(&vec![b'x'; bytes]).unwrap();
    }
    drop(sender);
    assert_eq!(received.join().unwrap(), 1 + times * bytes);
    1 + times * bytes
}

fn udp(times: usize, bytes: usize) -> usize {
    let [sender, receiver] = [0; 2].map(|_| UdpSocket::bind(SocketAddr::new(V4, 0)).unwrap());
    sender.connect(receiver.local_addr().unwrap()).unwrap();
    for _ in 0..times {
        sender.send(&vec![b'x'; bytes]).unwrap();
        assert_eq!(receiver.peek(&mut [0; 16]).unwrap(), 16);
        assert_eq!(receiver.recv(&mut vec![0; 2 * bytes]).unwrap(), bytes);
    }
    times * bytes
}

/// Datagrams by sendmmsg and recvmmsg, all in one call each.
fn many(times: usize, bytes: usize) -> usize {
    let [sender, receiver] = [0; 2].map(|_| UdpSocket::bind(SocketAddr::new(V4, 0)).unwrap());
    sender.connect(receiver.local_addr().unwrap()).unwrap();
    let mut buffer = vec![b'x'; bytes];
    let mut part = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: bytes,
    };
    // SAFETY: an all-zero msghdr is one, and mmsghdr holds nothing more but a number.
    let mut messages: Vec<libc::mmsghdr> =
        (0..times).map(|_| unsafe { std::mem::zeroed() }).collect();
    for message in &mut messages {
        message.msg_hdr.msg_iov = &raw mut part;
        message.msg_hdr.msg_iovlen = 1;
    }
    let (list, length) = (messages.as_mut_ptr(), times as u32);
    // SAFETY: sendmmsg(2) and recvmmsg(2) with open descriptors and messages that live; that all
    // share one buffer only means that the last one received stays in it.
    let done = unsafe {
        [
            libc::sendmmsg(sender.as_raw_fd(), list, length, 0),
            libc::recvmmsg(receiver.as_raw_fd(), list, length, 0, ptr::null_mut()),
        ]
    };
    assert_eq!(done, [times as i32; 2]);
    times * bytes
}

fn sendfile(bytes: usize) -> usize {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&vec![b'x'; bytes]).unwrap();
    let (sender, receiver) = pair(V4);
    let received = receive(receiver);
    let mut offset = 0;
    while (offset as usize) < bytes {
        // SAFETY: sendfile(2) with open descriptors and a place for the offset.
        let sent = unsafe {
            libc::sendfile(
                sender.as_raw_fd(),
                file.as_raw_fd(),
                ptr::from_mut(&mut offset),
                bytes,
            )
        };
        assert!(sent > 0, "{}", std::io::Error::last_os_error());
    }
    drop(sender);
    assert_eq!(received.join().unwrap(), bytes);
    bytes
}

/// Moves all of it; one of both is a pipe.
fn splice(from: &impl AsRawFd, to: &impl AsRawFd, bytes: usize) {
    let mut left = bytes;
    while left > 0 {
        // SAFETY: splice(2) with open descriptors, without offsets.
        let moved = unsafe {
            libc::splice(
                from.as_raw_fd(),
                ptr::null_mut(),
                to.as_raw_fd(),
                ptr::null_mut(),
                left,
                0,
            )
        };
        assert!(moved > 0, "{}", std::io::Error::last_os_error());
        left -= moved as usize;
    }
}
