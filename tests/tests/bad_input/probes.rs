//! Others at the probes' hooks while procmon counts. The kernel lets nobody take a probe from the
//! program that holds it: links of tracing programs cannot be detached by others (EOPNOTSUPP), and
//! the switches of tracefs are for tracefs alone. So all there is to see is that nothing changes.

use std::fs;

use procmon_tests::{Procmon, Victim, program::SOON, strace::memory_key};

use crate::support::*;

// include/uapi/linux/bpf.h.
const BPF_LINK_GET_FD_BY_ID: i32 = 30;
const BPF_LINK_GET_NEXT_ID: i32 = 31;
const BPF_LINK_DETACH: i32 = 34;
const TRACEFS: &str = "/sys/kernel/tracing/events";

/// bpf(2) with the first two words of its attributes, all others 0; what it returns, and the
/// second word then.
fn bpf(command: i32, first: u32) -> Result<(i64, u32), std::io::Error> {
    let mut attributes = [0u32; 32];
    attributes[0] = first;
    // SAFETY: an attribute union larger than any of these commands reads.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            attributes.as_mut_ptr(),
            size_of_val(&attributes),
        )
    };
    match result {
        -1 => Err(std::io::Error::last_os_error()),
        result => Ok((result, attributes[1])),
    }
}

/// Every link of the system.
fn links() -> Vec<u32> {
    let mut ids = Vec::new();
    while let Ok((_, next)) = bpf(BPF_LINK_GET_NEXT_ID, ids.last().copied().unwrap_or(0)) {
        ids.push(next);
    }
    ids
}

/// The links that were not there before.
fn new_since(before: &[u32]) -> Vec<u32> {
    let mut now = links();
    now.retain(|link| !before.contains(link));
    now
}

/// Tries to detach a link; whether that worked. None if it has gone.
fn detach(link: u32) -> Option<bool> {
    let (fd, _) = bpf(BPF_LINK_GET_FD_BY_ID, link).ok()?;
    let detached = bpf(BPF_LINK_DETACH, u32::try_from(fd).unwrap());
    // SAFETY: made just now, and nobody else's.
    unsafe { libc::close(i32::try_from(fd).unwrap()) };
    if let Err(error) = &detached {
        assert_eq!(error.raw_os_error(), Some(libc::EOPNOTSUPP), "{error}");
    }
    Some(detached.is_ok())
}

#[test]
fn probes_that_others_try_to_kill_while_running_count_on() {
    let before = links();
    let mut victim = Victim::held_before("mmap=300:8192 print-ready wait exit=5").unwrap();
    let procmon = watch(&[victim.pid()], "50ms").start().unwrap();
    wait_objects(&procmon, 2);
    let own = new_since(&before);
    assert!(!own.is_empty(), "its probes are links");
    let taken = own.iter().filter(|id| detach(**id) == Some(true)).count();
    assert_eq!(taken, 0, "of {} links", own.len());
    for family in ["syscalls", "sched", "oom"] {
        // It is 0 already where nobody traces.
        let switch = format!("{TRACEFS}/{family}/enable");
        if fs::metadata(&switch).is_ok() {
            fs::write(switch, "0").unwrap();
        }
    }
    victim.go().unwrap();
    victim.wait_ready(2).unwrap();
    victim.finish().unwrap();
    let output = procmon.wait(SOON).unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let objects = objects(&output.stdout);
    assert_eq!(growth(&objects, &memory_key("mmap", None)), Some(300.0));
    assert_eq!(objects.last().unwrap().exit_code(), Some(5));
}

#[test]
fn a_killed_helper_that_takes_the_probes_off_leaves_none_of_them() {
    let before = links();
    let mark = format!("PROCMON_TEST=helper-{}", std::process::id());
    let run = watch(&[std::process::id()], "50ms").env("PROCMON_TEST", &mark[13..]);
    let procmon = run.start().unwrap();
    wait_objects(&procmon, 2);
    let own = new_since(&before);
    end(procmon);
    for helper in marked(&mark) {
        // SAFETY: a child of the procmon above, by its mark; it may have gone.
        unsafe { libc::kill(helper.cast_signed(), libc::SIGKILL) };
    }
    wait_until("no link is left", || {
        links().iter().all(|link| !own.contains(link))
    });
    assert!(marked(&mark).is_empty());
}

#[test]
fn a_second_procmon_that_is_killed_takes_no_probe_from_the_first() {
    let mut victim = Victim::held_before("mmap=200:8192 print-ready wait").unwrap();
    let procmon = watch(&[victim.pid()], NEVER).start().unwrap();
    wait_objects(&procmon, 1);
    let all = Procmon::new("run").args(["--all", "--interval", "50ms", "--jsonl", "-"]);
    let second = all.start().unwrap();
    wait_objects(&second, 2);
    second.signal(libc::SIGKILL).unwrap();
    second.wait(LIMIT).unwrap();
    victim.go().unwrap();
    victim.wait_ready(2).unwrap();
    victim.finish().unwrap();
    let output = procmon.wait(SOON).unwrap();
    let objects = objects(&output.stdout);
    assert_eq!(growth(&objects, &memory_key("mmap", None)), Some(200.0));
}
