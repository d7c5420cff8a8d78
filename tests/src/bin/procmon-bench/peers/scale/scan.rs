//! The kernel's numbers alone, by the two roads to them.

use anyhow::Result;
use procmon::proc::{Error, ProcRoot, ProcessDir, io, list_pids, stat, status};

use crate::{
    host::cpu_ms,
    stats,
    watched::{self, ALL, Probes},
};

/// The least a reader of /proc can do: four files and the number of
/// descriptors of every process, read into one buffer and parsed. Median ms of
/// CPU, and processes.
pub fn by_proc(rounds: usize) -> Result<(f64, usize)> {
    let root = ProcRoot::system();
    let (mut buffer, mut pids, mut processes) = (Vec::new(), Vec::new(), 0);
    let mut times = Vec::new();
    for _ in 0..=rounds {
        times.push(cpu_ms(|| {
            list_pids(&root, &mut buffer, &mut pids)?;
            processes = 0usize;
            for pid in &pids {
                // One that is gone, or does not let even root read all of it
                // (ptrace(2), access mode checking), does not end the pass.
                processes += usize::from(read(&root, *pid, &mut buffer).is_ok());
            }
            Ok(())
        })?);
    }
    Ok((stats::median(&times[1..]), processes))
}

fn read(root: &ProcRoot, pid: u32, buffer: &mut Vec<u8>) -> Result<(), Error> {
    let dir = ProcessDir::open(root, pid)?;
    let malformed = |name: &str, error: procmon::proc::Malformed| error.at(dir.path(name));
    dir.read("stat", buffer)?;
    stat::parse(buffer).map_err(|error| malformed("stat", error))?;
    dir.read("statm", buffer)?;
    dir.read("io", buffer)?;
    io::parse(buffer).map_err(|error| malformed("io", error))?;
    dir.read("status", buffer)?;
    status::parse(buffer).map_err(|error| malformed("status", error))?;
    dir.count_descriptors("fd", buffer)?;
    Ok(())
}

/// One pass of the task iterator. Median ms of CPU, and processes.
pub fn by_kernel(rounds: usize) -> Result<(f64, usize)> {
    let mut kernel = watched::load(ALL, Probes::NoCalls, &[])?;
    let (mut times, mut processes) = (Vec::new(), 0);
    for _ in 0..=rounds {
        times.push(cpu_ms(|| {
            processes = 0;
            let mut pass = kernel.pass()?;
            while pass.next_process()?.is_some() {
                processes += 1;
            }
            Ok(())
        })?);
    }
    Ok((stats::median(&times[1..]), processes))
}
