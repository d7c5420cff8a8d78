//! Payload of sockets: bytes and calls, by direction and transport.
//!
//! Hooks: sock:sock_send_length and sock:sock_recv_length (net/socket.c,
//! Linux 6.3), which fire in the process that sends or receives, sendfile
//! included; else the exits of the functions they stand in. What is only
//! peeked at comes as length 0; splice from a socket does not come by.

use aya_ebpf::macros::{btf_tracepoint, fexit};
use aya_ebpf::programs::{BtfTracePointContext, FExitContext};
use procmon_common::{Counter, Field};

use crate::count;
use crate::offsets::{Object, load};

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
// include/uapi/linux/in.h.
const IPPROTO_TCP: u16 = 6;
const IPPROTO_UDP: u16 = 17;
const IPPROTO_UDPLITE: u16 = 136;
const IPPROTO_MPTCP: u16 = 262;
/// include/linux/socket.h.
const MSG_PEEK: i32 = 2;

/// sock_send_length(sk, ret, flags).
#[btf_tracepoint(function = "sock_send_length")]
pub fn socket_send(ctx: BtfTracePointContext) -> i32 {
    transfer(ctx.arg(0), ctx.arg(1), TRANSMIT);
    0
}

/// sock_recv_length(sk, ret, flags).
#[btf_tracepoint(function = "sock_recv_length")]
pub fn socket_receive(ctx: BtfTracePointContext) -> i32 {
    receive(ctx.arg(0), ctx.arg(1), ctx.arg(2));
    0
}

/// inet_sendmsg(socket, msg, size).
#[fexit(function = "inet_sendmsg")]
pub fn inet_send(ctx: FExitContext) -> i32 {
    transfer(sock(ctx.arg(0)), ctx.arg(3), TRANSMIT);
    0
}

/// inet6_sendmsg(socket, msg, size).
#[fexit(function = "inet6_sendmsg")]
pub fn inet6_send(ctx: FExitContext) -> i32 {
    transfer(sock(ctx.arg(0)), ctx.arg(3), TRANSMIT);
    0
}

/// inet_sendpage(socket, page, offset, size, flags): sendfile, until Linux 6.5.
#[fexit(function = "inet_sendpage")]
pub fn inet_sendpage(ctx: FExitContext) -> i32 {
    transfer(sock(ctx.arg(0)), ctx.arg(5), TRANSMIT);
    0
}

/// inet_recvmsg(socket, msg, size, flags).
#[fexit(function = "inet_recvmsg")]
pub fn inet_receive(ctx: FExitContext) -> i32 {
    receive(sock(ctx.arg(0)), ctx.arg(4), ctx.arg(3));
    0
}

/// inet6_recvmsg(socket, msg, size, flags).
#[fexit(function = "inet6_recvmsg")]
pub fn inet6_receive(ctx: FExitContext) -> i32 {
    receive(sock(ctx.arg(0)), ctx.arg(4), ctx.arg(3));
    0
}

/// The counters of one direction.
struct Direction {
    bytes: Counter,
    tcp: Counter,
    udp: Counter,
}

const TRANSMIT: Direction = Direction {
    bytes: Counter::NetworkTransmitted,
    tcp: Counter::TcpTransmits,
    udp: Counter::UdpTransmits,
};
const RECEIVE: Direction = Direction {
    bytes: Counter::NetworkReceived,
    tcp: Counter::TcpReceives,
    udp: Counter::UdpReceives,
};

/// The network layer's half of a socket.
#[inline(always)]
fn sock(socket: Object) -> Object {
    // SAFETY: a socket the verifier knows.
    unsafe { load::<u64>(socket, Field::SocketSock) as Object }
}

#[inline(always)]
fn receive(sock: Object, ret: i32, flags: i32) {
    if flags & MSG_PEEK == 0 {
        transfer(sock, ret, RECEIVE);
    }
}

/// Counts a send or a receive that returned `ret`.
#[inline(always)]
fn transfer(sock: Object, ret: i32, direction: Direction) {
    if ret < 0 {
        return;
    }
    // SAFETY: a sock the verifier knows.
    let (family, protocol) = unsafe {
        (
            load::<u16>(sock, Field::SockFamily),
            load::<u16>(sock, Field::SockProtocol),
        )
    };
    if family != AF_INET && family != AF_INET6 {
        return;
    }
    let Some(entry) = count::current() else {
        return;
    };
    count::add(entry, direction.bytes, ret as u64);
    match protocol {
        IPPROTO_TCP | IPPROTO_MPTCP => count::add(entry, direction.tcp, 1),
        IPPROTO_UDP | IPPROTO_UDPLITE => count::add(entry, direction.udp, 1),
        _ => {}
    }
}
