//! tracefs: where it is, and whether it may be read.

use std::fs::File;
use std::io::{Error, ErrorKind};
use std::path::Path;

use super::prerequisites::Finding;

/// Where it belongs (Documentation/trace/ftrace.rst).
const PLACE: &str = "/sys/kernel/tracing";
/// Where it was before Linux 4.1, and still is as well.
const OLD_PLACE: &str = "/sys/kernel/debug/tracing";
/// A file of every tracefs, as open to readers as the ids of tracepoints are
/// (TRACE_MODE_READ in kernel/trace/trace.h).
const FILE: &str = "events/header_page";

/// Why there is none to use.
#[derive(Debug, thiserror::Error)]
pub enum Absent {
    /// It is nowhere.
    #[error("no tracefs")]
    NotMounted,
    /// It is there, and closed to us: it is made for root alone.
    #[error("tracefs may not be read")]
    Closed(#[source] Error),
}

/// The folder of one that may be read.
pub fn find() -> Result<&'static Path, Absent> {
    match look(Path::new(PLACE)) {
        // All of debugfs is closed to others than root, with tracefs in it or not.
        Err(absent) => look(Path::new(OLD_PLACE)).map_err(|_| absent),
        found => found,
    }
}

fn look(place: &Path) -> Result<&Path, Absent> {
    match File::open(place.join(FILE)) {
        Ok(_) => Ok(place),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(Absent::Closed(error)),
        Err(_) => Err(Absent::NotMounted),
    }
}

/// What there is of it. Mounts it where it belongs if it is not there and may
/// be mounted.
pub fn finding() -> Finding {
    let mounted = matches!(find(), Err(Absent::NotMounted)) && mount();
    if mounted {
        log::info!("tracefs was not mounted: it is now, on {PLACE}");
    }
    let (found, advice) = match find() {
        Ok(path) if mounted => (format!("{} (mounted just now)", path.display()), None),
        Ok(path) => (path.display().to_string(), None),
        Err(Absent::NotMounted) => (
            format!("not mounted on {PLACE}"),
            Some(
                "mount -t tracefs tracefs /sys/kernel/tracing; without it one program watches \
                 every system call",
            ),
        ),
        Err(Absent::Closed(error)) => (
            format!("{PLACE} may not be read: {error}"),
            Some(
                "run it as root, or give it CAP_DAC_READ_SEARCH; without tracefs one program \
                 watches every system call",
            ),
        ),
    };
    Finding {
        name: "tracefs",
        ok: advice.is_none(),
        found,
        advice,
    }
}

fn mount() -> bool {
    let Ok(place) = std::ffi::CString::new(PLACE) else {
        return false;
    };
    // SAFETY: mount(2) with C strings that live through the call; no data.
    unsafe {
        libc::mount(
            c"tracefs".as_ptr(),
            place.as_ptr(),
            c"tracefs".as_ptr(),
            libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC,
            std::ptr::null(),
        ) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_the_file_is_no_tracefs() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(look(folder.path()), Err(Absent::NotMounted)));
        std::fs::create_dir(folder.path().join("events")).unwrap();
        std::fs::write(folder.path().join(FILE), "").unwrap();
        assert_eq!(look(folder.path()).unwrap(), folder.path());
    }
}
