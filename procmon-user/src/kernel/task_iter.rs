//! The snapshot: all counted processes in one pass of reads, one at a time.

use std::collections::HashMap;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::ops::Range;

use aya::programs::Iter;
use procmon_common::probes::{Hook, PROBES};
use procmon_common::records::{LeaderRecord, ProcessRecord, StateRecord, ThreadRecord, kind};
use procmon_common::{ProcessEntry, ThreadStat};

use super::error::KernelError;
use super::load::Kernel;
use super::pod;
use crate::process::{State, StateCounts};

/// The iterator's own buffer is 32 KiB (kernel/bpf/bpf_iter.c, bpf_seq_read):
/// a read that is no shorter ends between two tasks.
const READ_SIZE: usize = 64 << 10;
/// No record is longer, with what follows it.
const LONGEST: usize =
    size_of::<ProcessRecord>() + size_of::<ProcessEntry>() + size_of::<LeaderRecord>();

/// A process as one pass saw it.
#[derive(Clone)]
pub struct SnapshotProcess {
    /// Its leader's record.
    pub leader: LeaderRecord,
    /// What the probes keep of it.
    pub entry: ProcessEntry,
    /// How many execve had been seen of it when its entry was read, or a little
    /// before: the entry's program is that one, or a later one.
    pub generation: u64,
}

impl SnapshotProcess {
    /// Whether both parts are of one process. When it publishes its end while the
    /// pass has it in hand, the kernel may give the memory of its entry to that of
    /// a process that is born just then.
    pub fn is_whole(&self) -> bool {
        self.entry.pid == self.leader.pid && self.entry.start_ns == self.leader.start_ns
    }

    /// Whether the leader's own totals are in its record: those of a dead one are
    /// among the dead threads'.
    pub fn shows_leader(&self) -> bool {
        self.leader.exit_state == 0 || self.leader.stats[ThreadStat::Runtime.index()] != 0
    }
}

/// The sums of some threads, by [`ThreadStat`].
pub type Sums = [u64; ThreadStat::COUNT];

/// The threads of a process that a pass has met alive, but for the leader.
#[derive(Clone, Copy, Debug, Default)]
pub struct Others {
    /// Their sums.
    pub sums: Sums,
    /// How many they are.
    pub threads: u64,
}

/// One pass over all tasks. Processes come by pid, each when its leader is met;
/// what its other threads add is complete when the pass is over.
pub struct Pass {
    file: File,
    buffer: Vec<u8>,
    /// The part of the buffer that is not yet parsed.
    unread: Range<usize>,
    process: SnapshotProcess,
    others: HashMap<u32, Others>,
    states: StateCounts,
}

impl Kernel {
    /// Begins to read all counted processes. Processes asked for by
    /// [`Kernel::want`] are counted from the pass on that has met them.
    ///
    /// # Errors
    /// When the iterator cannot be opened.
    pub fn pass(&mut self) -> Result<Pass, KernelError> {
        Ok(Pass::of(self.open_iterator()?))
    }

    /// Makes a whole pass, for what it does in the kernel.
    ///
    /// # Errors
    /// When the iterator cannot be read.
    pub fn meet_all(&mut self) -> Result<(), KernelError> {
        let mut pass = self.pass()?;
        while pass.next_process()?.is_some() {}
        Ok(())
    }

    fn open_iterator(&mut self) -> Result<File, KernelError> {
        let name = PROBES
            .iter()
            .find(|probe| matches!(probe.hook, Hook::Iterator(_)))
            .map_or("", |probe| probe.program);
        let mut open = || -> Result<_, Box<dyn std::error::Error>> {
            let program: &mut Iter = self
                .bpf
                .program_mut(name)
                .ok_or("not in the object")?
                .try_into()?;
            let id = program.attach()?;
            Ok(program.take_link(id)?.into_file()?)
        };
        open().map_err(|error| KernelError::Probe(format!("{name}: {error}")))
    }
}

impl Pass {
    fn of(file: File) -> Self {
        Self {
            file,
            buffer: vec![0; READ_SIZE + LONGEST],
            unread: 0..0,
            process: SnapshotProcess {
                leader: pod::empty_leader(),
                entry: pod::empty_entry(),
                generation: 0,
            },
            others: HashMap::new(),
            states: StateCounts::default(),
        }
    }

    /// The next process; `None` when the pass is over.
    ///
    /// # Errors
    /// When the iterator cannot be read.
    pub fn next_process(&mut self) -> Result<Option<&SnapshotProcess>, KernelError> {
        loop {
            match self.record() {
                Some(true) => return Ok(Some(&self.process)),
                Some(false) => {}
                None => {
                    if !self.read()? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// The live threads of a process but for its leader, as far as the pass has
    /// met them.
    pub fn others(&self, pid: u32) -> Others {
        self.others.get(&pid).copied().unwrap_or_default()
    }

    /// The processes of the host by state, counted or not, as far as the pass
    /// has met them; of a PID namespace those in it.
    pub fn states(&self) -> StateCounts {
        self.states
    }

    /// Reads on; `false` at the end.
    fn read(&mut self) -> Result<bool, KernelError> {
        let rest = self.unread.len();
        self.buffer.copy_within(self.unread.clone(), 0);
        self.unread = 0..rest;
        loop {
            match self.file.read(&mut self.buffer[rest..]) {
                Ok(length) => {
                    self.unread.end += length;
                    return Ok(length != 0);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(source) => {
                    return Err(KernelError::Read {
                        what: "the task iterator",
                        source,
                    });
                }
            }
        }
    }

    /// Takes a whole record: whether it was a process, which is at hand then.
    fn record(&mut self) -> Option<bool> {
        let bytes = &self.buffer[self.unread.clone()];
        // SAFETY: all records are repr(C) integers.
        unsafe {
            match pod::read::<u32>(bytes)? {
                kind::THREAD => {
                    let record = pod::read::<ThreadRecord>(bytes)?;
                    let others = self.others.entry(record.pid).or_default();
                    add(&mut others.sums, &record.stats);
                    others.threads += 1;
                    self.unread.start += size_of::<ThreadRecord>();
                    Some(false)
                }
                kind::PROCESS => {
                    let length = read_process(bytes, &mut self.process)?;
                    self.unread.start += length;
                    Some(true)
                }
                kind::STATE => {
                    let record = pod::read::<StateRecord>(bytes)?;
                    let (state, exit_state) = (record.state, record.exit_state);
                    self.states
                        .add(State::of_task(state, exit_state, record.threads));
                    self.unread.start += size_of::<StateRecord>();
                    Some(false)
                }
                // Nothing else is ever written; stop rather than misread.
                _ => None,
            }
        }
    }
}

/// Reads a process; returns how long it was, or `None` when it is not there as
/// a whole.
fn read_process(bytes: &[u8], process: &mut SnapshotProcess) -> Option<usize> {
    const LEADER: usize = size_of::<ProcessRecord>() + ProcessEntry::BASE;
    const REST: usize = LEADER + size_of::<LeaderRecord>();
    // SAFETY: repr(C) integers.
    let header: ProcessRecord = unsafe { pod::read(bytes) }?;
    let base = bytes.get(size_of::<ProcessRecord>()..LEADER)?;
    // SAFETY: repr(C) integers.
    let leader: LeaderRecord = unsafe { pod::read(&bytes[LEADER..]) }?;
    let end = REST + leader.rest as usize;
    let rest = bytes.get(REST..end)?;
    process.leader = leader;
    process.generation = header.generation;
    let entry = pod::bytes_of_entry(&mut process.entry);
    let (shown_base, behind) = entry.split_at_mut(base.len());
    shown_base.copy_from_slice(base);
    let (shown, left_out) = behind.split_at_mut_checked(rest.len())?;
    shown.copy_from_slice(rest);
    left_out.fill(0);
    Some(end)
}

fn add(sums: &mut Sums, more: &Sums) {
    for (sum, value) in sums.iter_mut().zip(more) {
        *sum = sum.wrapping_add(*value);
    }
}
