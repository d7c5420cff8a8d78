//! A process's totals from /proc alone: the road without eBPF.

use std::hash::{DefaultHasher, Hash, Hasher as _};

use super::dir::ProcessDir;
use super::ledger::ThreadLedger;
use super::tasks::{self, TaskTotals};
use super::{Error, Malformed, ProcRoot, ReadErrors, io, rlimits, sched, stat, status};
use crate::process::identity::NS_PER_TICK;
use crate::process::{ProcessId, State, Totals};

/// What a reading tells beside the totals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Parent now.
    pub parent_pid: u32,
    /// State, for `system.process.count`.
    pub state: State,
    /// It has exited and waits for its parent.
    pub zombie: bool,
    /// How a zombie ended, as wait(2) will tell it, where that may be known.
    pub wait_status: Option<u32>,
    /// It has no memory of its own.
    pub kernel_thread: bool,
    /// A hash of its comm and of where its stack begins, which execve changes
    /// (the first as does prctl(2)): the sign that its words are to be read again.
    pub program: u64,
}

/// One process, read once.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Who it is.
    pub id: ProcessId,
    /// Its totals, but for what [`super::LimitReader`] and [`super::UssReader`]
    /// fill in.
    pub totals: Totals,
    /// The rest.
    pub facts: Facts,
}

/// Reads totals, tick after tick, with the same buffers.
#[derive(Debug)]
pub struct TotalsReader {
    page_size: u64,
    buf: Vec<u8>,
    tasks: Vec<(u32, TaskTotals)>,
    ledger: ThreadLedger,
}

impl Default for TotalsReader {
    fn default() -> Self {
        Self {
            page_size: u64::try_from(rustix::param::page_size()).unwrap_or(4096),
            buf: Vec::new(),
            tasks: Vec::new(),
            ledger: ThreadLedger::default(),
        }
    }
}

impl TotalsReader {
    /// Reads one process. What may not be read is absent and counted.
    pub fn read(
        &mut self,
        root: &ProcRoot,
        pid: u32,
        errors: &mut ReadErrors,
    ) -> Result<Reading, Error> {
        let dir = ProcessDir::open(root, pid)?;
        dir.read("stat", &mut self.buf)?;
        let stat = stat::parse(&self.buf).map_err(|malformed| malformed.at(dir.path("stat")))?;
        let id = ProcessId {
            pid,
            start_ticks: stat.start_ticks,
        };
        let mut facts = Facts {
            parent_pid: stat.parent_pid,
            state: stat.process_state(),
            zombie: stat.is_zombie(),
            wait_status: stat.wait_status.filter(|_| stat.is_zombie()),
            kernel_thread: stat.is_kernel_thread(),
            program: hash(&(stat.comm, stat.stack_start)),
        };
        // Neither a kernel thread nor a zombie has any memory to be 0.
        let memory = !facts.kernel_thread && !facts.zombie;
        let resident = stat.resident_pages.checked_mul(self.page_size);
        let mut totals = Totals {
            user_ns: stat.user_ticks.checked_mul(NS_PER_TICK),
            system_ns: stat.system_ticks.checked_mul(NS_PER_TICK),
            threads: Some(stat.threads),
            virtual_memory: memory.then_some(stat.virtual_bytes),
            rss: resident.filter(|_| memory),
            minor_faults: Some(stat.minor_faults),
            major_faults: Some(stat.major_faults),
            ..Totals::default()
        };
        let dead_leader = stat.has_dead_leader();
        self.read_tasks(&dir, id, &mut totals, errors)?;
        if facts.zombie {
            // The CPU clock is asked for by pid, which may be another's by now.
            if !dir.exists("stat") {
                return Err(Error::Gone { pid });
            }
            // 0 also stands for "you may not know": `io` is for the same few.
            if facts.wait_status == Some(0) && dir.try_read("io", &mut self.buf).is_err() {
                facts.wait_status = None;
            }
            return Ok(Reading { id, totals, facts });
        }

        let living = match dead_leader {
            true => tasks::living(&dir, &mut self.buf),
            false => None,
        };
        if let Some(living) = &living {
            totals.virtual_memory = Some(living.virtual_bytes);
            totals.rss = living.resident_pages.checked_mul(self.page_size);
        }
        let living = living.map_or(String::new(), |living| living.prefix);
        self.read_status(&dir, &format!("{living}status"), &mut totals, errors)?;
        self.read_io(&dir, &mut totals, errors)?;
        let limits = self.file(&dir, "limits", rlimits::parse);
        if let Some(limits) = errors.keep("limits", limits)? {
            totals.descriptor_soft_limit = Some(limits.open_files.soft);
            totals.descriptor_hard_limit = Some(limits.open_files.hard);
            totals.virtual_memory_limit = Some(limits.address_space.soft);
        }
        let count = dir.count_descriptors(&format!("{living}fd"), &mut self.buf);
        totals.descriptors = errors.keep("fd", count)?;
        Ok(Reading { id, totals, facts })
    }

    /// Ends a pass over the processes: those not read in it are forgotten.
    pub fn end_round(&mut self) {
        self.ledger.end_round();
    }

    fn read_tasks(
        &mut self,
        dir: &ProcessDir<'_>,
        id: ProcessId,
        totals: &mut Totals,
        errors: &mut ReadErrors,
    ) -> Result<(), Error> {
        let threads = totals.threads.unwrap_or(0);
        let read = tasks::read(dir, threads, &mut self.buf, &mut self.tasks, errors);
        if let Some(known) = errors.keep("task", read)? {
            let sum = self.ledger.sum(id, &self.tasks);
            totals.on_cpu_ns = known.times.then_some(sum.on_cpu_ns);
            totals.run_queue_ns = known.times.then_some(sum.run_queue_ns);
            totals.migrations = known.migrations.then_some(sum.migrations);
            totals.voluntary_switches = known.switches.then_some(sum.voluntary_switches);
            totals.involuntary_switches = known.switches.then_some(sum.involuntary_switches);
        }
        // The CPU clock knows dead threads too.
        if dir.root().own_pids() {
            totals.on_cpu_ns = sched::process_cpu_ns(id.pid).or(totals.on_cpu_ns);
        }
        Ok(())
    }

    fn read_status(
        &mut self,
        dir: &ProcessDir<'_>,
        name: &str,
        totals: &mut Totals,
        errors: &mut ReadErrors,
    ) -> Result<(), Error> {
        let status = self.file(dir, name, status::parse);
        if let Some(status) = errors.keep("status", status)? {
            totals.rss = status.vm_rss.or(totals.rss);
            totals.rss_anon = status.rss_anon;
            totals.rss_file = status.rss_file;
            totals.rss_shmem = status.rss_shmem;
            totals.swap = status.vm_swap;
            totals.page_tables = status.vm_pte;
            totals.peak_rss = status.vm_hwm;
        }
        Ok(())
    }

    fn read_io(
        &mut self,
        dir: &ProcessDir<'_>,
        totals: &mut Totals,
        errors: &mut ReadErrors,
    ) -> Result<(), Error> {
        let io = self.file(dir, "io", io::parse);
        if let Some(io) = errors.keep("io", io)? {
            totals.disk_read_bytes = Some(io.read_bytes);
            totals.disk_write_bytes = Some(io.write_bytes);
            totals.read_calls = Some(io.read_calls);
            totals.write_calls = Some(io.write_calls);
            totals.read_chars = Some(io.read_chars);
            totals.write_chars = Some(io.write_chars);
        }
        Ok(())
    }

    fn file<T>(
        &mut self,
        dir: &ProcessDir<'_>,
        name: &str,
        parse: impl FnOnce(&[u8]) -> Result<T, Malformed>,
    ) -> Result<T, Error> {
        dir.read(name, &mut self.buf)?;
        parse(&self.buf).map_err(|malformed| malformed.at(dir.path(name)))
    }
}

fn hash(what: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// Reads one process once, with buffers of its own.
pub fn read_totals(root: &ProcRoot, pid: u32, errors: &mut ReadErrors) -> Result<Reading, Error> {
    TotalsReader::default().read(root, pid, errors)
}

#[cfg(test)]
mod tests;
