//! Which of several roads the kernel half takes to a number, in the order in
//! which they are preferred.

use super::probe::{ProbeState, ProbeStatus, named};

/// The roads to one kind of number.
struct Choice {
    /// What they lead to.
    to: &'static str,
    /// The probe that stands for them.
    probe: &'static str,
    /// The best first: taken by a probe that is active, the next by one that is
    /// degraded.
    roads: &'static [&'static str],
    /// The road that is left when the probe does not work.
    last: Option<&'static str>,
}

/// fexit is no road to system calls, though untraced ones would cost nothing:
/// it loses whoever is inside the function when another tracer comes to it or
/// leaves it (bpf_tramp_image_put, kernel/bpf/trampoline.c; `cargo xtask bench
/// -- --only roads`). Before Linux 6.3 there is no other road to payload.
const CHOICES: &[Choice] = &[
    Choice {
        to: "totals",
        probe: "snapshot",
        roads: &["task iterator"],
        last: Some("/proc"),
    },
    Choice {
        to: "ends",
        probe: "switch",
        roads: &["sched_switch of the last thread"],
        last: Some("/proc at each tick, pidfds"),
    },
    Choice {
        to: "system calls",
        probe: "mmap",
        roads: &["exit tracepoints", "sys_exit, filtered by number"],
        last: None,
    },
    Choice {
        to: "socket payload",
        probe: "send",
        roads: &[
            "sock_send_length, sock_recv_length",
            "fexit on the functions of inet sockets",
        ],
        last: None,
    },
    Choice {
        to: "control groups",
        probe: "cgroup_mkdir",
        roads: &["ids of the processes, cgroup_mkdir"],
        last: Some("/proc at first sight"),
    },
    Choice {
        to: "memory kills",
        probe: "oom",
        roads: &["oom:mark_victim"],
        last: None,
    },
];

/// A road and whether it is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Road {
    /// What it is.
    pub name: &'static str,
    /// Whether it is the one that is taken.
    pub taken: bool,
}

/// The roads to one kind of number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roads {
    /// What they lead to.
    pub to: &'static str,
    /// The best first.
    pub roads: Vec<Road>,
    /// Why it is not the best that is taken; why none is, if none is.
    pub reason: Option<String>,
}

/// The roads that these probes take; `probes` is empty without kernel programs.
pub fn roads(probes: &[ProbeStatus]) -> Vec<Roads> {
    CHOICES.iter().map(|choice| choice.made(probes)).collect()
}

impl Choice {
    fn made(&self, probes: &[ProbeStatus]) -> Roads {
        let state = named(probes, self.probe).map(|status| &status.state);
        let all = || self.roads.iter().copied().chain(self.last);
        let taken = match state {
            Some(ProbeState::Active) => self.roads.first().copied(),
            Some(ProbeState::Degraded(_)) => self.roads.get(1).copied(),
            _ => self.last,
        };
        Roads {
            to: self.to,
            roads: all()
                .map(|name| Road {
                    name,
                    taken: taken == Some(name),
                })
                .collect(),
            reason: match state {
                Some(state) => state.reason().map(str::to_owned),
                None => Some("no kernel programs".to_owned()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use procmon_common::probes::PROBES;

    use super::*;

    fn taken(state: Option<ProbeState>) -> Vec<(&'static str, Option<&'static str>)> {
        let probes: Vec<ProbeStatus> = state
            .iter()
            .flat_map(|state| {
                PROBES.iter().map(|probe| ProbeStatus {
                    probe,
                    state: state.clone(),
                })
            })
            .collect();
        let taken = |of: Roads| {
            let road = of.roads.iter().find(|road| road.taken);
            (of.to, road.map(|road| road.name))
        };
        roads(&probes).into_iter().map(taken).collect()
    }

    #[test]
    fn each_choice_stands_on_a_probe_of_the_table() {
        for choice in CHOICES {
            assert!(PROBES.iter().any(|probe| probe.name == choice.probe));
        }
    }

    #[test]
    fn the_state_of_the_probe_says_which_road_is_taken() {
        let active = taken(Some(ProbeState::Active));
        assert!(active.contains(&("system calls", Some("exit tracepoints"))));
        assert!(active.contains(&("totals", Some("task iterator"))));
        let degraded = taken(Some(ProbeState::Degraded("why".to_owned())));
        assert!(degraded.contains(&("system calls", Some("sys_exit, filtered by number"))));
        let none = taken(None);
        assert!(none.contains(&("system calls", None)));
        assert!(none.contains(&("totals", Some("/proc"))));
    }
}
