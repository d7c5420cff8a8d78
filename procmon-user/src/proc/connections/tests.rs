//! Tables as the kernel writes them, and our own sockets.

use std::net::{TcpListener, TcpStream, UdpSocket};

use super::*;
use crate::proc::clock::now_boot_ns;
use crate::proc::read_totals;
use proptest::prelude::*;

const TCP: &[u8] = b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1 0000 100 0 0 10 0\n\
   1: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 12 1 0000 100 0 0 10 0\n\
   2: 0100007F:C351 0100007F:1538 01 00000000:00000000 00:00000000 00000000     0        0 13 1 0000 100 0 0 10 0\n\
   3: 0100007F:C352 0100007F:1538 08 00000000:00000000 00:00000000 00000000     0        0 14 1 0000 100 0 0 10 0\n\
   4: 0100007F:C353 0100007F:1538 06 00000000:00000000 03:00001500 00000000     0        0 0 3 0000\n";
const UDP: &[u8] = b"  sl  local_address rem_address   st\n\
  100: 00000000:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 21 2 0000 0\n";

#[test]
fn sockets_are_counted_by_state_and_remote_port() {
    let mut table = Table::default();
    table.parse(TCP, true).unwrap();
    table.parse(UDP, false).unwrap();
    let mut found = Connections::default();
    table.count(&[11, 12, 13, 14, 15, 21], &mut found);
    let tcp: Vec<_> = ConnectionState::ALL
        .iter()
        .filter(|state| found.tcp(**state) > 0)
        .map(|state| (state.name(), found.tcp(*state)))
        .collect();
    assert_eq!(tcp, [("established", 2), ("close_wait", 1), ("listen", 1)]);
    // The one to the listener's port was not opened from here.
    assert_eq!((found.udp, found.remote_ports), (1, vec![(0x1538, 1)]));
}

#[test]
fn a_line_that_is_none_is_an_error() {
    let mut table = Table::default();
    assert!(table.parse(b"head\n 0: x y\n", true).is_err());
    assert_eq!(socket(b"socket:[12]"), Some(12));
    assert_eq!(socket(b"pipe:[12]"), None);
}

#[test]
fn our_own_are_found_once_each() {
    let (root, mut errors) = (ProcRoot::system(), ReadErrors::default());
    let own = read_totals(&root, std::process::id(), &mut errors).unwrap();
    let candidate = Candidate {
        id: own.id,
        size: own.totals.descriptors.unwrap(),
    };
    let listener = TcpListener::bind("[::1]:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let _second = (stream.try_clone().unwrap(), UdpSocket::bind("127.0.0.1:0"));
    let mut reader = ConnectionReader::default();
    reader.round(&root, &[candidate], &mut errors);
    let mut totals = Totals::default();
    reader.fill(own.id, now_boot_ns(), &mut totals);
    // Other tests have sockets too; to this port there is one.
    let found = totals.connections.unwrap();
    assert!(found.tcp(ConnectionState::Listen) >= 1 && found.udp >= 1);
    let mut table = Table::default();
    let dir = ProcessDir::open(&root, own.id.pid).unwrap();
    let buf = &mut Vec::new();
    let held = sockets(&dir, "", buf).unwrap();
    for (name, tcp) in TABLES {
        dir.read(name, buf).unwrap();
        table.parse(buf, tcp).unwrap();
    }
    let to_port = held.iter().filter(|inode| {
        matches!(table.sockets.get(inode), Some(Socket::Tcp { remote_port, .. }) if *remote_port == port)
    });
    assert_eq!(to_port.count(), 1);
    assert_eq!(errors.as_slice(), []);
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, at in 0usize..TCP.len()) {
        let _ = (socket(&bytes), port(&bytes));
        let _ = Table::default().parse(&bytes, true);
        let _ = Table::default().parse(&TCP[..at], true);
    }
}
