//! The system calls behind the operations: no allocation, no wrapper.

use std::ptr;

use libc::{c_long, syscall};

use crate::state::{State, check};

pub const MAP: i64 = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as i64;
pub const READ_WRITE: i64 = (libc::PROT_READ | libc::PROT_WRITE) as i64;
pub const CWD: i64 = libc::AT_FDCWD as i64;
pub const PAGE: usize = 4096;

/// One system call.
pub fn call(number: c_long, a: [i64; 6]) -> i64 {
    // SAFETY: the table above passes only addresses that it made or that outlive the call.
    unsafe { syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]) }
}

pub fn path(text: &'static std::ffi::CStr) -> i64 {
    text.as_ptr() as i64
}

pub fn drop_result(what: &str, number: c_long, a: [i64; 6]) {
    check(what, call(number, a));
}

/// Opens a file, which must work.
pub fn open(name: &std::ffi::CStr, flags: i32) -> i64 {
    check(
        "openat",
        call(
            libc::SYS_openat,
            [CWD, name.as_ptr() as i64, flags.into(), 0o600, 0, 0],
        ),
    )
}

/// Closes a descriptor, which must work.
pub fn close(descriptor: i64) {
    drop_result("close", libc::SYS_close, [descriptor, 0, 0, 0, 0, 0]);
}

pub fn made(what: &str, number: c_long, a: [i64; 6]) {
    close(check(what, call(number, a)));
}

pub fn pair(what: &str, number: c_long, arguments: fn(i64) -> [i64; 6]) {
    let mut two = [0i32; 2];
    check(what, call(number, arguments(two.as_mut_ptr() as i64)));
    close(two[0].into());
    close(two[1].into());
}

/// Maps so many bytes, of a file from there on, which must work.
pub fn mmap(bytes: i64, usage: i64, flags: i64, file: i64, from: i64) -> i64 {
    check(
        "mmap",
        call(libc::SYS_mmap, [0, bytes, usage, flags, file, from]),
    )
}

pub fn map(state: &mut State, bytes: i64) {
    map_for(state, bytes, READ_WRITE);
}

/// Neighbours that may not be used in the same way stay apart.
pub fn map_apart(state: &mut State) {
    let usage = match state.maps.len() % 2 {
        0 => libc::PROT_READ.into(),
        _ => READ_WRITE,
    };
    map_for(state, PAGE as i64, usage);
}

fn map_for(state: &mut State, bytes: i64, usage: i64) {
    let address = mmap(bytes, usage, MAP, -1, 0);
    state.maps.push((address as usize, bytes as usize));
}

pub fn unmap(state: &mut State) {
    let (address, length) = state.maps.pop().unwrap_or((1, 0));
    drop_result(
        "munmap",
        libc::SYS_munmap,
        [address as i64, length as i64, 0, 0, 0, 0],
    );
}

pub fn remap(state: &mut State) {
    let (address, length) = state.maps.pop().unwrap_or((1, 0));
    let pages = length / PAGE;
    let new = if pages % 2 == 1 {
        length + PAGE
    } else {
        length - PAGE
    };
    let moved = check(
        "mremap",
        call(
            libc::SYS_mremap,
            [
                address as i64,
                length as i64,
                new as i64,
                libc::MREMAP_MAYMOVE.into(),
                0,
                0,
            ],
        ),
    );
    state.maps.push((moved as usize, new));
}

pub fn brk(state: &mut State, bytes: i64) {
    let wanted = state.brk + bytes;
    let got = call(libc::SYS_brk, [wanted, 0, 0, 0, 0, 0]);
    check("brk", if got == wanted { 0 } else { -1 });
    state.brk = got;
}

pub fn touch(state: &mut State, bytes: i64) {
    map(state, bytes);
    if let Some(&(address, length)) = state.maps.last() {
        for at in (0..length).step_by(PAGE) {
            // SAFETY: inside the mapping made above.
            unsafe { ptr::write_volatile((address + at) as *mut u8, 1) };
        }
    }
}

pub fn accept(n: i64) {
    const STREAM: [i64; 6] = [libc::AF_INET as i64, libc::SOCK_STREAM as i64, 0, 0, 0, 0];
    let mut address = libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: 0,
        sin_addr: libc::in_addr {
            s_addr: u32::from_ne_bytes([127, 0, 0, 1]),
        },
        sin_zero: [0; 8],
    };
    let mut length = size_of_val(&address) as i32;
    let at = &raw mut address as i64;
    let listener = check("socket", call(libc::SYS_socket, STREAM));
    drop_result(
        "bind",
        libc::SYS_bind,
        [listener, at, length.into(), 0, 0, 0],
    );
    drop_result("listen", libc::SYS_listen, [listener, 16, 0, 0, 0, 0]);
    drop_result(
        "getsockname",
        libc::SYS_getsockname,
        [listener, at, &raw mut length as i64, 0, 0, 0],
    );
    for _ in 0..n {
        let client = check("socket", call(libc::SYS_socket, STREAM));
        drop_result(
            "connect",
            libc::SYS_connect,
            [client, at, length.into(), 0, 0, 0],
        );
        made("accept4", libc::SYS_accept4, [listener, 0, 0, 0, 0, 0]);
        close(client);
    }
    close(listener);
}

/// A child that does this and ends with status 0.
pub fn fork(child: impl FnOnce()) -> i64 {
    let pid = check(
        "clone",
        call(libc::SYS_clone, [libc::SIGCHLD.into(), 0, 0, 0, 0, 0]),
    );
    if pid == 0 {
        child();
        exit(0);
    }
    pid
}

/// Waits for a child.
pub fn wait(pid: i64) {
    drop_result("wait4", libc::SYS_wait4, [pid, 0, 0, 0, 0, 0]);
}

/// Ends the program at once, without the runtime's own calls at the end.
pub fn exit(status: i64) -> ! {
    call(libc::SYS_exit_group, [status, 0, 0, 0, 0, 0]);
    std::process::abort()
}
