//! Ends of chosen processes without eBPF: a pidfd is readable once its process
//! has ended (pidfd_open(2)). Without them the next tick finds out.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};

use rustix::event::{Timespec, epoll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// Waits for the ends of processes.
pub struct Ends {
    /// `None` where there is no epoll to be had.
    all: Option<OwnedFd>,
    each: BTreeMap<u32, OwnedFd>,
    ended: BTreeSet<u32>,
}

impl Ends {
    /// The ends of these processes; one that has gone already has none.
    pub fn of(pids: &[u32]) -> Self {
        let mut ends = Self {
            all: epoll::create(epoll::CreateFlags::CLOEXEC).ok(),
            each: BTreeMap::new(),
            ended: BTreeSet::new(),
        };
        for pid in pids {
            ends.add(*pid);
        }
        ends
    }

    fn add(&mut self, pid: u32) -> Option<()> {
        let all = self.all.as_ref()?;
        let number = Pid::from_raw(pid.try_into().ok()?)?;
        let fd = pidfd_open(number, PidfdFlags::empty()).ok()?;
        let data = epoll::EventData::new_u64(pid.into());
        epoll::add(all, &fd, data, epoll::EventFlags::IN).ok()?;
        self.each.insert(pid, fd);
        Some(())
    }

    /// Readable when there are ends to [`Ends::absorb`].
    pub fn wakeup(&self) -> Option<RawFd> {
        self.all.as_ref().map(|all| all.as_raw_fd())
    }

    /// Takes in the ends there are.
    pub fn absorb(&mut self) {
        let Some(all) = &self.all else {
            return;
        };
        let mut events = Vec::with_capacity(self.each.len().max(1));
        // An error is no end: the next tick finds out.
        let _ = epoll::wait(
            all,
            rustix::buffer::spare_capacity(&mut events),
            Some(&Timespec::default()),
        );
        for event in events {
            // Closing it takes it out of the epoll set.
            let pid = event.data.u64() as u32;
            self.each.remove(&pid);
            self.ended.insert(pid);
        }
    }

    /// Whether the end of a process was taken in.
    pub fn has_ended(&self, pid: u32) -> bool {
        self.ended.contains(&pid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_taken_in_once_it_is_there() {
        let mut child = std::process::Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let pid = child.id();
        let mut ends = Ends::of(&[pid]);
        ends.absorb();
        assert!(!ends.has_ended(pid));
        child.wait().unwrap();
        ends.absorb();
        assert!(ends.has_ended(pid) && ends.each.is_empty());
    }
}
