//! What a process may take: its cgroup's CPU quota and memory limit
//! (cgroups(7), Documentation/admin-guide/cgroup-v2.rst and
//! .../cgroup-v1/memory.rst, Documentation/scheduler/sched-bwc.rst), and its
//! affinity (sched_getaffinity(2)).

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::cpu_list::CpuList;
use super::dir::read_file;
use super::hierarchy::{Hierarchies, Version};
use super::{Error, Malformed, ProcRoot, ProcessDir, ReadErrors, status, text};
use crate::process::Totals;

/// The CPU quota set in one group, not counting those above it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Quota {
    milli: Option<u64>,
    throttled_ns: Option<u64>,
}

/// Reads limits for chosen processes; a group is read once a tick, however
/// many processes are in it.
#[derive(Debug, Default)]
pub struct LimitReader {
    hierarchies: Option<Hierarchies>,
    online: Option<CpuList>,
    quotas: HashMap<PathBuf, Quota>,
    memories: HashMap<PathBuf, Option<u64>>,
    buf: Vec<u8>,
}

impl LimitReader {
    /// Begins a tick: what was read before is old.
    pub fn next_tick(&mut self) {
        self.quotas.clear();
        self.memories.clear();
        self.online = None;
    }

    /// Fills in `cpu_limit_milli`, `throttled_ns` and `memory_limit`.
    pub fn fill(
        &mut self,
        root: &ProcRoot,
        pid: u32,
        totals: &mut Totals,
        errors: &mut ReadErrors,
    ) -> Result<(), Error> {
        let dir = ProcessDir::open(root, pid)?;
        let cpus = self.cpus(&dir);
        let cpus = errors.keep("cpus_allowed", cpus)?;

        let read = dir.read("cgroup", &mut self.buf);
        let mut quota = None;
        if errors.keep("cgroup", read)?.is_some() {
            if self.hierarchies.is_none() {
                let found = Hierarchies::find(root);
                self.hierarchies = errors.keep("mountinfo", found)?;
            }
            let places = self.hierarchies.as_ref().map(|hierarchies| {
                let cpu = hierarchies.place(root, &self.buf, "cpu");
                (cpu, hierarchies.place(root, &self.buf, "memory"))
            });
            if let Some((Some(place), _)) = &places {
                let (tightest, throttled) =
                    self.cpu(place.version, &place.mountpoint, &place.group, errors);
                quota = tightest;
                totals.throttled_ns = throttled;
            }
            if let Some((_, Some(place))) = &places {
                totals.memory_limit =
                    self.memory(place.version, &place.mountpoint, &place.group, errors);
            }
        }
        let cpus = cpus.map(|cpus| cpus.saturating_mul(1000));
        totals.cpu_limit_milli = cpus.into_iter().chain(quota).min();
        Ok(())
    }

    /// CPUs online that it may run on.
    fn cpus(&mut self, dir: &ProcessDir<'_>) -> Result<u64, Error> {
        if self.online.is_none() {
            let path = dir.root().sys.join("devices/system/cpu/online");
            read_file(&path, &mut self.buf)?;
            let list = CpuList::parse(&self.buf).map_err(|malformed| malformed.at(path))?;
            self.online = Some(list);
        }
        dir.read("status", &mut self.buf)?;
        let bad = |malformed: Malformed| malformed.at(dir.path("status"));
        let allowed = status::cpus_allowed(&self.buf)
            .ok_or_else(|| bad(Malformed::new("a line Cpus_allowed_list", &self.buf)))?;
        let allowed = CpuList::parse(allowed).map_err(bad)?;
        Ok(match &self.online {
            Some(online) => match allowed.count_common(online) {
                0 => online.count(),
                both => both,
            },
            None => allowed.count(),
        })
    }

    /// The tightest quota of a group and those above it, and how long that
    /// quota has stopped it: without any quota the group's own time.
    fn cpu(
        &mut self,
        version: Version,
        mountpoint: &Path,
        group: &Path,
        errors: &mut ReadErrors,
    ) -> (Option<u64>, Option<u64>) {
        let mut tightest: Option<(u64, Option<u64>)> = None;
        let mut own = None;
        for directory in up_to(group, mountpoint) {
            let read = self.quota(version, directory, errors);
            own = own.or(read.throttled_ns);
            if let Some(quota) = read.milli
                && tightest.is_none_or(|(least, _)| quota < least)
            {
                tightest = Some((quota, read.throttled_ns));
            }
        }
        match tightest {
            Some((quota, throttled)) => (Some(quota), throttled),
            None => (None, own),
        }
    }

    /// The tightest memory limit of a group and those above it.
    fn memory(
        &mut self,
        version: Version,
        mountpoint: &Path,
        group: &Path,
        errors: &mut ReadErrors,
    ) -> Option<u64> {
        up_to(group, mountpoint)
            .filter_map(|directory| self.group_memory(version, directory, errors))
            .min()
    }

    fn quota(&mut self, version: Version, directory: &Path, errors: &mut ReadErrors) -> Quota {
        if let Some(quota) = self.quotas.get(directory) {
            return *quota;
        }
        let buf = &mut self.buf;
        let mut get = |name, parse| value(directory, name, buf, errors, parse);
        let quota = match version {
            Version::V2 => Quota {
                milli: get("cpu.max", parse_cpu_max),
                throttled_ns: get("cpu.stat", |text| throttled(text, b"throttled_usec", 1000)),
            },
            Version::V1 => {
                let quota = get("cpu.cfs_quota_us", parse_quota_v1);
                let period = quota.and_then(|_| get("cpu.cfs_period_us", parse_memory_max));
                Quota {
                    milli: quota.zip(period).and_then(milli),
                    throttled_ns: get("cpu.stat", |text| throttled(text, b"throttled_time", 1)),
                }
            }
        };
        self.quotas.insert(directory.to_owned(), quota);
        quota
    }

    fn group_memory(
        &mut self,
        version: Version,
        directory: &Path,
        errors: &mut ReadErrors,
    ) -> Option<u64> {
        if let Some(memory) = self.memories.get(directory) {
            return *memory;
        }
        let (name, parse): (_, Parse) = match version {
            Version::V2 => ("memory.max", parse_memory_max),
            Version::V1 => ("memory.limit_in_bytes", parse_memory_v1),
        };
        let memory = value(directory, name, &mut self.buf, errors, parse);
        self.memories.insert(directory.to_owned(), memory);
        memory
    }
}

type Parse = fn(&[u8]) -> Result<Option<u64>, Malformed>;

/// A group and those above it, up to where its tree is mounted.
fn up_to<'a>(group: &'a Path, mountpoint: &'a Path) -> impl Iterator<Item = &'a Path> {
    group
        .ancestors()
        .take_while(move |directory| directory.starts_with(mountpoint))
}

/// `None` where the file is not there: the root of a tree has no limits, nor
/// has a group whose controller is off.
fn value(
    directory: &Path,
    name: &'static str,
    buf: &mut Vec<u8>,
    errors: &mut ReadErrors,
    parse: Parse,
) -> Option<u64> {
    let path = directory.join(name);
    let read =
        read_file(&path, buf).and_then(|()| parse(buf).map_err(|malformed| malformed.at(path)));
    match read {
        Ok(value) => value,
        Err(error) if matches!(error.cause(), "ENOENT" | "ENODEV") => None,
        Err(error) => {
            errors.record(name, &error);
            None
        }
    }
}

/// us of CPU in us of time, in thousandths of a CPU, never 0.
fn milli((quota, period): (u64, u64)) -> Option<u64> {
    let milli = quota.checked_mul(1000)?.checked_div(period)?;
    Some(milli.max(1))
}

/// `max 100000` or `50000 100000`.
fn parse_cpu_max(text: &[u8]) -> Result<Option<u64>, Malformed> {
    let mut fields = text::fields(text);
    let bad = || Malformed::new("a quota and a period", text);
    let quota = fields.next().ok_or_else(bad)?;
    let period = fields.next().and_then(text::number).ok_or_else(bad)?;
    if quota == b"max" {
        return Ok(None);
    }
    let quota = text::number(quota).ok_or_else(bad)?;
    milli((quota, period)).ok_or_else(bad).map(Some)
}

/// -1 is no quota.
fn parse_quota_v1(text: &[u8]) -> Result<Option<u64>, Malformed> {
    match text.trim_ascii() {
        b"-1" => Ok(None),
        value => text::number(value)
            .map(Some)
            .ok_or_else(|| Malformed::new("-1 or a number of us", text)),
    }
}

/// `max` or a number.
fn parse_memory_max(text: &[u8]) -> Result<Option<u64>, Malformed> {
    match text.trim_ascii() {
        b"max" => Ok(None),
        value => text::number(value)
            .map(Some)
            .ok_or_else(|| Malformed::new("max or a number", text)),
    }
}

/// v1 writes no limit as the largest number of whole pages
/// (PAGE_COUNTER_MAX of include/linux/page_counter.h); a page has 64 KiB at most.
fn parse_memory_v1(text: &[u8]) -> Result<Option<u64>, Malformed> {
    const UNLIMITED: u64 = i64::MAX as u64 - 0xffff;
    parse_memory_max(text).map(|limit| limit.filter(|limit| *limit < UNLIMITED))
}

/// A line of cpu.stat; without the controller it is not there.
fn throttled(text: &[u8], key: &[u8], unit_ns: u64) -> Result<Option<u64>, Malformed> {
    for line in text::lines(text) {
        let mut fields = text::fields(line);
        if fields.next() == Some(key) {
            return fields
                .next()
                .and_then(text::number)
                .and_then(|value| value.checked_mul(unit_ns))
                .map(Some)
                .ok_or_else(|| Malformed::new("a time", line));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
