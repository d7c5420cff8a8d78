//! What stands behind a sink: a file that others may move away and that is put
//! aside when it is full, or whatever standard output is.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::place::{Place, SinkError};
use super::rotation::{Rotation, put_aside};

/// How trouble with a target is told to people: by the log, but for the log's
/// own file.
pub type Say = fn(log::Level, fmt::Arguments<'_>);

/// What a sink needs of its target; a file, but for tests.
pub(super) trait Target: Write + Send {
    /// The length, if it is a file that can be cut.
    fn length(&self) -> Option<u64>;
    /// Cuts it to `length`, and goes on there.
    fn cut(&mut self, length: u64) -> io::Result<()>;
    /// Makes ready for records, the first of which has `next` bytes; returns how
    /// many bytes may be written at once, if these are no more.
    fn prepare(&mut self, _next: u64) -> io::Result<u64> {
        Ok(u64::MAX)
    }
}

impl Target for File {
    fn length(&self) -> Option<u64> {
        let metadata = self.metadata().ok()?;
        metadata.is_file().then_some(metadata.len())
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)?;
        self.seek(SeekFrom::Start(length)).map(drop)
    }
}

/// Standard output.
pub(super) fn stdout() -> Result<File, SinkError> {
    let owned = io::stdout().as_fd().try_clone_to_owned();
    owned.map(File::from).map_err(|source| SinkError::Open {
        path: PathBuf::from("standard output"),
        source,
    })
}

/// A file by its name: when another stands there, or none, it is opened anew.
pub(super) struct NamedFile {
    path: PathBuf,
    rotation: Rotation,
    file: File,
    /// Device and number; `None`: it is no regular file.
    inode: Option<(u64, u64)>,
    /// How old its content was when it was opened, and when that was.
    age: Duration,
    opened: Instant,
    /// It could not be put aside or opened anew, which has been said.
    stuck: bool,
    say: Say,
}

impl NamedFile {
    /// Opens it for appending, making it but not its folder.
    pub(super) fn open(place: &Place, say: Say) -> Result<Self, SinkError> {
        let path = &place.path;
        let opened = append(path).and_then(|file| {
            let metadata = file.metadata()?;
            Ok((file, metadata))
        });
        let (file, metadata) = opened.map_err(|source| SinkError::of_opening(path, source))?;
        Ok(Self {
            path: path.to_owned(),
            rotation: place.rotation,
            inode: inode(&metadata),
            age: age(&metadata),
            opened: Instant::now(),
            file,
            stuck: false,
            say,
        })
    }

    /// Goes on in the file of our name, should ours have been moved or removed.
    fn follow(&mut self) -> io::Result<()> {
        if self.inode.is_none() {
            return Ok(());
        }
        match fs::metadata(&self.path) {
            Ok(metadata) if inode(&metadata) == self.inode => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            // Nothing is known of who stands there.
            Err(_) => return Ok(()),
        }
        match append(&self.path) {
            Ok(file) => self.go_on_in(file),
            // Where it was moved to, what it holds is not lost.
            Err(error) if self.file.metadata()?.nlink() > 0 => {
                self.trouble(format_args!("cannot be opened anew: {error}"));
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn go_on_in(&mut self, file: File) -> io::Result<()> {
        let metadata = file.metadata()?;
        self.inode = inode(&metadata);
        self.age = age(&metadata);
        self.opened = Instant::now();
        self.file = file;
        self.stuck = false;
        Ok(())
    }

    fn is_full(&self, length: u64, next: u64) -> bool {
        let too_long = |most| length.saturating_add(next) > most;
        let too_old = |most| self.age + self.opened.elapsed() >= most;
        self.rotation.max_size.is_some_and(too_long) || self.rotation.max_age.is_some_and(too_old)
    }

    fn rotate(&mut self) -> io::Result<()> {
        // A link stays where it is: the file it leads to is put aside.
        let path = fs::canonicalize(&self.path)?;
        let file = put_aside(&path, &self.file, self.rotation.max_files)?;
        self.go_on_in(file)
    }

    /// Says what is wrong, once until it works again.
    fn trouble(&mut self, what: fmt::Arguments<'_>) {
        if !std::mem::replace(&mut self.stuck, true) {
            let path = self.path.display();
            (self.say)(
                log::Level::Error,
                format_args!("{path} {what}; it grows on where it is"),
            );
        }
    }
}

impl Target for NamedFile {
    fn length(&self) -> Option<u64> {
        Target::length(&self.file)
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        Target::cut(&mut self.file, length)
    }

    fn prepare(&mut self, next: u64) -> io::Result<u64> {
        self.follow()?;
        let Some(most) = self.rotation.most() else {
            return Ok(u64::MAX);
        };
        let Some(mut length) = self.length() else {
            return Ok(u64::MAX);
        };
        if length > 0 && self.is_full(length, next) {
            if let Err(error) = self.rotate() {
                self.trouble(format_args!("cannot be put aside: {error}"));
                return Ok(u64::MAX);
            }
            length = 0;
        }
        if length == 0 {
            // It is as old as its first record.
            (self.age, self.opened) = (Duration::ZERO, Instant::now());
        }
        Ok(most.saturating_sub(length))
    }
}

impl Write for NamedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

fn inode(metadata: &fs::Metadata) -> Option<(u64, u64)> {
    metadata.is_file().then(|| (metadata.dev(), metadata.ino()))
}

/// How long ago a file was made; where the file system does not know, it is
/// taken for new.
fn age(metadata: &fs::Metadata) -> Duration {
    let made = metadata.created().ok();
    let age = made.and_then(|made| made.elapsed().ok());
    age.unwrap_or_default()
}
