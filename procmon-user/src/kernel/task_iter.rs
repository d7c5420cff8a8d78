//! The snapshot: all counted processes in one pass of reads.

use std::collections::HashMap;
use std::io::Read as _;

use aya::programs::Iter;
use procmon_common::probes::{Hook, PROBES};
use procmon_common::records::{EntryRecord, LeaderRecord, StateRecord, ThreadRecord, kind};
use procmon_common::{ProcessEntry, ThreadStat};

use super::error::KernelError;
use super::load::Kernel;
use super::pod;
use crate::process::{State, StateCounts};

/// The iterator's own buffer is 32 KiB (kernel/bpf/bpf_iter.c, bpf_seq_read):
/// a read that is no shorter ends between two tasks.
const READ_SIZE: usize = 64 << 10;

/// A process as one pass saw it.
#[derive(Clone)]
pub struct SnapshotProcess {
    /// Its leader's record.
    pub leader: LeaderRecord,
    /// What the probes keep of it.
    pub entry: ProcessEntry,
    /// Sums over its live threads.
    pub live: [u64; ThreadStat::COUNT],
}

/// What one pass saw, by pid.
pub type Snapshot = Vec<SnapshotProcess>;

impl Kernel {
    /// Reads all counted processes. Processes asked for by [`Kernel::want`]
    /// are counted from this pass on.
    pub fn snapshot(&mut self) -> Result<Snapshot, KernelError> {
        let mut file = self.open_iterator()?;
        let mut parser = Parser::default();
        self.buffer.resize(READ_SIZE, 0);
        loop {
            match file.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(length) => parser.feed(&self.buffer[..length]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(source) => {
                    return Err(KernelError::Read {
                        what: "the task iterator",
                        source,
                    });
                }
            }
        }
        self.states = parser.states;
        Ok(parser.finish())
    }

    /// The processes of the host by state, counted or not, as the last pass
    /// saw them; of a PID namespace those in it.
    pub fn states(&self) -> StateCounts {
        self.states
    }

    fn open_iterator(&mut self) -> Result<std::fs::File, KernelError> {
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

/// Puts records together: a leader and its entry are adjacent, threads may
/// come before or after them.
#[derive(Default)]
struct Parser {
    rest: Vec<u8>,
    processes: Vec<SnapshotProcess>,
    states: StateCounts,
    threads: HashMap<u32, [u64; ThreadStat::COUNT]>,
}

impl Parser {
    fn feed(&mut self, bytes: &[u8]) {
        if self.rest.is_empty() {
            let used = self.parse(bytes);
            self.rest.extend_from_slice(&bytes[used..]);
        } else {
            let mut rest = std::mem::take(&mut self.rest);
            rest.extend_from_slice(bytes);
            let used = self.parse(&rest);
            rest.drain(..used);
            self.rest = rest;
        }
    }

    /// Takes whole records from the front; returns how many bytes they were.
    fn parse(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while let Some(length) = self.record(&bytes[at..]) {
            at += length;
        }
        at
    }

    fn record(&mut self, bytes: &[u8]) -> Option<usize> {
        // SAFETY: all records are repr(C) integers.
        unsafe {
            match pod::read::<u32>(bytes)? {
                kind::THREAD => {
                    let record = pod::read::<ThreadRecord>(bytes)?;
                    let sums = self.threads.entry(record.pid).or_default();
                    add(sums, &record.stats);
                    Some(size_of::<ThreadRecord>())
                }
                kind::LEADER => {
                    let leader = pod::read::<LeaderRecord>(bytes)?;
                    let header = size_of::<LeaderRecord>() + size_of::<EntryRecord>();
                    let entry = pod::read::<ProcessEntry>(bytes.get(header..)?)?;
                    self.processes.push(SnapshotProcess {
                        leader,
                        entry,
                        live: leader.stats,
                    });
                    Some(header + size_of::<ProcessEntry>())
                }
                kind::STATE => {
                    let record = pod::read::<StateRecord>(bytes)?;
                    let (state, exit_state) = (record.state, record.exit_state);
                    self.states
                        .add(State::of_task(state, exit_state, record.threads));
                    Some(size_of::<StateRecord>())
                }
                // Nothing else is ever written; stop rather than misread.
                _ => None,
            }
        }
    }

    fn finish(mut self) -> Snapshot {
        for process in &mut self.processes {
            if let Some(sums) = self.threads.get(&process.leader.pid) {
                add(&mut process.live, sums);
            }
        }
        self.processes.sort_by_key(|process| process.leader.pid);
        self.processes
    }
}

fn add(sums: &mut [u64; ThreadStat::COUNT], more: &[u64; ThreadStat::COUNT]) {
    for (sum, value) in sums.iter_mut().zip(more) {
        *sum = sum.wrapping_add(*value);
    }
}
