//! Socket payload: by tracepoints, and before Linux 6.3 by the exits of functions.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::fd::AsRawFd as _,
    ptr, thread,
    time::{Duration, Instant},
};

use procmon_tests::{Procmon, jsonl};

use crate::{LIMIT, key};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// Payload moved, in both directions: sender and receiver are both this process.
#[test]
fn network_payload_is_counted_exactly_on_this_kernel() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let procmon = Procmon::new("run")
        .pid(std::process::id())
        .args(["--interval", "100ms", "--jsonl"])
        .arg(file.path())
        .start()
        .unwrap();
    procmon
        .wait_for_stderr(LIMIT, |text| text.contains("watching"))
        .unwrap();

    let mut moved = tcp(V4, 3, 100_000) + sendfile(70_000) + udp(10, 1_000);
    if TcpListener::bind(SocketAddr::new(V6, 0)).is_ok() {
        moved += tcp(V6, 2, 25_000);
    }

    let until = Instant::now() + LIMIT;
    let directions = ["receive", "transmit"];
    let keys = directions.map(|value| key("process.network.io", "network.io.direction", value));
    let counted = || {
        let text = fs::read_to_string(file.path()).unwrap();
        let last = jsonl::parse(&text[..text.rfind('\n').map_or(0, |end| end + 1)])
            .unwrap()
            .pop();
        last.map_or([None; 2], |last| keys.each_ref().map(|key| last.get(key)))
    };
    while counted().iter().any(|value| *value < Some(moved as f64)) {
        assert!(Instant::now() < until, "{:?} of {moved}", counted());
        thread::sleep(Duration::from_millis(50));
    }
    thread::sleep(Duration::from_millis(300));
    assert_eq!(counted(), [Some(moved as f64); 2]);
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
