//! Which of the kernel half's programs and parts are asked for.

use procmon_common::probes::{Family, Hook};
use procmon_common::{Feature, Probe};

/// The families of probes that can be left out, and the parts of programs that
/// can be switched off. The others are always there: without them nothing has a
/// beginning or an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Programs {
    families: u16,
    features: u16,
}

impl Default for Programs {
    fn default() -> Self {
        Self::ALL
    }
}

impl Programs {
    /// Every program.
    pub const ALL: Self = Self {
        families: u16::MAX,
        features: u16::MAX,
    };

    /// Those alone that are always there.
    pub const NONE: Self = Self {
        families: 1 << Family::Lifecycle as u16
            | 1 << Family::Cgroup as u16
            | 1 << Family::Sched as u16
            | 1 << Family::Snapshot as u16,
        features: 0,
    };

    /// The same with the probes of a family.
    #[must_use]
    pub const fn with_family(mut self, family: Family) -> Self {
        self.families |= 1 << family as u16;
        self
    }

    /// The same with a part of a program; the program is its family's.
    #[must_use]
    pub const fn with_feature(mut self, feature: Feature) -> Self {
        self.features |= 1 << feature as u16;
        self
    }

    /// All of both.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self {
            families: self.families | other.families,
            features: self.features | other.features,
        }
    }

    /// Whether all of these are among them.
    pub fn include(self, others: Self) -> bool {
        self.or(others) == self
    }

    /// Whether the probes of a family are asked for.
    pub const fn has_family(self, family: Family) -> bool {
        self.families & (1 << family as u16) != 0
    }

    /// Whether a part is asked for.
    pub const fn has_feature(self, feature: Feature) -> bool {
        self.features & (1 << feature as u16) != 0
    }

    /// Whether a probe is asked for.
    pub const fn has(self, probe: &Probe) -> bool {
        let part = match probe.hook {
            Hook::Part { feature, .. } => self.has_feature(feature),
            _ => true,
        };
        part && self.has_family(probe.family)
    }
}
