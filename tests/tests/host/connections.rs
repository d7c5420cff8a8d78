//! Connections of a process, by state.

use std::{collections::BTreeMap, os::unix::process::CommandExt as _};

use procmon_tests::{
    Victim,
    watching::{ROADS, once},
};

const METRIC: &str = "procmon.network.connection.count";
/// In every state that can be had and kept: what the victim opens...
const OPENED: &str = "listen=3 connect=5 half-close=2 bind-udp=4 print-ready wait";
/// ... and what it holds then.
const HELD: [(&str, f64); 5] = [
    ("close_wait", 2.0),
    ("established", 10.0),
    ("fin_wait_2", 2.0),
    ("listen", 5.0),
    ("udp", 4.0),
];

/// What is not 0 of a process's connections: by state, and of UDP.
fn connections(pid: u32, road: &[&str]) -> BTreeMap<String, f64> {
    let mut found = BTreeMap::new();
    let mut states = 0;
    for (key, value) in once(pid, road).metrics {
        let Some(attributes) = key.strip_prefix(METRIC) else {
            continue;
        };
        states += 1;
        let state = attributes
            .strip_prefix("{network.connection.state=\"")
            .and_then(|rest| rest.strip_suffix("\",network.transport=\"tcp\"}"));
        if state.is_none() {
            assert_eq!(attributes, "{network.transport=\"udp\"}");
        }
        if value != 0.0 {
            found.insert(state.unwrap_or("udp").to_owned(), value);
        }
    }
    // A state without connections is 0, not absent.
    assert_eq!(states, 10);
    found
}

fn held() -> BTreeMap<String, f64> {
    HELD.map(|(state, count)| (state.to_owned(), count)).into()
}

#[test]
fn connections_are_counted_by_state() {
    let mut victim = Victim::held_before(OPENED).unwrap();
    for road in ROADS {
        assert_eq!(connections(victim.pid(), road), BTreeMap::new());
    }
    victim.go().unwrap();
    victim.wait_ready(2).unwrap();
    for road in ROADS {
        assert_eq!(connections(victim.pid(), road), held());
    }
}

#[test]
fn connections_of_another_network_namespace_are_counted_there() {
    let mut victim = Victim::held_as(
        |command| {
            // SAFETY: system calls alone between fork and exec.
            unsafe { command.pre_exec(enter_namespace) };
        },
        OPENED,
    )
    .unwrap();
    // The same ones here, which are not its own.
    let mut here = Victim::held_before("listen=7 print-ready wait").unwrap();
    for one in [&mut victim, &mut here] {
        one.go().unwrap();
        one.wait_ready(2).unwrap();
    }
    for road in ROADS {
        assert_eq!(connections(victim.pid(), road), held());
    }
}

/// A network namespace with nothing but a loopback interface that is up.
fn enter_namespace() -> std::io::Result<()> {
    let check = |result: i32| match result {
        0.. => Ok(result),
        _ => Err(std::io::Error::last_os_error()),
    };
    // SAFETY: ioctl(2) on a socket made here, with a request whose integers may be zero.
    unsafe {
        check(libc::unshare(libc::CLONE_NEWNET))?;
        let socket = check(libc::socket(libc::AF_INET, libc::SOCK_DGRAM, 0))?;
        let mut request: libc::ifreq = std::mem::zeroed();
        std::ptr::copy_nonoverlapping(c"lo".as_ptr(), request.ifr_name.as_mut_ptr(), 2);
        request.ifr_ifru.ifru_flags = libc::IFF_UP as i16;
        // By its number: C libraries differ in the type of a request's.
        let up = libc::syscall(
            libc::SYS_ioctl,
            socket,
            libc::SIOCSIFFLAGS,
            &raw const request,
        );
        check(i32::try_from(up).unwrap_or(-1))?;
        check(libc::close(socket))?;
    }
    Ok(())
}
