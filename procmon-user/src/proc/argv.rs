//! /proc/PID/cmdline (proc_pid_cmdline(5)): the arguments, each ended by NUL.

/// As much as argv[0] may need; the rest is not read.
pub const LONGEST: usize = 4096;

/// argv[0]; `None` for kernel threads, zombies and a process that was given no
/// arguments. A process may write what it likes there.
pub fn first(text: &[u8]) -> Option<&[u8]> {
    text.split(|&byte| byte == 0)
        .next()
        .filter(|argument| !argument.is_empty())
}

#[cfg(test)]
mod tests {
    use super::first;

    #[test]
    fn the_first_argument() {
        assert_eq!(first(b"/bin/cat\0-n\0"), Some(&b"/bin/cat"[..]));
        assert_eq!(first(b"postgres: writer"), Some(&b"postgres: writer"[..]));
        assert_eq!(first(b""), None);
        assert_eq!(first(b"\0x\0"), None);
    }
}
