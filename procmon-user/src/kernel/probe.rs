//! How each probe does, and why.

use std::fmt;

use procmon_common::Probe;
use procmon_common::probes::{Family, PROBES};

/// How a probe does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeState {
    /// Attached as intended.
    Active,
    /// Attached by a fallback, or in part.
    Degraded(String),
    /// This kernel does not have what it needs.
    Unsupported(String),
    /// It should have worked and did not.
    Failed(String),
    /// It was attached and is no more.
    Detached(String),
    /// Nothing that it counts was asked for: it was not even loaded.
    Off,
}

impl ProbeState {
    /// The value of `procmon.probe.state`, which one that is off has not.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Degraded(_) => "degraded",
            Self::Unsupported(_) => "unsupported",
            Self::Failed(_) => "failed",
            Self::Detached(_) => "detached",
            Self::Off => "off",
        }
    }

    /// Why; `None` for an active probe.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Active => None,
            Self::Off => Some("none of its metrics was asked for"),
            Self::Degraded(reason)
            | Self::Unsupported(reason)
            | Self::Failed(reason)
            | Self::Detached(reason) => Some(reason),
        }
    }

    /// Whether it counts.
    pub fn works(&self) -> bool {
        matches!(self, Self::Active | Self::Degraded(_))
    }
}

/// A probe and how it does.
#[derive(Clone, Debug)]
pub struct ProbeStatus {
    /// The probe.
    pub probe: &'static Probe,
    /// How it does.
    pub state: ProbeState,
}

impl ProbeStatus {
    /// The family's name, as `doctor` shows it.
    pub fn family(&self) -> &'static str {
        match self.probe.family {
            Family::Memory => "memory",
            Family::Files => "files",
            Family::Sched => "sched",
            Family::Lifecycle | Family::Oom => "lifecycle",
            Family::Cgroup => "cgroup",
            Family::Network => "network",
            Family::Snapshot => "snapshot",
        }
    }
}

impl fmt::Display for ProbeStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.probe.name, self.state.name())?;
        match self.state.reason() {
            Some(reason) => write!(f, " ({reason})"),
            None => Ok(()),
        }
    }
}

/// Every probe, failed for one reason.
pub fn all_failed(reason: &str) -> Vec<ProbeStatus> {
    PROBES
        .iter()
        .map(|probe| ProbeStatus {
            probe,
            state: ProbeState::Failed(reason.to_owned()),
        })
        .collect()
}

/// The probe of this name; `None` when it was not chosen.
pub fn named<'a>(probes: &'a [ProbeStatus], name: &str) -> Option<&'a ProbeStatus> {
    probes.iter().find(|status| status.probe.name == name)
}

/// The one line about all probes that is said at start.
pub fn summary(probes: &[ProbeStatus]) -> String {
    let (probes, off): (Vec<_>, Vec<_>) = probes
        .iter()
        .partition(|status| status.state != ProbeState::Off);
    let off: Vec<_> = off.iter().map(|status| status.probe.name).collect();
    let off = match &off[..] {
        [] => String::new(),
        off => format!("; switched off: {}", off.join(", ")),
    };
    let total = probes.len();
    let active = probes
        .iter()
        .filter(|probe| probe.state == ProbeState::Active)
        .count();
    if active == total {
        return format!("all {total} probes active{off}");
    }
    // One clause per cause: twelve probes without tracefs are one story.
    let mut causes: Vec<(&ProbeState, Vec<&str>)> = Vec::new();
    for status in probes {
        if status.state == ProbeState::Active {
            continue;
        }
        match causes.iter_mut().find(|(state, _)| **state == status.state) {
            Some((_, names)) => names.push(status.probe.name),
            None => causes.push((&status.state, vec![status.probe.name])),
        }
    }
    let causes: Vec<String> = causes
        .iter()
        .map(|(state, names)| {
            let reason = state.reason().unwrap_or_default();
            format!("{} {}: {reason}", names.join(", "), state.name())
        })
        .collect();
    let causes = causes.join("; ");
    format!("{active} of {total} probes active; {causes}{off}")
}

#[cfg(test)]
mod tests {
    use procmon_common::probes::PROBES;

    use super::*;

    fn status(name: &str, state: ProbeState) -> ProbeStatus {
        let probe = PROBES.iter().find(|probe| probe.name == name);
        ProbeStatus {
            probe: probe.unwrap(),
            state,
        }
    }

    #[test]
    fn a_cause_is_said_once() {
        let cause = || ProbeState::Degraded("no tracefs".to_owned());
        let probes = [
            status("fork", ProbeState::Active),
            status("mmap", cause()),
            status("munmap", cause()),
        ];
        assert_eq!(
            summary(&probes),
            "1 of 3 probes active; mmap, munmap degraded: no tracefs"
        );
        assert_eq!(summary(&probes[..1]), "all 1 probes active");
    }
}
