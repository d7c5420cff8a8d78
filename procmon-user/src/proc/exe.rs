//! /proc/PID/exe (proc_pid_exe(5)): the file a process executes.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use super::text;

/// What the kernel appends to the path of a file that has been removed
/// (d_path of fs/d_path.c).
const DELETED: &[u8] = b" (deleted)";

/// The path of a link's target.
pub fn path(target: Vec<u8>) -> PathBuf {
    let mut path = target;
    if path.ends_with(DELETED) {
        path.truncate(path.len() - DELETED.len());
    }
    PathBuf::from(OsString::from_vec(path))
}

/// The base name of a path, as text.
pub fn base_name(path: &[u8]) -> String {
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
    text::lossy(name)
}

/// The name of a process whose link cannot be read: its `comm`, which the
/// kernel cuts to 15 bytes, or argv[0]'s base name where that is the longer
/// form of the same.
pub fn fallback_name(comm: &[u8], argv0: Option<&[u8]>) -> String {
    const CUT: usize = 15;
    let longer = argv0
        .filter(|_| comm.len() == CUT)
        .and_then(|argv0| argv0.rsplit(|&byte| byte == b'/').next())
        .filter(|name| name.starts_with(comm));
    text::lossy(longer.unwrap_or(comm))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_removed_file_keeps_its_name() {
        assert_eq!(
            path(b"/usr/bin/cat (deleted)".to_vec()),
            Path::new("/usr/bin/cat")
        );
        assert_eq!(path(b"/memfd:x (deleted)".to_vec()), Path::new("/memfd:x"));
        assert_eq!(path(b"/a b/c".to_vec()), Path::new("/a b/c"));
    }

    #[test]
    fn names_are_the_last_part() {
        assert_eq!(base_name(b"/usr/bin/cat"), "cat");
        assert_eq!(base_name(b"cat"), "cat");
        assert_eq!(base_name(b"/bin/\xff\n"), "\u{fffd}\n");
    }

    #[test]
    fn a_cut_name_is_made_whole_where_it_can_be() {
        let comm = b"NetworkManager-";
        let argv0 = &b"/usr/bin/NetworkManager-dispatcher"[..];
        assert_eq!(
            fallback_name(comm, Some(argv0)),
            "NetworkManager-dispatcher"
        );
        assert_eq!(fallback_name(b"cat", Some(b"/bin/catalogue")), "cat");
        assert_eq!(fallback_name(comm, Some(b"other")), "NetworkManager-");
        assert_eq!(fallback_name(comm, None), "NetworkManager-");
    }
}
