//! Sums over the threads of a process: what /proc keeps only by thread.

use std::fmt::Write;

use rustix::io::Errno;

use super::{Error, Malformed, ProcessDir, ReadErrors, sched, stat, status, text};
use crate::process::State;

/// What the scheduler keeps of a thread, or of several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskTotals {
    /// Time on a CPU, ns.
    pub on_cpu_ns: u64,
    /// Time runnable but not running, ns.
    pub run_queue_ns: u64,
    /// Moves to another CPU.
    pub migrations: u64,
    /// Voluntary context switches.
    pub voluntary_switches: u64,
    /// Involuntary context switches.
    pub involuntary_switches: u64,
}

impl TaskTotals {
    pub(crate) fn add(&mut self, other: &Self) {
        self.on_cpu_ns += other.on_cpu_ns;
        self.run_queue_ns += other.run_queue_ns;
        self.migrations += other.migrations;
        self.voluntary_switches += other.voluntary_switches;
        self.involuntary_switches += other.involuntary_switches;
    }

    /// These cannot be later values of a thread that had `before`.
    pub(crate) fn fell_below(&self, before: &Self) -> bool {
        self.on_cpu_ns < before.on_cpu_ns
            || self.run_queue_ns < before.run_queue_ns
            || self.migrations < before.migrations
            || self.voluntary_switches < before.voluntary_switches
            || self.involuntary_switches < before.involuntary_switches
    }
}

/// Which of [`TaskTotals`] could be read of every thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Times: schedstat.
    pub times: bool,
    /// Switches: sched, else status.
    pub switches: bool,
    /// Migrations: sched.
    pub migrations: bool,
}

/// Reads all `threads` of a process into `tasks`, by ascending thread id. A
/// thread that ends meanwhile is left out.
pub fn read(
    dir: &ProcessDir<'_>,
    threads: u64,
    buf: &mut Vec<u8>,
    tasks: &mut Vec<(u32, TaskTotals)>,
    errors: &mut ReadErrors,
) -> Result<Known, Error> {
    tasks.clear();
    if threads == 1 {
        tasks.push((dir.pid(), TaskTotals::default()));
    } else {
        dir.entries("task", buf, |name| {
            tasks.extend(text::number32(name).map(|tid| (tid, TaskTotals::default())));
        })?;
        tasks.sort_unstable_by_key(|(tid, _)| *tid);
    }
    let mut reader = Reader {
        dir,
        buf,
        errors,
        name: String::new(),
        known: Known {
            times: true,
            switches: true,
            migrations: true,
        },
    };
    let mut failed = Ok(());
    tasks.retain_mut(|(tid, totals)| {
        if failed.is_err() {
            return false;
        }
        match reader.read(*tid, totals) {
            Ok(found) => found != Found::Ended,
            Err(error) => {
                failed = Err(error);
                false
            }
        }
    });
    failed.map(|()| reader.known)
}

/// A thread that stands in for a leader that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Living {
    /// `task/TID/`: what its files are called below the process's directory.
    pub prefix: String,
    /// Address space, bytes.
    pub virtual_bytes: u64,
    /// Resident pages.
    pub resident_pages: u64,
}

/// Finds a thread that has not ended: a leader that has has given up its memory
/// and descriptors, which the other threads still have.
pub fn living(dir: &ProcessDir<'_>, buf: &mut Vec<u8>) -> Option<Living> {
    let mut tids = Vec::new();
    dir.entries("task", buf, |name| tids.extend(text::number32(name)))
        .ok()?;
    tids.into_iter().find_map(|tid| {
        let prefix = format!("task/{tid}/");
        dir.try_read(&format!("{prefix}stat"), buf).ok()?;
        let stat = stat::parse(buf).ok()?;
        (stat.state != State::Defunct).then_some(Living {
            prefix,
            virtual_bytes: stat.virtual_bytes,
            resident_pages: stat.resident_pages,
        })
    })
}

/// What stands before the names of the files that tell of a process's memory:
/// nothing, or [`Living::prefix`] when its leader has ended before the others.
pub fn prefix(dir: &ProcessDir<'_>, dead_leader: bool, buf: &mut Vec<u8>) -> String {
    let living = dead_leader.then(|| living(dir, buf)).flatten();
    living.map_or(String::new(), |living| living.prefix)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    Value,
    Ended,
    Unreadable,
}

struct Reader<'a, 'r> {
    dir: &'a ProcessDir<'r>,
    buf: &'a mut Vec<u8>,
    errors: &'a mut ReadErrors,
    name: String,
    known: Known,
}

impl Reader<'_, '_> {
    fn read(&mut self, tid: u32, totals: &mut TaskTotals) -> Result<Found, Error> {
        if self.known.times {
            let found = self.file(tid, "schedstat", |text| {
                let times = sched::parse_schedstat(text)?;
                totals.on_cpu_ns = times.on_cpu_ns;
                totals.run_queue_ns = times.run_queue_ns;
                Ok(())
            })?;
            self.known.times = found != Found::Unreadable;
            if found == Found::Ended {
                return Ok(found);
            }
        }
        if self.known.migrations {
            let found = self.file(tid, "sched", |text| {
                let sched = sched::parse_sched(text)?;
                totals.migrations = sched.migrations;
                totals.voluntary_switches = sched.voluntary_switches;
                totals.involuntary_switches = sched.involuntary_switches;
                Ok(())
            })?;
            self.known.migrations = found != Found::Unreadable;
            if found != Found::Unreadable {
                return Ok(found);
            }
        }
        // A kernel without CONFIG_SCHED_DEBUG.
        if self.known.switches {
            let found = self.file(tid, "status", |text| {
                let status = status::parse(text)?;
                let missing = || Malformed::new("context switches", text);
                totals.voluntary_switches = status.voluntary_switches.ok_or_else(missing)?;
                totals.involuntary_switches = status.involuntary_switches.ok_or_else(missing)?;
                Ok(())
            })?;
            self.known.switches = found != Found::Unreadable;
            return Ok(found);
        }
        Ok(Found::Value)
    }

    fn file(
        &mut self,
        tid: u32,
        file: &'static str,
        parse: impl FnOnce(&[u8]) -> Result<(), Malformed>,
    ) -> Result<Found, Error> {
        self.name.clear();
        // Writing to a String does not fail.
        let _ = write!(self.name, "task/{tid}/{file}");
        let error = match self.dir.try_read(&self.name, self.buf) {
            Ok(()) => match parse(self.buf) {
                Ok(()) => return Ok(Found::Value),
                Err(malformed) => malformed.at(self.dir.path(&self.name)),
            },
            Err(errno @ (Errno::SRCH | Errno::NOENT)) => {
                let task = self.name.len() - file.len() - 1;
                if self.dir.exists("stat") && !self.dir.exists(&self.name[..task]) {
                    return Ok(Found::Ended);
                }
                self.dir.error(&self.name, errno)
            }
            Err(errno) => self.dir.error(&self.name, errno),
        };
        self.errors.keep::<()>(file, Err(error))?;
        Ok(Found::Unreadable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proc::ProcRoot;

    #[test]
    fn every_thread_of_this_process_is_read() {
        let root = ProcRoot::system();
        let dir = ProcessDir::open(&root, std::process::id()).unwrap();
        let (mut buf, mut tasks) = (Vec::new(), Vec::new());
        let mut errors = ReadErrors::default();
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            tell.send(rustix::thread::gettid().as_raw_nonzero().get() as u32)
                .unwrap();
            stopped.recv().unwrap_err();
        });
        let tid = told.recv().unwrap();
        let known = read(&dir, 2, &mut buf, &mut tasks, &mut errors).unwrap();
        assert!(known.times && known.switches, "{:?}", errors.as_slice());
        assert!(tasks.iter().any(|(known, _)| *known == tid));
        drop(stop);
        thread.join().unwrap();
    }

    #[test]
    fn switches_come_from_status_where_there_is_no_sched() {
        let tree = tempfile::tempdir().unwrap();
        let task = tree.path().join("proc/7/task/7");
        std::fs::create_dir_all(&task).unwrap();
        std::fs::write(tree.path().join("proc/7/stat"), "").unwrap();
        std::fs::write(task.join("schedstat"), "5 6 7\n").unwrap();
        std::fs::write(
            task.join("status"),
            "Tgid:\t7\nvoluntary_ctxt_switches:\t3\nnonvoluntary_ctxt_switches:\t4\n",
        )
        .unwrap();
        let root = ProcRoot::under(tree.path());
        let dir = ProcessDir::open(&root, 7).unwrap();
        let (mut buf, mut tasks) = (Vec::new(), Vec::new());
        let mut errors = ReadErrors::default();
        let known = read(&dir, 1, &mut buf, &mut tasks, &mut errors).unwrap();
        assert_eq!(
            (known.times, known.switches, known.migrations),
            (true, true, false)
        );
        assert_eq!(tasks[0].1.voluntary_switches, 3);
        assert_eq!(errors.as_slice(), [("sched", "ENOENT", 1)]);
    }
}
