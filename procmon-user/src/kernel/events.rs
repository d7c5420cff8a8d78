//! Exit records from the ring buffer.

use procmon_common::ProcessEntry;
use procmon_common::records::state;

use super::load::Kernel;
use super::pod;

impl Kernel {
    /// Takes every exit record that waits, in the order of the ends.
    pub fn take_exits(&mut self) -> Vec<ProcessEntry> {
        let mut exits = Vec::new();
        while let Some(item) = self.events.next() {
            // SAFETY: ProcessEntry is repr(C) integers.
            if let Some(entry) = unsafe { pod::read::<ProcessEntry>(&item) }
                && entry.state == state::EXITED
            {
                exits.push(entry);
            }
        }
        exits
    }
}
