//! /proc/PID/cmdline (proc_pid_cmdline(5)): the arguments, each ended by NUL.

/// As much as is read: argv[0] may need that.
pub const LONGEST: usize = 4096;

/// argv[0]; `None` for kernel threads, zombies and a process that was given no
/// arguments. A process may write what it likes there.
pub fn first(text: &[u8]) -> Option<&[u8]> {
    text.split(|&byte| byte == 0)
        .next()
        .filter(|argument| !argument.is_empty())
}

/// Every argument that was read whole; empty ones too.
pub fn whole(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let ended = match text.last() {
        Some(0) => &text[..text.len() - 1],
        // A process may write there without an end; what was cut off is not shown:
        // by half of it nobody could tell what to leave out.
        _ if text.len() < LONGEST => text,
        _ => {
            let last = text.iter().rposition(|&byte| byte == 0);
            &text[..last.unwrap_or(0)]
        }
    };
    let none = ended.is_empty();
    ended.split(|&byte| byte == 0).filter(move |_| !none)
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, first, whole};

    #[test]
    fn the_first_argument() {
        assert_eq!(first(b"/bin/cat\0-n\0"), Some(&b"/bin/cat"[..]));
        assert_eq!(first(b"postgres: writer"), Some(&b"postgres: writer"[..]));
        assert_eq!(first(b""), None);
        assert_eq!(first(b"\0x\0"), None);
    }

    #[test]
    fn whole_arguments() {
        let of = |text: &'static [u8]| whole(text).collect::<Vec<_>>();
        assert_eq!(of(b"cat\0-n\0\0x\0"), [&b"cat"[..], b"-n", b"", b"x"]);
        assert_eq!(of(b"postgres: writer"), [b"postgres: writer"]);
        assert!(of(b"").is_empty());
        let mut cut = b"cat\0".to_vec();
        cut.resize(LONGEST, b'x');
        assert_eq!(whole(&cut).collect::<Vec<_>>(), [b"cat"]);
    }
}
