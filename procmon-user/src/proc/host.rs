//! The host's totals.

use super::dir::read_file;
use super::system::CPU_MODES;
use super::{
    Error, FilesystemReader, KeptFile, Malformed, ProcRoot, ReadErrors, cpu_list, list_pids,
    meminfo, pressure, stat, system,
};
use crate::frame::Host;
use crate::process::StateCounts;

/// Reads the host, tick after tick.
pub struct HostReader {
    files: Files,
    filesystems: FilesystemReader,
    buf: Vec<u8>,
}

impl HostReader {
    /// A reader, with the process that asks file systems for their room.
    pub fn start(root: &ProcRoot) -> Self {
        Self {
            files: Files::new(root),
            filesystems: FilesystemReader::start(),
            buf: Vec::new(),
        }
    }

    /// Reads everything of the host but its processes. Each part that cannot be
    /// read is absent and counted in `errors`.
    pub fn read(&mut self, root: &ProcRoot, errors: &mut ReadErrors) -> Host {
        let mut host = self.files.read(&mut self.buf, errors);
        let filesystems = self.filesystems.read(root, &mut self.buf, errors);
        host.filesystems = kept(errors, "filesystems", filesystems).unwrap_or_default();
        host
    }

    /// Counts all processes by state, one read of stat each. Where every
    /// process is read anyway, count on the way instead.
    pub fn count(&mut self, root: &ProcRoot, errors: &mut ReadErrors) -> Option<StateCounts> {
        let counts = count_states(root, &mut self.buf);
        kept(errors, "states", counts)
    }
}

/// The files of the host but those of its file systems.
struct Files {
    meminfo: KeptFile,
    uptime: KeptFile,
    /// CPUs online (Documentation/admin-guide/cputopology.rst).
    online: KeptFile,
    stat: KeptFile,
    /// By [`pressure::RESOURCES`].
    pressure: [KeptFile; 3],
}

const PRESSURE: [&str; 3] = ["pressure/cpu", "pressure/memory", "pressure/io"];

impl Files {
    fn new(root: &ProcRoot) -> Self {
        let file = |name| KeptFile::new(root, root.proc.join(name));
        Self {
            meminfo: file("meminfo"),
            uptime: file("uptime"),
            online: KeptFile::new(root, root.sys.join("devices/system/cpu/online")),
            stat: file("stat"),
            pressure: PRESSURE.map(file),
        }
    }

    fn read(&mut self, buf: &mut Vec<u8>, errors: &mut ReadErrors) -> Host {
        let mut host = Host {
            memory: value("meminfo", &mut self.meminfo, buf, errors, meminfo::parse),
            uptime_ns: value(
                "uptime",
                &mut self.uptime,
                buf,
                errors,
                system::parse_uptime,
            ),
            cpus: value("cpus", &mut self.online, buf, errors, count_cpus),
            ..Host::default()
        };
        if let Some(stat) = value("stat", &mut self.stat, buf, errors, system::parse) {
            host.cpu_ns = CPU_MODES.into_iter().zip(stat.cpu_ns).collect();
            host.forks = Some(stat.forks);
            host.cpus = host.cpus.or((stat.cpus > 0).then_some(stat.cpus));
        }
        let pressure = PRESSURE.into_iter().zip(&mut self.pressure);
        for ((name, file), resource) in pressure.zip(pressure::RESOURCES) {
            let Some(stalls) = value(name, file, buf, errors, pressure::parse) else {
                continue;
            };
            if let Some(some) = stalls.some_ns {
                host.pressure.push((resource, "some", some));
            }
            if let Some(full) = stalls.full_ns.filter(|_| resource != "cpu") {
                host.pressure.push((resource, "full", full));
            }
        }
        host
    }
}

fn count_cpus(list: &[u8]) -> Result<u64, Malformed> {
    let count = cpu_list::CpuList::parse(list)?.count();
    match count {
        0 => Err(Malformed::new("one CPU or more", list)),
        _ => Ok(count),
    }
}

fn count_states(root: &ProcRoot, buf: &mut Vec<u8>) -> Result<StateCounts, Error> {
    let mut counts = StateCounts::default();
    let mut pids = Vec::new();
    list_pids(root, buf, &mut pids)?;
    for pid in pids {
        let path = root.proc.join(pid.to_string()).join("stat");
        if read_file(&path, buf).is_ok()
            && let Ok(stat) = stat::parse(buf)
        {
            counts.add(stat.process_state());
        }
    }
    Ok(counts)
}

fn value<T>(
    name: &'static str,
    file: &mut KeptFile,
    buf: &mut Vec<u8>,
    errors: &mut ReadErrors,
    parse: impl FnOnce(&[u8]) -> Result<T, Malformed>,
) -> Option<T> {
    let read = file
        .read(buf)
        .and_then(|()| parse(buf).map_err(|malformed| malformed.at(file.path().to_owned())));
    kept(errors, name, read)
}

fn kept<T>(errors: &mut ReadErrors, field: &'static str, value: Result<T, Error>) -> Option<T> {
    value.map_err(|error| errors.record(field, &error)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn this_host_has_every_part() {
        let mut errors = ReadErrors::default();
        let host = Files::new(&ProcRoot::system()).read(&mut Vec::new(), &mut errors);
        assert!(host.memory.is_some() && host.uptime_ns.is_some() && host.forks.is_some());
        assert_eq!(host.cpu_ns.len(), 8);
        assert!(host.cpus.unwrap() >= 1);
    }

    #[test]
    fn parts_are_absent_one_by_one() {
        let tree = tempfile::tempdir().unwrap();
        let proc = tree.path().join("proc");
        fs::create_dir_all(proc.join("pressure")).unwrap();
        fs::write(proc.join("uptime"), "12.50 1.00\n").unwrap();
        fs::write(proc.join("meminfo"), "MemTotal: x\n").unwrap();
        fs::write(proc.join("pressure/cpu"), "some total=1\nfull total=0\n").unwrap();
        fs::write(proc.join("pressure/io"), "some total=2\nfull total=1\n").unwrap();
        let mut errors = ReadErrors::default();
        let host = Files::new(&ProcRoot::under(tree.path())).read(&mut Vec::new(), &mut errors);
        assert_eq!(host.uptime_ns, Some(12_500_000_000));
        assert_eq!(
            host.pressure,
            [
                ("cpu", "some", 1000),
                ("io", "some", 2000),
                ("io", "full", 1000)
            ]
        );
        assert_eq!((host.memory, host.cpus, host.forks), (None, None, None));
        assert_eq!(
            errors.as_slice(),
            [
                ("meminfo", "malformed", 1),
                ("cpus", "ENOENT", 1),
                ("stat", "ENOENT", 1),
                ("pressure/memory", "ENOENT", 1),
            ]
        );
    }

    #[test]
    fn processes_are_counted_by_state() {
        let tree = tempfile::tempdir().unwrap();
        for (pid, state) in [(1, 'S'), (2, 'I'), (3, 'R'), (4, 'Z'), (5, 't')] {
            let dir = tree.path().join(format!("proc/{pid}"));
            fs::create_dir_all(&dir).unwrap();
            let line = format!("{pid} (x) {state} 0 0 0 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 5 0 0\n");
            fs::write(dir.join("stat"), line).unwrap();
        }
        let counts = count_states(&ProcRoot::under(tree.path()), &mut Vec::new()).unwrap();
        assert_eq!(
            counts.to_vec(),
            [
                ("running", 1),
                ("sleeping", 2),
                ("stopped", 1),
                ("defunct", 1)
            ]
        );
    }
}
