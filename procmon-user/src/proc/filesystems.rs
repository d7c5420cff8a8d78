//! Mounted file systems and their room, whatever hangs.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::mount_table::MountTable;
use super::mounts::Mount;
use super::statvfs::{Helper, Oracle, Room};
use super::{Error, ProcRoot, ReadErrors};
use crate::frame::Filesystem;

/// How long a round waits for answers, which come within microseconds.
const PATIENCE: Duration = Duration::from_millis(100);
/// The field under which what could not be read is counted.
const FIELD: &str = "filesystems";

/// Which mount, while it is mounted.
type Key = (String, PathBuf);

/// A mount that was asked.
#[derive(Debug)]
struct Asked {
    /// The number of the last question.
    question: u64,
    /// The answer to it, when it has come.
    answer: Option<Option<Room>>,
    /// It was late once: nobody waits for it again.
    late: bool,
    /// That it does not answer has been said.
    said: bool,
    /// The round it was last mounted in.
    round: u64,
}

/// Asks every mount once a round.
///
/// A mount that does not answer in time is left out until it does, and said when
/// it has not by the next round; it is not asked again meanwhile, so that at most
/// one question waits there. After that nobody waits for it: what is told of it
/// is the answer to the round before.
pub struct FilesystemReader {
    oracle: io::Result<Box<dyn Oracle>>,
    mounts: MountTable,
    asked: HashMap<Key, Asked>,
    questions: u64,
    round: u64,
}

impl FilesystemReader {
    /// A reader with a helper of its own.
    pub fn start() -> Self {
        Self::new(Helper::start().map(|helper| Box::new(helper) as Box<dyn Oracle>))
    }

    fn new(oracle: io::Result<Box<dyn Oracle>>) -> Self {
        Self {
            oracle,
            mounts: MountTable::default(),
            asked: HashMap::new(),
            questions: 0,
            round: 0,
        }
    }

    /// The file systems that hold files and answer; the others are counted in
    /// `errors`.
    ///
    /// # Errors
    /// When the mounts cannot be listed, or there is nobody to ask.
    pub fn read(
        &mut self,
        root: &ProcRoot,
        buf: &mut Vec<u8>,
        errors: &mut ReadErrors,
    ) -> Result<Vec<Filesystem>, Error> {
        let mounts = self.mounts.get(root, buf)?.to_vec();
        self.round += 1;
        self.take_answers(Duration::ZERO);
        let mut shown: Vec<(Mount, Option<Room>)> = Vec::with_capacity(mounts.len());
        for mount in mounts {
            if let Some(asked) = self.asked.get_mut(&key(&mount))
                && asked.answer.is_none()
            {
                errors.count(FIELD, "timeout");
                if !std::mem::replace(&mut asked.said, true) {
                    errors.say(late(&mount));
                }
            }
            let room = self.ask(root, &mount)?;
            shown.push((mount, room));
        }
        self.take_answers(PATIENCE);
        let mut filesystems = Vec::with_capacity(shown.len());
        for (mount, before) in shown {
            let Some(asked) = self.asked.get_mut(&key(&mount)) else {
                continue;
            };
            let now = match (&asked.answer, asked.late) {
                (Some(answer), false) => *answer,
                (None, false) => {
                    // On a busy host that may be nobody's fault: nothing is said yet.
                    asked.late = true;
                    errors.count(FIELD, "timeout");
                    None
                }
                (_, true) => before,
            };
            // Without blocks it holds no files, whatever its type says.
            if let Some(room) = now.filter(|room| room.total > 0) {
                filesystems.push(filesystem(mount, room));
            }
        }
        let round = self.round;
        self.asked.retain(|_, asked| asked.round == round);
        Ok(filesystems)
    }

    /// Asks a mount, unless its last answer is still to come; returns what that
    /// was, of one that nobody waits for.
    fn ask(&mut self, root: &ProcRoot, mount: &Mount) -> Result<Option<Room>, Error> {
        let path = root.locate(&mount.mountpoint);
        let oracle = match &mut self.oracle {
            Ok(oracle) => oracle,
            Err(error) => return Err(Error::io(&path, copy(error))),
        };
        let asked = self.asked.entry(key(mount)).or_insert(Asked {
            question: 0,
            answer: Some(None),
            late: false,
            said: false,
            round: 0,
        });
        asked.round = self.round;
        let Some(before) = asked.answer else {
            return Ok(None);
        };
        self.questions += 1;
        asked.question = self.questions;
        asked.answer = None;
        asked.said = false;
        if let Err(error) = oracle.ask(self.questions, &path) {
            asked.answer = Some(None);
            return Err(Error::io(&path, error));
        }
        Ok(before.filter(|_| asked.late))
    }

    /// Takes answers until none is missing that is worth waiting for, or
    /// patience ends.
    fn take_answers(&mut self, patience: Duration) {
        let Ok(oracle) = &mut self.oracle else {
            return;
        };
        let until = Instant::now() + patience;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let mut missing = self.asked.values().filter(|asked| asked.answer.is_none());
            let worth_waiting = match patience.is_zero() {
                true => missing.next().is_some(),
                false => missing.any(|asked| !asked.late),
            };
            if !worth_waiting {
                return;
            }
            // What has come is taken though there is no time left.
            let Some((question, answer)) = oracle.answer(left.max(Duration::from_micros(1))) else {
                if until <= Instant::now() {
                    return;
                }
                continue;
            };
            let mut all = self.asked.values_mut();
            if let Some(asked) = all.find(|asked| asked.question == question) {
                // A mount we may not see into is not ours to report.
                asked.answer = Some(answer.ok());
            }
        }
    }
}

fn key(mount: &Mount) -> Key {
    (mount.device_number.clone(), mount.mountpoint.clone())
}

/// The same error once more: [`io::Error`] cannot be cloned.
fn copy(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(number) => io::Error::from_raw_os_error(number),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

fn late(mount: &Mount) -> String {
    format!(
        "{} ({}, {}) does not say how much room it has: it is left out until it does. \
         Is its server, or the program behind it, still there?",
        mount.mountpoint.display(),
        mount.kind,
        mount.source
    )
}

fn filesystem(mount: Mount, room: Room) -> Filesystem {
    Filesystem {
        device: mount.source,
        mountpoint: mount.mountpoint.to_string_lossy().into_owned(),
        used: room.total.saturating_sub(room.free),
        free: room.available,
        reserved: room.free.saturating_sub(room.available),
    }
}

#[cfg(test)]
mod tests;
