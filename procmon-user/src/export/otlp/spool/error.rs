//! Why there is no spool.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::format::{HeaderError, VERSION};
use crate::file_lock::LockError;

/// A spool that cannot be used.
#[derive(Debug, Error)]
pub enum SpoolError {
    /// Another procmon uses it.
    #[error("the spool {} is {held}", folder.display())]
    Shared {
        /// Where it is.
        folder: PathBuf,
        /// By whom.
        held: LockError,
    },
    /// It was written by another version.
    #[error(
        "{}: it is in format {found}, and this procmon reads format {VERSION}: let the procmon \
         that wrote it deliver it, or remove {}; it is left as it is",
        file.display(),
        file.parent().unwrap_or(file).display()
    )]
    Version {
        /// A file of it.
        file: PathBuf,
        /// Its format.
        found: u16,
    },
    /// Its files cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl SpoolError {
    /// For `map_err`.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }

    /// What is to be said of a header; `None` when the file is just damaged.
    pub(super) fn of_header(file: &Path, error: HeaderError) -> Option<Self> {
        match error {
            HeaderError::Version(found) => Some(Self::Version {
                file: file.to_owned(),
                found,
            }),
            HeaderError::Foreign => None,
        }
    }
}
