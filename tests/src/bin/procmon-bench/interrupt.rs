//! Ctrl-C: the first lets what was started be ended in order, the second ends
//! us at once (and the kernel then ends our children: [`bound`]).

use std::{
    os::unix::process::CommandExt as _,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};

const POLL: Duration = Duration::from_millis(20);

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// From now on SIGINT and SIGTERM make [`check`] fail.
pub fn catch() {
    extern "C" fn note(_: libc::c_int) {
        INTERRUPTED.store(true, Ordering::Relaxed);
    }
    for signal in [libc::SIGINT, libc::SIGTERM] {
        // SAFETY: all zero is an action without a mask; the handler only
        // stores to an atomic.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = note as *const () as libc::sighandler_t;
            action.sa_flags = libc::SA_RESETHAND | libc::SA_RESTART;
            libc::sigaction(signal, &action, std::ptr::null_mut());
        }
    }
}

/// Fails once we were interrupted: what was started is ended as it is dropped.
pub fn check() -> Result<()> {
    ensure!(!INTERRUPTED.load(Ordering::Relaxed), "interrupted");
    Ok(())
}

/// Waits until something holds; false when it does not within `limit`.
pub fn wait(limit: Duration, mut holds: impl FnMut() -> bool) -> Result<bool> {
    let until = Instant::now() + limit;
    while !holds() {
        check()?;
        if Instant::now() > until {
            return Ok(false);
        }
        thread::sleep(POLL);
    }
    Ok(true)
}

/// A command whose process is killed when we are (PR_SET_PDEATHSIG of
/// prctl(2)), however that comes about.
pub fn bound(mut command: Command) -> Command {
    bind(&mut command);
    command
}

/// [`bound`], of a command that is lent.
pub fn bind(command: &mut Command) {
    let parent = std::process::id();
    // SAFETY: prctl and getppid may be called between fork and exec.
    unsafe {
        command.pre_exec(move || {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            match libc::getppid() == parent as i32 {
                true => Ok(()),
                // It went before we asked.
                false => Err(std::io::Error::from_raw_os_error(libc::ESRCH)),
            }
        });
    }
}
