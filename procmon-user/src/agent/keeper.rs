//! Keeps the history in a file, so that it survives a restart.

use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use log::{info, warn};

use crate::analysis::History;
use crate::analysis::history::{Snapshot, SnapshotError};
use crate::file_lock::FileLock;

/// How often it is written while it grows: what a crash costs.
const EVERY: Duration = Duration::from_secs(60);
/// The file's name.
const NAME: &str = "history";

/// The file of a history.
#[derive(Debug)]
pub struct Keeper {
    path: PathBuf,
    boot_id: String,
    due: Instant,
    writer: Option<JoinHandle<io::Result<()>>>,
    failing: bool,
    /// Nobody else writes the file.
    _lock: FileLock,
}

impl Keeper {
    /// Takes over what the file in `folder` holds, if it is of this boot, and
    /// keeps the history there from now on. The folder is made if it is not
    /// there. A file that is of no use is set aside, which is said.
    ///
    /// # Errors
    /// When the folder cannot be made or written to, the file not read, or when
    /// another procmon keeps its own there.
    pub fn open(folder: &Path, boot_id: String, history: &mut History) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let path = folder.join(NAME);
        let lock = FileLock::take(&path.with_extension("lock"))
            .with_context(|| format!("cannot take {}", path.display()))?;
        match fs::read(&path) {
            Ok(bytes) => match history.restore(&bytes, &boot_id) {
                Ok(()) => info!("the history goes on from {}", path.display()),
                Err(error) => set_aside(&path, &error)?,
            },
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        }
        let begun = beginning(&path);
        File::create(&begun).with_context(|| format!("cannot write {}", begun.display()))?;
        Ok(Self {
            path,
            boot_id,
            due: Instant::now() + EVERY,
            writer: None,
            failing: false,
            _lock: lock,
        })
    }

    /// Writes the history when it is time to, on a thread of its own: all that
    /// is done here is to copy it.
    pub fn mind(&mut self, history: &History) {
        if Instant::now() < self.due || self.writer.as_ref().is_some_and(|w| !w.is_finished()) {
            return;
        }
        self.due = Instant::now() + EVERY;
        self.settle();
        let snapshot = history.snapshot(&self.boot_id);
        let path = self.path.clone();
        let writer = std::thread::Builder::new()
            .name("procmon-history".to_owned())
            .spawn(move || write(&path, &snapshot));
        match writer {
            Ok(writer) => self.writer = Some(writer),
            Err(error) => self.failed(&error),
        }
    }

    /// Writes the history for the last time.
    pub fn finish(mut self, history: &History) {
        self.settle();
        if let Err(error) = write(&self.path, &history.snapshot(&self.boot_id)) {
            warn!(
                "cannot keep the history in {}: {error}",
                self.path.display()
            );
        }
    }

    /// Waits for the writer, if there is one.
    fn settle(&mut self) {
        match self.writer.take().map(JoinHandle::join) {
            Some(Ok(Err(error))) => self.failed(&error),
            Some(Ok(Ok(()))) => self.failing = false,
            Some(Err(_)) | None => {}
        }
    }

    fn failed(&mut self, error: &io::Error) {
        if !std::mem::replace(&mut self.failing, true) {
            let path = self.path.display();
            warn!("cannot keep the history in {path}: {error}; trying again");
        }
    }
}

/// Where a file is written before it gets its name.
fn beginning(path: &Path) -> PathBuf {
    path.with_extension("new")
}

/// Writes the file, whole or not at all.
fn write(path: &Path, snapshot: &Snapshot) -> io::Result<()> {
    let begun = beginning(path);
    let file = File::create(&begun)?;
    snapshot.write(BufWriter::new(&file))?;
    file.sync_all()?;
    fs::rename(&begun, path)
}

fn set_aside(path: &Path, error: &SnapshotError) -> Result<()> {
    let aside = path.with_extension("refused");
    fs::rename(path, &aside)
        .with_context(|| format!("cannot set {} aside: {error}", path.display()))?;
    warn!(
        "{}: {error}; it is set aside as {}, and the history begins anew",
        path.display(),
        aside.display()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::iter;

    use super::*;
    use crate::analysis::Rates;
    use crate::analysis::history::Settings;
    use crate::process::fixture::{self, SECOND};

    /// Records so many frames of one process.
    fn record(history: &mut History, frames: std::ops::Range<u64>) {
        let mut rates = Rates::default();
        for n in frames {
            let mut process = fixture::sample(7, "sh");
            process.totals.rss = Some(n << 20);
            process.totals.user_ns = Some(n * SECOND / 3);
            process.totals.system_ns = Some(n);
            let mut frame = fixture::frame(n * SECOND, vec![process], vec![]);
            frame.tick = n;
            let derived = rates.derive(&frame);
            let sum = fixture::sample(1, "other");
            let group = (("top".into(), "other".into()), &sum);
            history.record(&frame, &derived, iter::once(group));
        }
    }

    fn new() -> History {
        History::new(&Settings::default())
    }

    fn samples(history: &History) -> u32 {
        let id = fixture::sample(7, "sh").id;
        let series = history.process_series(id);
        series.map_or(0, |series| series.samples())
    }

    fn open(folder: &Path, boot: &str) -> (Keeper, History) {
        let mut history = new();
        let keeper = Keeper::open(folder, boot.to_owned(), &mut history).unwrap();
        (keeper, history)
    }

    /// A folder with the history of ten frames.
    fn kept() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let (keeper, mut history) = open(&folder.path().join("new/folder"), "boot-1");
        record(&mut history, 1..11);
        keeper.finish(&history);
        let path = folder.path().join("new/folder/history");
        (folder, path)
    }

    #[test]
    fn a_history_goes_on_after_a_restart() {
        let (_folder, path) = kept();
        let (_, mut again) = open(path.parent().unwrap(), "boot-1");
        let mut whole = new();
        record(&mut whole, 1..11);
        for history in [&mut again, &mut whole] {
            assert_eq!(samples(history), 10);
            assert_eq!(
                history.times(3).collect::<Vec<_>>(),
                [8, 9, 10].map(|n| n * SECOND)
            );
            record(history, 11..13);
        }
        let id = fixture::sample(7, "sh").id;
        let [again_rows, whole_rows] =
            [&again, &whole].map(|h| h.process_series(id).unwrap().rows().collect::<Vec<_>>());
        assert_eq!(again_rows, whole_rows);
        let [one, other] = [&again, &whole].map(|h| h.process_series(id).unwrap().aggregate());
        assert_eq!(one, other);
        assert_eq!(again.group_series("top", "other").unwrap().samples(), 12);
        assert_eq!(again.host_series().samples(), 12);
    }

    #[test]
    fn who_is_not_there_any_more_is_forgotten() {
        let (_folder, path) = kept();
        let (_, mut history) = open(path.parent().unwrap(), "boot-1");
        let frame = fixture::frame(20 * SECOND, vec![], vec![]);
        history.record(&frame, &[], iter::empty());
        assert_eq!(samples(&history), 0);
    }

    #[test]
    fn what_is_cut_off_altered_of_another_version_or_boot_is_refused_and_set_aside() {
        let (_folder, path) = kept();
        let good = fs::read(&path).unwrap();
        let mut cases: Vec<(Vec<u8>, &str)> = vec![
            (vec![], "not a history"),
            (b"something else".to_vec(), "not a history"),
        ];
        for len in [18, 19, 40, good.len() / 2, good.len() - 1] {
            cases.push((good[..len].to_vec(), "damaged"));
        }
        for at in [20, good.len() / 2, good.len() - 1] {
            let mut altered = good.clone();
            altered[at] ^= 0x40;
            cases.push((altered, "damaged"));
        }
        let mut newer = good.clone();
        newer[16] = 9;
        cases.push((newer, "in format 9"));
        for (bytes, why) in cases {
            fs::write(&path, &bytes).unwrap();
            let error = new().restore(&bytes, "boot-1").unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
            let (_, history) = open(path.parent().unwrap(), "boot-1");
            assert_eq!((samples(&history), history.host_series().samples()), (0, 0));
            assert!(!path.exists());
            assert_eq!(fs::read(path.with_extension("refused")).unwrap(), bytes);
        }
        let error = new().restore(&good, "boot-2").unwrap_err().to_string();
        assert!(error.contains("another boot"), "{error}");
    }

    #[test]
    fn a_folder_that_cannot_be_is_told() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = Keeper::open(&file.path().join("x"), String::new(), &mut new()).unwrap_err();
        assert!(format!("{error:#}").contains("cannot make"), "{error:#}");
    }

    #[test]
    fn one_procmon_keeps_its_history_in_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let (keeper, mut history) = open(folder.path(), "boot-1");
        let other = Keeper::open(folder.path(), "boot-1".to_owned(), &mut new()).unwrap_err();
        let said = format!("{other:#}");
        assert!(said.contains("in use by another procmon"), "{said}");
        record(&mut history, 1..3);
        keeper.finish(&history);
        let (_, again) = open(folder.path(), "boot-1");
        assert_eq!(samples(&again), 2);
    }

    #[test]
    fn it_is_written_when_it_is_time_to_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let (mut keeper, mut history) = open(folder.path(), "boot-1");
        record(&mut history, 1..3);
        keeper.mind(&history);
        assert!(keeper.writer.is_none());
        keeper.due = Instant::now();
        keeper.mind(&history);
        keeper.writer.take().unwrap().join().unwrap().unwrap();
        drop(keeper);
        let (_, again) = open(folder.path(), "boot-1");
        assert_eq!(samples(&again), 2);
    }
}
