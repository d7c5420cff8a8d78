//! Putting a file aside: `log` becomes `log.1`, which becomes `log.2`, and so
//! on; a new `log` takes its place.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, fchown};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// When a file is put aside, and how many such files are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    /// The most bytes, unless a single record has more; `None`: any number.
    pub max_size: Option<u64>,
    /// The longest time from its first record on; `None`: any time.
    pub max_age: Option<Duration>,
    /// How many files that were put aside are kept.
    pub max_files: u32,
}

impl Rotation {
    /// The most bytes of a file; `None`: it is never put aside.
    pub(super) fn most(&self) -> Option<u64> {
        match (self.max_size, self.max_age) {
            (None, None) => None,
            (most, _) => Some(most.unwrap_or(u64::MAX)),
        }
    }
}

/// Puts the file at `path`, which `file` has open, aside and opens an empty one
/// in its place, with the same owner and permissions. Of more than `most` files
/// that were put aside the oldest goes; with `most` 0 that is this one. Its name
/// is never without a file for longer than between two renames.
///
/// # Errors
/// When the system refuses; the file is where it was then, and nothing that was
/// to be kept is lost.
pub(super) fn put_aside(path: &Path, file: &File, most: u32) -> io::Result<File> {
    // Before anything is moved: a full disk may have no room for one file more.
    let next = with_suffix(path, "new");
    let new = make_like(&next, file)?;
    let moved = shift(path, most).and_then(|()| fs::rename(&next, path));
    if let Err(error) = moved {
        // Should this fail too, the next time clears it away.
        let _ = fs::remove_file(&next);
        if most > 0 && !exists(path) {
            let _ = fs::rename(numbered(path, 1), path);
        }
        return Err(error);
    }
    Ok(new)
}

/// Moves a file to its first number, and those that are there one further, up
/// to the first gap.
fn shift(path: &Path, most: u32) -> io::Result<()> {
    if most == 0 {
        return Ok(());
    }
    let is_free = |number: &u32| !exists(&numbered(path, *number));
    let free = (1..most).find(is_free).unwrap_or(most);
    for number in (1..free).rev() {
        fs::rename(numbered(path, number), numbered(path, number + 1))?;
    }
    fs::rename(path, numbered(path, 1))
}

/// An empty file with the owner and the permissions of another, as far as may
/// be.
fn make_like(path: &Path, other: &File) -> io::Result<File> {
    let mut options = OpenOptions::new();
    // Never one that somebody else has put there.
    options.append(true).create_new(true);
    let file = match options.open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            fs::remove_file(path)?;
            options.open(path)?
        }
        opened => opened?,
    };
    let other = other.metadata()?;
    // Only root may give files away.
    let _ = fchown(&file, Some(other.uid()), Some(other.gid()));
    file.set_permissions(other.permissions())?;
    Ok(file)
}

fn exists(path: &Path) -> bool {
    !fs::symlink_metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    with_suffix(path, &number.to_string())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests;
