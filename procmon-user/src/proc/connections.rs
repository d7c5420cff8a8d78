//! Connections of a process: the sockets among its descriptors
//! (proc_pid_fd(5)), looked up in /proc/PID/net/{tcp,tcp6,udp,udp6}
//! (proc_pid_net(5), Documentation/networking/proc_net_tcp.rst).
//!
//! sock_diag(7) would write the same tables at half the cost (13,000 sockets:
//! 14 ms instead of 30, on a kernel 6.18), but only those of the reader's own
//! network namespace, and the descriptors cost twice as much as either
//! (15,000: 57 ms). A table of /proc/PID/net is that of the process's
//! namespace, without entering it; it is read once a round for all processes
//! that share the namespace.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::schedule::{Budget, Candidate, Schedule};
use super::uss::{open, round};
use super::{Error, Malformed, ProcRoot, ProcessDir, ReadErrors, text};
use crate::process::{ConnectionState, Connections, ProcessId, Totals};

/// The tables, and whether they are of TCP.
const TABLES: [(&str, bool); 4] = [
    ("net/tcp", true),
    ("net/tcp6", true),
    ("net/udp", false),
    ("net/udp6", false),
];
/// The longest table that is read: 27,000 sockets, 60 ms.
const LONGEST: usize = 4 << 20;

/// Half a percent of a CPU at most, and no process whose descriptors alone
/// would take 40 ms.
fn budget() -> Budget {
    Budget {
        max_size: 20_000,
        guess: |descriptors| 100_000 + descriptors * 2_000,
        renew: Duration::from_secs(2),
        per_window: Duration::from_millis(300),
        keep: Duration::from_secs(120),
        ..Budget::default()
    }
}

/// Reads the connections of some processes on each tick, and remembers them.
#[derive(Debug)]
pub struct ConnectionReader {
    schedule: Schedule<Arc<Connections>>,
    buf: Vec<u8>,
}

impl Default for ConnectionReader {
    fn default() -> Self {
        Self {
            schedule: Schedule::new(budget()),
            buf: Vec::new(),
        }
    }
}

impl ConnectionReader {
    /// Reads as many of the living processes as the budget allows, the oldest
    /// value first. The size of a candidate is its descriptors.
    pub fn round(&mut self, root: &ProcRoot, candidates: &[Candidate], errors: &mut ReadErrors) {
        let mut tables = Tables::default();
        let buf = &mut self.buf;
        round(&mut self.schedule, candidates, |id| {
            let read = read(root, id, &mut tables, buf);
            // One that has gone since is no error.
            errors.keep("connections", read).unwrap_or(None)
        });
    }

    /// Fills in `connections`, where there is a value that is not too old.
    pub fn fill(&self, id: ProcessId, at_boot_ns: u64, totals: &mut Totals) {
        let found = self.schedule.get(id, at_boot_ns);
        totals.connections = found.map(|(value, _)| value);
    }
}

/// The tables of each network namespace, by the text of its link.
type Tables = HashMap<Vec<u8>, Rc<Table>>;

/// The sockets of a network namespace.
#[derive(Debug, Default)]
struct Table {
    sockets: HashMap<u64, Socket>,
    /// Local ports that are listened on: connections there came from outside.
    listening: HashSet<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Socket {
    Tcp {
        state: ConnectionState,
        local_port: u16,
        remote_port: u16,
    },
    Udp,
}

fn read(
    root: &ProcRoot,
    id: ProcessId,
    tables: &mut Tables,
    buf: &mut Vec<u8>,
) -> Result<Arc<Connections>, Error> {
    open(root, id, buf, |dir, prefix, buf| {
        let inodes = sockets(dir, prefix, buf)?;
        let mut connections = Connections::default();
        if !inodes.is_empty() {
            let namespace = dir.link(&format!("{prefix}ns/net"))?;
            let table = match tables.get(&namespace) {
                Some(table) => Rc::clone(table),
                None => {
                    let table = Rc::new(Table::read(dir, prefix, buf)?);
                    tables.insert(namespace, Rc::clone(&table));
                    table
                }
            };
            table.count(&inodes, &mut connections);
        }
        Ok(Arc::new(connections))
    })
}

/// Inodes of the sockets among a process's descriptors, each once.
fn sockets(dir: &ProcessDir<'_>, prefix: &str, buf: &mut Vec<u8>) -> Result<Vec<u64>, Error> {
    let mut inodes = Vec::new();
    let folder = format!("{prefix}fd");
    dir.entries(&folder, buf, |name| {
        // One that was closed meanwhile is none.
        if let Ok(target) = dir.link(&format!("{folder}/{}", text::lossy(name))) {
            inodes.extend(socket(&target));
        }
    })?;
    inodes.sort_unstable();
    inodes.dedup();
    Ok(inodes)
}

/// The inode of `socket:[1234]`.
fn socket(target: &[u8]) -> Option<u64> {
    text::number(target.strip_prefix(b"socket:[")?.strip_suffix(b"]")?)
}

impl Table {
    fn read(dir: &ProcessDir<'_>, prefix: &str, buf: &mut Vec<u8>) -> Result<Self, Error> {
        let mut table = Self::default();
        for (name, tcp) in TABLES {
            let name = format!("{prefix}{name}");
            match dir.read_start(&name, LONGEST, buf) {
                // A kernel without IPv6.
                Err(error) if error.cause() == "ENOENT" => continue,
                read => read?,
            }
            if buf.len() == LONGEST {
                let errno = rustix::io::Errno::FBIG;
                return Err(Error::io(&dir.path(&name), errno));
            }
            table
                .parse(buf, tcp)
                .map_err(|malformed| malformed.at(dir.path(&name)))?;
        }
        Ok(table)
    }

    /// Takes in a table; its first line holds the columns' names.
    fn parse(&mut self, text: &[u8], tcp: bool) -> Result<(), Malformed> {
        for line in text::lines(text).skip(1) {
            let bad = || Malformed::new("a socket", line);
            let mut fields = text::fields(line);
            let local_port = fields.nth(1).and_then(port).ok_or_else(bad)?;
            let remote_port = fields.next().and_then(port).ok_or_else(bad)?;
            let state = fields.next().and_then(hexadecimal).ok_or_else(bad)?;
            let inode = fields.nth(5).and_then(text::number).ok_or_else(bad)?;
            // Nobody holds it: it is in TIME_WAIT, or its last bytes are on the way.
            if inode == 0 {
                continue;
            }
            let socket = match ConnectionState::from_number(state) {
                _ if !tcp => Socket::Udp,
                Some(state) => Socket::Tcp {
                    state,
                    local_port,
                    remote_port,
                },
                None => continue,
            };
            if let Socket::Tcp {
                state: ConnectionState::Listen,
                ..
            } = socket
            {
                self.listening.insert(local_port);
            }
            self.sockets.insert(inode, socket);
        }
        Ok(())
    }

    /// Counts those of these inodes that are in the table; the others are
    /// sockets of other families, or not bound to any port.
    fn count(&self, inodes: &[u64], connections: &mut Connections) {
        for socket in inodes.iter().filter_map(|inode| self.sockets.get(inode)) {
            match *socket {
                Socket::Udp => connections.udp += 1,
                Socket::Tcp {
                    state,
                    local_port,
                    remote_port,
                } => {
                    connections.add_tcp(state);
                    if state == ConnectionState::Established
                        && !self.listening.contains(&local_port)
                    {
                        connections.add_opened(remote_port);
                    }
                }
            }
        }
        connections.rank();
    }
}

/// The port of `0100007F:1F90`.
fn port(address: &[u8]) -> Option<u16> {
    let colon = address.iter().rposition(|byte| *byte == b':')?;
    u16::try_from(hexadecimal(&address[colon + 1..])?).ok()
}

fn hexadecimal(text: &[u8]) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(text).ok()?, 16).ok()
}

#[cfg(test)]
mod tests;
