//! Whom to watch, and what is read for the chosen alone.

use std::sync::Arc;

use super::CollectError;
use crate::proc::schedule::Candidate;
use crate::proc::{
    self, ConnectionReader, LimitReader, ProcRoot, ProcessDir, ReadErrors, UssReader,
};
use crate::process::select::Rules;
use crate::process::{Extra, ProcessSample, Totals};

/// Whom to watch.
#[derive(Clone, Debug)]
pub enum Selection {
    /// These processes.
    Processes {
        /// Their pids; at least one.
        pids: Vec<u32>,
        /// And what they fork.
        children: bool,
    },
    /// The command this process is about to spawn, and what it forks.
    Command,
    /// Every process.
    All {
        /// Kernel threads too.
        kernel_threads: bool,
    },
    /// Those of which one of these holds, whenever they come.
    Matching(Arc<Rules>),
}

impl Selection {
    /// The pids that were asked for.
    pub fn pids(&self) -> &[u32] {
        match self {
            Self::Processes { pids, .. } => pids,
            Self::Command | Self::All { .. } | Self::Matching(_) => &[],
        }
    }

    /// Whether the children of the watched are watched.
    pub fn children(&self) -> bool {
        match self {
            Self::Processes { children, .. } => *children,
            Self::Command => true,
            Self::All { .. } | Self::Matching(_) => false,
        }
    }

    /// Whether every process is to be met, whoever is kept of them.
    pub fn meets_all(&self) -> bool {
        matches!(self, Self::All { .. } | Self::Matching(_))
    }

    /// Whether kernel threads are met with all.
    pub fn kernel_threads(&self) -> bool {
        matches!(
            self,
            Self::All {
                kernel_threads: true
            }
        )
    }

    /// What those who are watched must match, if anything.
    pub fn conditions(&self) -> Option<&Arc<Rules>> {
        match self {
            Self::Matching(rules) => Some(rules),
            _ => None,
        }
    }

    /// Whether those it watches were chosen: metrics of level `o` too.
    pub fn chooses(&self) -> bool {
        !matches!(self, Self::All { .. })
    }

    /// Whether watching ends when all of them have ended.
    pub fn ends(&self) -> bool {
        matches!(self, Self::Processes { .. })
    }

    /// Whether every process that was asked for is one.
    pub fn check(&self, root: &ProcRoot) -> Result<(), CollectError> {
        let problems: Vec<String> = self
            .pids()
            .iter()
            .filter_map(|pid| problem(root, *pid))
            .collect();
        if problems.is_empty() {
            return Ok(());
        }
        Err(CollectError::NoSuchProcess(problems.join("; ")))
    }
}

/// Why a pid cannot be watched.
fn problem(root: &ProcRoot, pid: u32) -> Option<String> {
    if pid == 0 {
        return Some("pid 0 is the kernel's idle task, not a process".to_owned());
    }
    match thread_group(root, pid) {
        Ok(leader) if leader == pid => None,
        Ok(leader) => Some(format!(
            "{pid} is a thread of process {leader}: watch that with --pid {leader}"
        )),
        Err(error) if error.is_gone() => Some(format!(
            "no process has pid {pid}; `ps -e` lists those there are"
        )),
        // It is there, and tells enough elsewhere.
        Err(proc::Error::Malformed { .. }) => None,
        Err(error) => Some(error.to_string()),
    }
}

/// The process a thread belongs to: /proc/TID exists for threads too, though
/// it is not listed (proc(5)).
fn thread_group(root: &ProcRoot, pid: u32) -> Result<u32, proc::Error> {
    let dir = ProcessDir::open(root, pid)?;
    let mut buffer = Vec::new();
    dir.read("status", &mut buffer)?;
    let status = proc::status::parse(&buffer).map_err(|error| error.at(dir.path("status")))?;
    Ok(status.tgid.unwrap_or(pid))
}

/// Reads what costs too much to be read for everyone.
#[derive(Debug, Default)]
pub struct Extras {
    limits: LimitReader,
    uss: UssReader,
    connections: ConnectionReader,
}

impl Extras {
    /// Fills in the limits, and the set sizes and connections as far as their
    /// budgets allow, of those among `samples` of whom they are wanted.
    pub fn fill(
        &mut self,
        root: &ProcRoot,
        samples: &mut [ProcessSample],
        at_boot_ns: u64,
        errors: &mut ReadErrors,
    ) {
        self.limits.next_tick();
        let candidates = |extra, size: fn(&Totals) -> Option<u64>| -> Vec<Candidate> {
            let of = |sample: &ProcessSample| Candidate {
                id: sample.id,
                size: size(&sample.totals).unwrap_or(0),
            };
            let wanted = samples
                .iter()
                .filter(|sample| sample.wants(extra) && !sample.metadata.kernel_thread);
            wanted.map(of).collect()
        };
        let sets = candidates(Extra::Sets, |totals| totals.rss);
        let connections = candidates(Extra::Connections, |totals| totals.descriptors);
        self.uss.round(root, &sets, errors);
        self.connections.round(root, &connections, errors);
        for sample in samples.iter_mut().filter(|sample| sample.has_opt_in()) {
            if sample.wants(Extra::Limits) {
                // One that has gone meanwhile ends at the next tick.
                let _ = self
                    .limits
                    .fill(root, sample.id.pid, &mut sample.totals, errors);
            }
            if sample.wants(Extra::Sets) {
                self.uss.fill(sample.id, at_boot_ns, &mut sample.totals);
            }
            if sample.wants(Extra::Connections) {
                self.connections
                    .fill(sample.id, at_boot_ns, &mut sample.totals);
            }
        }
    }
}
