//! How views are to be shaped.

use std::fmt;
use std::str::FromStr;

/// The fewest series that a cap may leave: what is folded has to be somewhere.
pub const LEAST_SERIES: u64 = 100;

/// What is sent by OTLP and /metrics. As it begins, all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How many processes have series of their own; the rest is one resource,
    /// `other`. 0: all of them, or with `group_by` none.
    pub top: usize,
    /// By what processes are first, served in turn; none twice.
    pub by: Vec<Key>,
    /// How many ticks a process keeps its place after it was last among the
    /// first.
    pub sticky: u64,
    /// Every process counts in a group by this key. Groups take the place of
    /// `other`.
    pub group_by: Option<GroupBy>,
    /// The most series there may be, at least [`LEAST_SERIES`]; `None`: any number.
    pub max_series: Option<u64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            top: 0,
            by: Key::ALL.to_vec(),
            sticky: 5,
            group_by: None,
            max_series: None,
        }
    }
}

impl Settings {
    /// Whether every process is sent, whatever happens.
    pub fn sends_all(&self) -> bool {
        self.top == 0 && self.group_by.is_none() && self.max_series.is_none()
    }
}

/// By what a process may be among the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// CPU time since the last tick.
    Cpu,
    /// Resident memory.
    Memory,
    /// Growth of resident memory since the last tick.
    Growth,
    /// Open descriptors.
    Descriptors,
    /// Bytes from and to storage and network since the last tick.
    Io,
}

impl Key {
    /// Every key, in the order in which they are served if nothing else is said.
    pub const ALL: [Self; 5] = [
        Self::Cpu,
        Self::Memory,
        Self::Growth,
        Self::Descriptors,
        Self::Io,
    ];

    /// Its name in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Growth => "growth",
            Self::Descriptors => "descriptors",
            Self::Io => "io",
        }
    }
}

/// What processes have in common in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GroupBy {
    /// The executable's base name.
    Executable,
    /// The container's id.
    Container,
    /// The Kubernetes pod's uid.
    Pod,
    /// The systemd unit.
    Unit,
    /// The owner's name, or the uid where it has none.
    User,
    /// The oldest known ancestor below init.
    Tree,
    /// The rule that chose it.
    Rule,
}

impl GroupBy {
    /// Every key.
    pub const ALL: [Self; 7] = [
        Self::Executable,
        Self::Container,
        Self::Pod,
        Self::Unit,
        Self::User,
        Self::Tree,
        Self::Rule,
    ];

    /// `procmon.group.by`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Executable => "executable",
            Self::Container => "container",
            Self::Pod => "pod",
            Self::Unit => "unit",
            Self::User => "user",
            Self::Tree => "tree",
            Self::Rule => "rule",
        }
    }
}

impl fmt::Display for GroupBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for GroupBy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|key| key.name() == text);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("{text:?} is no key to group by: {names}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_as_it_is_written_and_a_wrong_one_is_told_which_there_are() {
        for key in GroupBy::ALL {
            assert_eq!(key.to_string().parse(), Ok(key));
        }
        let error = "Container".parse::<GroupBy>().unwrap_err();
        assert!(error.contains("executable, container, pod, unit, user, tree, rule"));
    }
}
