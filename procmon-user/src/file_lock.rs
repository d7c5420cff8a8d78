//! A file that says that something is one procmon's: its lock goes with whoever
//! holds it, however that ends (flock(2)).

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use thiserror::Error;

/// The lock, held until it is dropped.
#[derive(Debug)]
pub struct FileLock {
    file: File,
}

/// Why it is not ours.
#[derive(Debug, Error)]
pub enum LockError {
    /// Another procmon holds it.
    #[error(
        "in use by another procmon{}: give each a state_dir of its own",
        holder.map_or(String::new(), |pid| format!(" (process {pid})"))
    )]
    Held {
        /// The other's process number, if it could be read.
        holder: Option<u32>,
    },
    /// The file cannot be written or locked.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl FileLock {
    /// Takes it, and makes the file if it is not there; waits for nobody.
    ///
    /// # Errors
    /// When another process holds it, or the file cannot be written.
    pub fn take(path: &Path) -> Result<Self, LockError> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let mut text = String::new();
                let read = file.read_to_string(&mut text);
                let holder = read.ok().and_then(|_| text.trim().parse().ok());
                return Err(LockError::Held { holder });
            }
            Err(error) => return Err(io::Error::from(error).into()),
        }
        // For whoever finds it locked: it may be wrong, the lock is not.
        let _ = file
            .set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self { file })
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // To close it is not enough: a process that was just forked holds the
        // lock as well, until it becomes another program.
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_holds_it_and_the_other_is_told_who() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let held = FileLock::take(&path).unwrap();
        let other = FileLock::take(&path).unwrap_err().to_string();
        let pid = std::process::id();
        assert_eq!(
            other,
            format!("in use by another procmon (process {pid}): give each a state_dir of its own")
        );
        let as_a_child_has_it = held.file.try_clone().unwrap();
        drop(held);
        FileLock::take(&path).unwrap();
        drop(as_a_child_has_it);
        let nowhere = folder.path().join("no/lock");
        assert!(matches!(FileLock::take(&nowhere), Err(LockError::Io(_))));
    }
}
