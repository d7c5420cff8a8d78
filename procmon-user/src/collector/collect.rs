//! What is collected.

use procmon_common::probes::Family;

use crate::kernel::Programs;
use crate::process::{Switch, Switches, Wanted};

/// What is collected of those that are watched; as it begins, everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collect {
    /// Of those of whom no rule says anything else.
    pub wanted: Wanted,
    /// What is wanted of somebody at least, rules' processes included.
    pub any: Switches,
    /// The kernel programs for all of it.
    pub programs: Programs,
}

impl Collect {
    /// The switches of what is known of those that have ended: what a switch
    /// governs is there when somebody wants it and its probes are loaded.
    pub fn of_the_ended(self) -> Switches {
        let families = [
            (Switch::Memory, Family::Memory),
            (Switch::FileDescriptors, Family::Files),
            (Switch::NetworkIo, Family::Network),
        ];
        let missing = families
            .iter()
            .filter(|(_, family)| !self.programs.has_family(*family));
        missing.fold(self.any, |known, (switch, _)| known.without(*switch))
    }
}
