//! What the ring buffer carries.

use procmon_common::cgroups::change;
use procmon_common::records::state;
use procmon_common::{CgroupRecord, ProcessEntry};

use super::load::Kernel;
use super::pod;

/// What has happened, each kind in the order in which it did.
#[derive(Default)]
pub struct Events {
    /// Exit records.
    pub exits: Vec<ProcessEntry>,
    /// Changes of the trees of control groups; each comes before the exit
    /// records of processes that were in the group.
    pub cgroups: Vec<CgroupRecord>,
}

impl Kernel {
    /// Takes everything that waits.
    pub fn take_events(&mut self) -> Events {
        let mut events = Events::default();
        while let Some(item) = self.events.next() {
            // SAFETY: all are repr(C) integers; the second word of either
            // record says which it is.
            unsafe {
                match pod::read::<[u32; 2]>(&item) {
                    Some([_, change::MADE | change::RENAMED | change::REMOVED]) => {
                        events.cgroups.extend(pod::read::<CgroupRecord>(&item));
                    }
                    Some([_, state::EXITED]) => {
                        events.exits.extend(pod::read_exit(&item));
                    }
                    _ => {}
                }
            }
        }
        events
    }
}
