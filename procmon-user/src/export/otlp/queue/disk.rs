//! The spool as the queue uses it: what goes wrong with it is said, and the
//! queue goes on in memory.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::task::spawn_blocking;

use crate::export::otlp::encode::Batch;
use crate::export::otlp::spool::{Appended, Location, Spool};

/// A spool that the one who pushes and the one who sends share; its clones are
/// the same.
#[derive(Clone, Debug)]
pub(super) struct Disk(Arc<Inner>);

/// Goes with what was begun, also when nobody waits for it any more.
type Turn = tokio::sync::Mutex<()>;

#[derive(Debug)]
struct Inner {
    spool: Mutex<Spool>,
    /// Of who works with it on another thread.
    turn: Arc<Turn>,
    /// How large it is, for those who must not wait for it.
    bytes: Arc<AtomicU64>,
    /// The last batch could not be written.
    failing: AtomicBool,
    /// It was said that what was delivered cannot be noted.
    unnoted: AtomicBool,
}

impl Disk {
    /// `bytes` tells how large the spool is, from now on.
    pub fn new(spool: Spool, bytes: &Arc<AtomicU64>) -> Self {
        bytes.store(spool.bytes(), Ordering::Relaxed);
        Self(Arc::new(Inner {
            spool: Mutex::new(spool),
            turn: Arc::default(),
            bytes: Arc::clone(bytes),
            failing: AtomicBool::new(false),
            unnoted: AtomicBool::new(false),
        }))
    }

    fn spool(&self) -> MutexGuard<'_, Spool> {
        self.0.spool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a batch, where that is possible. Blocks.
    pub fn keep(&self, batch: &Batch) -> Option<Appended> {
        let mut spool = self.spool();
        let kept = spool.append(batch);
        self.0.bytes.store(spool.bytes(), Ordering::Relaxed);
        let failed = self.0.failing.swap(kept.is_err(), Ordering::Relaxed);
        let folder = spool.folder().display();
        match &kept {
            Err(error) if !failed => log::warn!(
                "cannot write to the spool {folder}: {error}; batches wait in memory until it works"
            ),
            Ok(_) if failed => log::info!("the spool {folder} can be written to again"),
            _ => {}
        }
        kept.ok()
    }

    /// Notes that a batch is about to be sent, and reads it where its body is
    /// not at hand; `None` when it cannot be read.
    pub async fn begin(&self, location: Location, body: Option<Bytes>) -> Option<Bytes> {
        let begun = self.work(move |disk, spool| {
            let read = spool.begin(&location, body.is_none());
            match (read, body) {
                (Ok(read), body) => body.or(read),
                (Err(error), Some(body)) => {
                    disk.cannot_note(spool, &error);
                    Some(body)
                }
                (Err(error), None) => {
                    let folder = spool.folder().display();
                    log::warn!("a batch in the spool {folder} cannot be read: {error}; it is lost");
                    None
                }
            }
        });
        begun.await.flatten()
    }

    /// Notes that a batch is settled.
    pub async fn settle(&self, location: Location) {
        let settled = self.work(move |disk, spool| {
            if let Err(error) = spool.settle(location.number) {
                disk.cannot_note(spool, &error);
            }
            disk.0.bytes.store(spool.bytes(), Ordering::Relaxed);
        });
        // It fails when the runtime ends: the batch is sent again then.
        let _ = settled.await;
    }

    /// Waits for what was begun and is not finished: a task that is aborted
    /// leaves its work behind, which holds the spool.
    pub async fn finished(&self) {
        drop(self.0.turn.lock().await);
    }

    /// Does this on a thread that may block; `None` when the runtime ends.
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self, &mut Spool) -> T + Send + 'static,
    ) -> Option<T> {
        let turn = Arc::clone(&self.0.turn).lock_owned().await;
        let disk = self.clone();
        let done = spawn_blocking(move || {
            let done = work(&disk, &mut disk.spool());
            // First this: who has the turn next relies on it.
            drop(disk);
            drop(turn);
            done
        });
        done.await.ok()
    }

    fn cannot_note(&self, spool: &Spool, error: &std::io::Error) {
        if !self.0.unnoted.swap(true, Ordering::Relaxed) {
            log::warn!(
                "cannot note in the spool {} what is delivered: {error}; after a restart some of \
                 it is sent again",
                spool.folder().display()
            );
        }
    }
}
