//! Loopback addresses that nobody else takes.

use std::{
    process,
    sync::atomic::{AtomicU8, Ordering},
};

use anyhow::{Context as _, Result};

/// Below the ports that the kernel gives out by itself (`net.ipv4.ip_local_port_range`).
const PORT: u16 = 24317;

/// An address for a server that is still to be started, or that is not to be there.
///
/// One that was tried and let go of again can be somebody else's by the time the server binds it:
/// the kernel gives its port out, and a process that is just being started holds it until its
/// execve. So none is tried: each has a host of the loopback network to itself.
pub fn free() -> String {
    format!("{}:{PORT}", host())
}

/// Host and port of an address, for programs that want them apart.
pub fn parts(address: &str) -> Result<(&str, &str)> {
    address.split_once(':').context("no port")
}

/// A host of the loopback network, 127.0.0.0/8, another one each time: of the first 250 that this
/// process asks for, none is another's.
pub fn host() -> String {
    static NEXT: AtomicU8 = AtomicU8::new(0);
    let own = process::id();
    let [high, low] = [own / 250 % 250 + 1, own % 250 + 1];
    let next = NEXT.fetch_add(1, Ordering::Relaxed) % 250 + 1;
    format!("127.{high}.{low}.{next}")
}
