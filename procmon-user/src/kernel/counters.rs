//! The maps of entries seen from user space: whom to count, what was lost.

use std::os::fd::{AsFd as _, AsRawFd as _, RawFd};

use aya::Ebpf;
use aya::maps::{Array, Map, MapData, MapError};
use procmon_common::records::state;
use procmon_common::{Loss, ProcessEntry};

use super::error::KernelError;
use super::fdinfo;
use super::load::Kernel;
use super::pod::{Entry, empty_entry};

/// What the kernel half has lost so far, by [`Loss`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses(pub [u64; Loss::COUNT]);

impl Losses {
    /// Reads the map.
    pub(super) fn read(map: &Array<MapData, u64>) -> Self {
        let mut losses = Self::default();
        for loss in Loss::ALL {
            losses.0[loss.index()] = map.get(&(loss.index() as u32), 0).unwrap_or_default();
        }
        losses
    }

    /// (event, reason, count) of those there are.
    pub fn told(&self) -> Vec<(&'static str, &'static str, u64)> {
        Loss::ALL
            .iter()
            .map(|loss| (loss.words(), self.get(*loss)))
            .filter(|(_, count)| *count > 0)
            .map(|((event, reason), count)| (event, reason, count))
            .collect()
    }

    /// How often something of this kind was lost.
    pub fn get(&self, loss: Loss) -> u64 {
        self.0[loss.index()]
    }
}

/// A map of the kernel half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapUse {
    /// Its name.
    pub name: &'static str,
    /// Most entries; bytes for a ring buffer.
    pub limit: u64,
    /// Kernel memory it takes, bytes.
    pub memory: Option<u64>,
}

impl Kernel {
    /// Asks for a process: it is counted from the next snapshot on.
    pub fn want(&mut self, pid: u32) -> Result<(), KernelError> {
        if self.entry(pid).is_some() {
            return Ok(());
        }
        let mut entry = empty_entry();
        entry.pid = pid;
        entry.state = state::WANTED;
        // BPF_NOEXIST: one that is counted already stays as it is.
        match self.counters.insert(pid, Entry(entry), 1) {
            Ok(()) => Ok(()),
            Err(MapError::SyscallError(error))
                if error.io_error.raw_os_error() == Some(libc::EEXIST) =>
            {
                Ok(())
            }
            Err(error) => Err(KernelError::map("COUNTERS", no_room(error))),
        }
    }

    /// Counts a process that the task iterator does not show, from now on: its
    /// calls, but not its threads' switches.
    pub fn adopt(&mut self, pid: u32, start_ns: u64, now_ns: u64) -> Result<(), KernelError> {
        let mut entry = empty_entry();
        entry.pid = pid;
        entry.start_ns = start_ns;
        entry.since_ns = now_ns;
        entry.state = state::ACTIVE;
        self.counters
            .insert(pid, Entry(entry), 0)
            .map_err(|error| KernelError::map("COUNTERS", no_room(error)))
    }

    /// Stops counting a process, which need not be there any more.
    pub fn forget(&mut self, pid: u32) {
        // Gone already is what was wanted.
        let _ = self.counters.remove(&pid);
        if self.in_front(pid).is_some() {
            let _ = self.front.set(self.place(pid), Entry(empty_entry()), 0);
        }
    }

    /// Where a process's entry would be in front.
    fn place(&self, pid: u32) -> u32 {
        pid & (self.front.len() - 1)
    }

    /// The entry of a process that has a place in front.
    fn in_front(&self, pid: u32) -> Option<ProcessEntry> {
        let Entry(entry) = self.front.get(&self.place(pid), 0).ok()?;
        (entry.pid == pid && entry.state != 0).then_some(entry)
    }

    /// The entry of a process, if there is one.
    pub fn entry(&self, pid: u32) -> Option<ProcessEntry> {
        let behind = || self.counters.get(&pid, 0).ok().map(|Entry(entry)| entry);
        self.in_front(pid).or_else(behind)
    }

    /// What was lost so far.
    pub fn losses(&self) -> Losses {
        let mut losses = self.raw_losses();
        // A process that the iterator met is one, however often it was met:
        // those of the first pass; later ones are counted at their fork.
        losses.0[Loss::NoRoomForProcess.index()] += self.without_room_at_first;
        losses.0[Loss::NoRoomAtSnapshot.index()] = 0;
        losses
    }

    pub(super) fn raw_losses(&self) -> Losses {
        Losses::read(&self.losses)
    }

    /// Writes down a loss of user space's, for those who look at the map.
    pub fn note_loss(&mut self, loss: Loss, count: u64) {
        // Nobody can be told that they cannot be told.
        let _ = self.losses.set(loss.index() as u32, count, 0);
    }

    /// Takes the exit records that found the ring buffer full.
    pub fn take_deferred(&mut self) -> Vec<ProcessEntry> {
        let mut taken = Vec::new();
        let pids: Vec<u32> = self.counters.keys().filter_map(Result::ok).collect();
        for pid in pids {
            if let Some(entry) = ended(self.counters.get(&pid, 0)) {
                let _ = self.counters.remove(&pid);
                taken.push(entry);
            }
        }
        for place in 0..self.front.len() {
            if let Some(entry) = ended(self.front.get(&place, 0)) {
                let _ = self.front.set(place, Entry(empty_entry()), 0);
                taken.push(entry);
            }
        }
        taken
    }

    /// The maps and what they take.
    pub fn maps(&self) -> [MapUse; 2] {
        let [counters, front, notes, events] = self.map_fds.map(|fd| fd.and_then(memory));
        [
            MapUse {
                name: "COUNTERS",
                limit: u64::from(self.max_processes),
                // With those in front of it.
                memory: [counters, front, notes].into_iter().sum(),
            },
            MapUse {
                name: "EVENTS",
                limit: u64::from(self.events_buffer),
                memory: events,
            },
        ]
    }
}

/// What was read, if it is an entry that is final.
fn ended(read: Result<Entry, MapError>) -> Option<ProcessEntry> {
    let Entry(entry) = read.ok()?;
    (entry.state == state::EXITED).then_some(entry)
}

/// What an insert that failed says.
fn no_room(error: MapError) -> String {
    match error {
        MapError::SyscallError(error) if error.io_error.raw_os_error() == Some(libc::E2BIG) => {
            "no room for another process: raise kernel.max_processes \
             (PROCMON_KERNEL_MAX_PROCESSES)"
                .to_owned()
        }
        other => other.to_string(),
    }
}

/// The descriptor of a map that the loader still holds.
pub(super) fn descriptor(bpf: &Ebpf, name: &str) -> Option<RawFd> {
    match bpf.map(name)? {
        Map::HashMap(map) | Map::Array(map) | Map::RingBuf(map) => {
            Some(map.fd().as_fd().as_raw_fd())
        }
        _ => None,
    }
}

/// The kernel memory a map takes.
fn memory(fd: RawFd) -> Option<u64> {
    let [memory] = fdinfo::read(fd, ["memlock:"]).ok()?;
    memory
}
