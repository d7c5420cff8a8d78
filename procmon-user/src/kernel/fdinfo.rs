//! What /proc/self/fdinfo tells of a map or a program (bpf_map_show_fdinfo and
//! bpf_prog_show_fdinfo, kernel/bpf/syscall.c).

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::RawFd;

/// The numbers of the lines that begin with these keys.
pub fn read<const N: usize>(fd: RawFd, keys: [&str; N]) -> io::Result<[Option<u64>; N]> {
    // It is short; one read takes it whole, every tick.
    let mut text = [0; 1024];
    let length = File::open(format!("/proc/self/fdinfo/{fd}"))?.read(&mut text)?;
    let text = String::from_utf8_lossy(&text[..length]);
    Ok(keys.map(|key| {
        let line = text.lines().find_map(|line| line.strip_prefix(key))?;
        line.trim().parse().ok()
    }))
}
