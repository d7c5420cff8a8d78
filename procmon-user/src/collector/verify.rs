//! Trust, but verify: the kernel's records against /proc, once at start.
//!
//! Offsets from BTF are checked by type, which does not catch a field that
//! changed its meaning. What cannot change in a process's life must be equal.

use crate::kernel::{KernelError, SnapshotProcess};
use crate::proc::{ProcRoot, ReadErrors, read_totals};
use crate::process::ProcessId;

/// How many processes are compared.
const COMPARED: usize = 8;

/// Compares some processes; those that end meanwhile do not count.
pub fn against_proc(root: &ProcRoot, snapshot: &[SnapshotProcess]) -> Result<(), KernelError> {
    for process in snapshot.iter().take(COMPARED) {
        let leader = &process.leader;
        let id = ProcessId::from_boot_ns(leader.pid, leader.start_ns);
        let Ok(reading) = read_totals(root, leader.pid, &mut ReadErrors::default()) else {
            continue;
        };
        if reading.id.start_ticks != id.start_ticks {
            // A reused pid starts later than the snapshot saw; anything else
            // is a wrong reading.
            if reading.id.start_ticks > id.start_ticks && leader.exit_state != 0 {
                continue;
            }
            return Err(differs(
                leader.pid,
                "start",
                id.start_ticks,
                reading.id.start_ticks,
            ));
        }
        let threads = reading.totals.threads.unwrap_or(0);
        if leader.threads == 0 || (leader.threads == 1) != (threads == 1) && threads > 64 {
            return Err(differs(
                leader.pid,
                "threads",
                u64::from(leader.threads),
                threads,
            ));
        }
        if let (Some(soft), 1) = (reading.totals.descriptor_soft_limit, leader.has_mm)
            && soft != leader.descriptor_limit[0]
        {
            return Err(differs(
                leader.pid,
                "RLIMIT_NOFILE",
                leader.descriptor_limit[0],
                soft,
            ));
        }
    }
    Ok(())
}

fn differs(pid: u32, what: &str, kernel: u64, proc: u64) -> KernelError {
    KernelError::Untrue(format!(
        "{what} of process {pid} is {kernel} by the record and {proc} by /proc; \
         use --no-ebpf and report this kernel"
    ))
}
