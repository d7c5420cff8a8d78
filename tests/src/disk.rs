//! A disk that fills up.

use std::{
    ffi::CString,
    fs,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

/// A small disk, a tmpfs, whole while it is in use.
pub struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// Mounts one with these options, such as `size=64k`.
    ///
    /// # Panics
    /// When it cannot be mounted.
    pub fn mount(options: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let target = place(folder.path());
        let options = CString::new(options).expect("no NUL");
        // SAFETY: C strings that live through the call.
        let mounted = unsafe {
            libc::mount(
                c"none".as_ptr(),
                target.as_ptr(),
                c"tmpfs".as_ptr(),
                0,
                options.as_ptr().cast(),
            )
        };
        assert_eq!(mounted, 0, "{}", std::io::Error::last_os_error());
        Self(folder)
    }

    /// A path on it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Fills what is left of it with a file of this name.
    pub fn fill(&self, name: &str) {
        let _ = fs::write(self.path(name), vec![0; 1 << 20]);
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let target = place(self.0.path());
        // SAFETY: a C string that lives through the call.
        unsafe { libc::umount2(target.as_ptr(), libc::MNT_DETACH) };
    }
}

fn place(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).expect("a path has no NUL")
}
