//! What a process holds of the network.

/// A state of a TCP socket that a process can hold (tcp_states.h). One in
/// TIME_WAIT belongs to the kernel alone, and one that is bound to no port or
/// closed again is no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionState {
    /// TCP_ESTABLISHED.
    Established,
    /// TCP_SYN_SENT.
    SynSent,
    /// TCP_SYN_RECV.
    SynReceived,
    /// TCP_FIN_WAIT1.
    FinWait1,
    /// TCP_FIN_WAIT2.
    FinWait2,
    /// TCP_CLOSE_WAIT.
    CloseWait,
    /// TCP_LAST_ACK.
    LastAck,
    /// TCP_LISTEN.
    Listen,
    /// TCP_CLOSING.
    Closing,
}

impl ConnectionState {
    /// Every state.
    pub const ALL: [Self; 9] = [
        Self::Established,
        Self::SynSent,
        Self::SynReceived,
        Self::FinWait1,
        Self::FinWait2,
        Self::CloseWait,
        Self::LastAck,
        Self::Listen,
        Self::Closing,
    ];

    /// The state of a number of include/net/tcp_states.h.
    pub fn from_number(number: u64) -> Option<Self> {
        Some(match number {
            1 => Self::Established,
            2 => Self::SynSent,
            3 => Self::SynReceived,
            4 => Self::FinWait1,
            5 => Self::FinWait2,
            8 => Self::CloseWait,
            9 => Self::LastAck,
            10 => Self::Listen,
            11 => Self::Closing,
            _ => return None,
        })
    }

    /// The value of `network.connection.state`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Established => "established",
            Self::SynSent => "syn_sent",
            Self::SynReceived => "syn_received",
            Self::FinWait1 => "fin_wait_1",
            Self::FinWait2 => "fin_wait_2",
            Self::CloseWait => "close_wait",
            Self::LastAck => "last_ack",
            Self::Listen => "listen",
            Self::Closing => "closing",
        }
    }
}

/// The IPv4 and IPv6 sockets of a process; one that two descriptors share
/// counts once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connections {
    tcp: [u64; ConnectionState::ALL.len()],
    /// UDP sockets that are bound to a port.
    pub udp: u64,
    /// Established connections that it opened, by remote port: the most first.
    pub remote_ports: Vec<(u16, u64)>,
}

impl Connections {
    /// Remote ports that are kept, of the most connections.
    const PORTS: usize = 10;

    /// Counts a TCP socket.
    pub fn add_tcp(&mut self, state: ConnectionState) {
        self.tcp[state as usize] += 1;
    }

    /// Counts an established connection that the process opened.
    pub fn add_opened(&mut self, remote_port: u16) {
        let ports = &mut self.remote_ports;
        match ports.binary_search_by_key(&remote_port, |(port, _)| *port) {
            Ok(at) => ports[at].1 += 1,
            Err(at) => ports.insert(at, (remote_port, 1)),
        }
    }

    /// Puts the remote ports with the most connections first, and keeps those.
    pub fn rank(&mut self) {
        self.remote_ports
            .sort_by_key(|(port, count)| (std::cmp::Reverse(*count), *port));
        self.remote_ports.truncate(Self::PORTS);
        self.remote_ports.shrink_to_fit();
    }

    /// TCP sockets in a state.
    pub fn tcp(&self, state: ConnectionState) -> u64 {
        self.tcp[state as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ports_with_the_most_connections_are_kept() {
        let mut connections = Connections::default();
        for port in 1..=20 {
            for _ in 0..port {
                connections.add_opened(port);
            }
        }
        connections.rank();
        let expected: Vec<_> = (11..=20).rev().map(|n| (n, u64::from(n))).collect();
        assert_eq!(connections.remote_ports, expected);
    }
}
