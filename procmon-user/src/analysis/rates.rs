//! Rates and changes between two frames.

use crate::frame::Frame;
use crate::process::{ByProcess, ProcessSample};

/// CPU use of a process since the last tick.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CpuRate {
    /// User time, in cores.
    pub user: f64,
    /// System time, in cores.
    pub system: f64,
    /// CPUs available to the process; at least a thousandth.
    pub available: f64,
}

/// What follows for one process from this frame and the last one. `None` on
/// the first tick of a process: no guess, and not 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Derived {
    /// CPU use.
    pub cpu: Option<CpuRate>,
    /// Resident set as a share of the host's memory.
    pub memory_utilization: Option<f64>,
    /// Change of the resident set, bytes.
    pub rss_delta: Option<i64>,
    /// Change of the address space, bytes.
    pub virtual_delta: Option<i64>,
    /// Change of the unique set size, bytes.
    pub uss_delta: Option<i64>,
}

/// What one frame leaves for the next.
#[derive(Clone, Copy, Debug)]
struct Previous {
    at_boot_ns: u64,
    user_ns: Option<u64>,
    system_ns: Option<u64>,
    rss: Option<u64>,
    virtual_memory: Option<u64>,
    uss: Option<u64>,
}

/// Keeps the last frame's values and compares the next one with them.
#[derive(Debug, Default)]
pub struct Rates {
    previous: ByProcess<Previous>,
}

impl Rates {
    /// What follows for each process of `frame`, in its order. Processes that
    /// are not in the frame are forgotten.
    pub fn derive(&mut self, frame: &Frame) -> Vec<Derived> {
        let derived = frame
            .processes
            .iter()
            .map(|sample| {
                let now = Previous::of(sample, frame.at_boot_ns);
                let before = self.previous.insert(sample.id, now);
                derive(sample, before.as_ref(), frame)
            })
            .collect();
        if self.previous.len() > frame.processes.len() {
            self.previous
                .retain(|_, previous| previous.at_boot_ns == frame.at_boot_ns);
        }
        derived
    }
}

impl Previous {
    fn of(sample: &ProcessSample, at_boot_ns: u64) -> Self {
        let totals = &sample.totals;
        Self {
            at_boot_ns,
            user_ns: totals.user_ns,
            system_ns: totals.system_ns,
            rss: totals.rss,
            virtual_memory: totals.virtual_memory,
            uss: totals.uss,
        }
    }
}

fn derive(sample: &ProcessSample, before: Option<&Previous>, frame: &Frame) -> Derived {
    let totals = &sample.totals;
    let memory = frame.host.memory.as_ref().map(|memory| memory.total);
    let memory_utilization = match (totals.rss, memory) {
        (Some(rss), Some(total)) if total > 0 => Some(rss as f64 / total as f64),
        _ => None,
    };
    let Some(before) = before else {
        return Derived {
            memory_utilization,
            ..Derived::default()
        };
    };
    Derived {
        cpu: cpu(sample, before, frame),
        memory_utilization,
        rss_delta: change(before.rss, totals.rss),
        virtual_delta: change(before.virtual_memory, totals.virtual_memory),
        uss_delta: change(before.uss, totals.uss),
    }
}

fn cpu(sample: &ProcessSample, before: &Previous, frame: &Frame) -> Option<CpuRate> {
    let elapsed = frame.at_boot_ns.checked_sub(before.at_boot_ns)?;
    if elapsed == 0 {
        return None;
    }
    let rate = |before: Option<u64>, now: Option<u64>| {
        Some(now?.saturating_sub(before?) as f64 / elapsed as f64)
    };
    let available = match (sample.totals.cpu_limit_milli, frame.host.cpus) {
        (Some(milli), _) => milli as f64 / 1e3,
        (None, Some(cpus)) => cpus as f64,
        (None, None) => return None,
    };
    Some(CpuRate {
        user: rate(before.user_ns, sample.totals.user_ns)?,
        system: rate(before.system_ns, sample.totals.system_ns)?,
        available: available.max(1e-3),
    })
}

fn change(before: Option<u64>, now: Option<u64>) -> Option<i64> {
    Some(now?.wrapping_sub(before?).cast_signed())
}

#[cfg(test)]
mod tests;
