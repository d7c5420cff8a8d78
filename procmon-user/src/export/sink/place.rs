//! Where a sink writes to, and why it may not.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::rotation::Rotation;

/// Where a sink writes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, `-` for standard output.
    pub path: PathBuf,
    /// When it is put aside.
    pub rotation: Rotation,
}

impl Place {
    /// A file that is never put aside.
    pub fn of(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            rotation: Rotation::default(),
        }
    }

    /// Standard output.
    pub fn stdout() -> Self {
        Self::of(Path::new("-"))
    }

    /// Whether it is that.
    pub(super) fn is_stdout(&self) -> bool {
        self.path == Path::new("-")
    }
}

/// Why a sink takes nothing.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The folder the file should stand in does not exist.
    #[error("cannot write {}: there is no folder {}", path.display(), folder.display())]
    NoFolder {
        /// The file.
        path: PathBuf,
        /// The folder.
        folder: PathBuf,
    },
    /// The file cannot be opened.
    #[error("cannot open {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Whoever read it has gone: the normal end of this consumer.
    #[error("the reader of {name} has gone")]
    Closed {
        /// The target.
        name: String,
    },
}

impl SinkError {
    pub(super) fn of_opening(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty() && !folder.exists())
            .filter(|_| source.kind() == ErrorKind::NotFound);
        match folder.map(Path::to_owned) {
            Some(folder) => Self::NoFolder { path, folder },
            None => Self::Open { path, source },
        }
    }
}
