//! Hiding parts of the system from one program, in a mount namespace of its own.

use std::{ffi::CStr, io, os::unix::process::CommandExt as _, process::Command, ptr};

use procmon_tests::{Output, Procmon, Program};

use crate::LIMIT;

/// What is hidden.
#[derive(Clone, Copy, Debug)]
pub enum Hidden {
    /// Nothing.
    Nothing,
    /// tracefs, and the place where it could be mounted.
    Tracefs,
    /// The kernel's type information.
    Btf,
    /// Control groups of either version.
    Groups,
}

/// Runs procmon to its end without the hidden.
pub fn output(procmon: &Procmon, hidden: Hidden) -> Output {
    let mut command = procmon.command().unwrap();
    hide(&mut command, hidden);
    let mut program = Program::start(&mut command).unwrap();
    program.close_stdin();
    program.wait(LIMIT).unwrap()
}

fn hide(command: &mut Command, hidden: Hidden) {
    if matches!(hidden, Hidden::Nothing) {
        return;
    }
    // SAFETY: between fork and exec only system calls are made, with constant strings.
    unsafe {
        command.pre_exec(move || {
            own_namespace()?;
            match hidden {
                Hidden::Nothing => Ok(()),
                Hidden::Tracefs => mask_all_but_btf(),
                Hidden::Groups => mount(c"none", c"/sys/fs/cgroup", Some(c"tmpfs"), 0),
                Hidden::Btf => mount(c"none", c"/sys/kernel/btf", Some(c"tmpfs"), 0),
            }
        });
    }
}

fn own_namespace() -> io::Result<()> {
    // SAFETY: takes flags only.
    check(unsafe { libc::unshare(libc::CLONE_NEWNS) })?;
    mount(c"none", c"/", None, libc::MS_REC | libc::MS_PRIVATE)
}

/// An empty /sys/kernel, so that tracefs is not there and cannot be mounted, with BTF put back.
fn mask_all_but_btf() -> io::Result<()> {
    const PLACE: &CStr = c"/sys/kernel/btf";
    // SAFETY: open(2) and dup2(2) with a C string and descriptors; the number is a free one, known
    // beforehand since nothing may be formatted here. It goes with exec.
    unsafe {
        let folder = libc::open(PLACE.as_ptr(), libc::O_PATH | libc::O_DIRECTORY);
        check(folder)?;
        check(libc::dup3(folder, 99, libc::O_CLOEXEC))?;
        check(libc::close(folder))?;
    }
    mount(c"none", c"/sys/kernel", Some(c"tmpfs"), 0)?;
    // SAFETY: mkdir(2) with a C string.
    check(unsafe { libc::mkdir(PLACE.as_ptr(), 0o755) })?;
    mount(c"/proc/self/fd/99", PLACE, None, libc::MS_BIND)
}

fn mount(source: &CStr, target: &CStr, kind: Option<&CStr>, flags: u64) -> io::Result<()> {
    // SAFETY: mount(2) with C strings that live through the call, or null where it takes that.
    check(unsafe {
        libc::mount(
            source.as_ptr(),
            target.as_ptr(),
            kind.map_or(ptr::null(), CStr::as_ptr),
            flags,
            ptr::null(),
        )
    })
}

fn check(result: i32) -> io::Result<()> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
