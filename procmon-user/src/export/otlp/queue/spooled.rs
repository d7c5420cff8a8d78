//! Tests of the queue with a spool below it.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::tests::{Script, bodies, counts, later, never, yes};
use super::*;
use crate::export::otlp::spool::{Spool, SpoolSettings};
use crate::export::otlp::transport::{Accepted, Failure};

const DEADLINE: Duration = Duration::from_secs(5);
const SOON: Duration = Duration::from_millis(10);

type Outcome = Result<Accepted, Failure>;

/// A queue over the spool in this folder, with little room in memory.
fn queue(
    folder: &Path,
    max_size: u64,
    outcomes: impl IntoIterator<Item = Outcome>,
) -> (Queue, mpsc::UnboundedReceiver<Bytes>) {
    over(open(folder, max_size), Duration::from_millis(1), outcomes)
}

fn open(folder: &Path, max_size: u64) -> Opened {
    let settings = SpoolSettings {
        state_dir: folder.to_owned(),
        max_size,
    };
    Spool::open(&settings, Signal::Metrics).expect("a spool")
}

/// The same over a spool that is open; a try takes so long.
fn over(
    opened: Opened,
    takes: Duration,
    outcomes: impl IntoIterator<Item = Outcome>,
) -> (Queue, mpsc::UnboundedReceiver<Bytes>) {
    let (given, tries) = mpsc::unbounded_channel();
    let script = Script {
        outcomes: outcomes.into_iter().collect(),
        given,
        takes,
    };
    let backoff = Backoff {
        first: SOON,
        longest: SOON,
        longest_at_end: SOON,
    };
    let name = "test".to_owned();
    let queue = Queue::start(
        script,
        Signal::Metrics,
        name,
        2000,
        Some(opened),
        backoff,
        &Handle::current(),
    );
    (queue, tries)
}

/// A batch of 600 bytes or so that says this number.
fn batch(number: u32) -> Batch {
    Batch {
        body: body(number).into(),
        items: 10,
    }
}

fn body(number: u32) -> String {
    let mut state = u64::from(number) + 1;
    let words = (0..36).map(|_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(99);
        format!("{state:016x}")
    });
    format!("{number} {}", words.collect::<String>())
}

fn bodies_of(numbers: impl IntoIterator<Item = u32>) -> Vec<String> {
    numbers.into_iter().map(body).collect()
}

fn always(outcome: &Outcome) -> impl Iterator<Item = Outcome> {
    std::iter::repeat_n(outcome.clone(), 100_000)
}

/// Waits until this holds of the counts.
async fn until(queue: &Queue, holds: impl Fn(ExporterHealth) -> bool) {
    let begun = Instant::now();
    let health = queue.health();
    while !holds(health.get()) {
        assert!(begun.elapsed() < 10 * DEADLINE, "{:?}", health.get());
        sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn what_is_not_delivered_is_delivered_after_a_restart_byte_for_byte_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let (first, mut tries) = queue(folder.path(), 1 << 20, always(&later(None)));
    for number in 0..20 {
        first.push(batch(number));
    }
    until(&first, |health| health.retried > 2).await;
    let health = first.health();
    // Nearly all of it is on disk alone.
    assert!(health.get().queue_bytes <= 2000, "{:?}", health.get());
    let spooled = health.get().spool_bytes;
    assert!(spooled > 20 * 200, "{spooled}");
    let left = first.shutdown(Duration::from_millis(20)).await;
    let expected = Undelivered {
        kept_batches: 20,
        kept_items: 200,
        ..Undelivered::default()
    };
    assert_eq!(left, expected);
    assert_eq!(health.get().dropped, 0);
    assert!(bodies(&mut tries).await.iter().all(|sent| *sent == body(0)));

    let (second, mut tries) = queue(folder.path(), 1 << 20, []);
    let health = second.health();
    assert_eq!(health.get().spool_bytes, spooled);
    for number in 20..25 {
        second.push(batch(number));
    }
    assert_eq!(second.shutdown(DEADLINE).await, Undelivered::default());
    // The first may have arrived before: it is counted as sent again.
    assert_eq!(counts(health.get()), (25, 0, 0, 1));
    assert_eq!(health.get().spool_bytes, 0);
    assert_eq!(bodies(&mut tries).await, bodies_of(0..25));
}

#[tokio::test]
async fn what_was_taken_or_refused_is_not_sent_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let outcomes = [yes(), never(), yes()].into_iter();
    let (first, _tries) = queue(folder.path(), 1 << 20, outcomes.chain(always(&later(None))));
    for number in 0..5 {
        first.push(batch(number));
    }
    until(&first, |health| health.retried > 0).await;
    let left = first.shutdown(Duration::ZERO).await;
    assert_eq!(left.kept_batches, 2);
    let (second, mut tries) = queue(folder.path(), 1 << 20, []);
    assert_eq!(second.shutdown(DEADLINE).await, Undelivered::default());
    assert_eq!(bodies(&mut tries).await, bodies_of(3..5));
}

#[tokio::test]
async fn a_batch_on_its_way_when_procmon_dies_is_sent_again_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let takes = Duration::from_secs(1);
    let (first, mut tries) = over(open(folder.path(), 1 << 20), takes, []);
    first.push(batch(0));
    assert_eq!(tries.recv().await, Some(body(0).into()));
    // What a sudden death leaves is what is there now.
    let copy = tempfile::tempdir().unwrap();
    let spool = folder.path().join("spool");
    fs::create_dir(copy.path().join("spool")).unwrap();
    for entry in fs::read_dir(&spool).unwrap().flatten() {
        fs::copy(
            entry.path(),
            copy.path().join("spool").join(entry.file_name()),
        )
        .unwrap();
    }
    assert_eq!(first.shutdown(DEADLINE).await, Undelivered::default());
    let (second, mut tries) = queue(copy.path(), 1 << 20, []);
    let health = second.health();
    assert_eq!(second.shutdown(DEADLINE).await, Undelivered::default());
    assert_eq!(bodies(&mut tries).await, [body(0)]);
    assert_eq!(counts(health.get()), (1, 0, 0, 1));
}

#[tokio::test]
async fn a_spool_that_is_full_drops_the_oldest_and_counts_each() {
    let folder = tempfile::tempdir().unwrap();
    let limit = 8 << 10;
    let (queue, mut tries) = queue(
        folder.path(),
        limit,
        [later(None)].into_iter().cycle().take(20),
    );
    for number in 0..200 {
        queue.push(batch(number));
        assert!(queue.health().get().spool_bytes <= limit);
    }
    let health = queue.health();
    let dropped = health.get().dropped;
    assert!(dropped > 100, "{dropped}");
    until(&queue, |health| health.spool_bytes == 0).await;
    assert_eq!(queue.shutdown(DEADLINE).await, Undelivered::default());
    assert_eq!(health.get().sent + health.get().dropped, 200);
    let mut sent = bodies(&mut tries).await;
    sent.dedup();
    // The newest, without a gap but behind one that was on its way.
    let taken = &sent[sent.len() - health.get().sent as usize..];
    let newest = taken.len() as u32 - 1;
    assert_eq!(taken[1..], bodies_of(200 - newest..200));
}

#[test]
fn the_spool_is_free_after_the_end_though_its_disk_was_slow() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .unwrap();
    runtime.block_on(async {
        let (queue, _tries) = queue(folder.path(), 1 << 20, []);
        // What the sender begins to read waits behind this.
        let (go, gone) = std::sync::mpsc::channel();
        tokio::task::spawn_blocking(move || gone.recv());
        queue.push(batch(0));
        tokio::task::yield_now().await;
        std::thread::spawn(move || {
            std::thread::sleep(10 * SOON);
            go.send(())
        });
        assert_eq!(queue.shutdown(Duration::ZERO).await.kept_batches, 1);
        let opened = open(folder.path(), 1 << 20);
        assert_eq!(opened.found.len(), 1);
    });
}

#[tokio::test]
async fn a_batch_that_cannot_be_read_is_counted_and_the_next_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let (first, _tries) = queue(folder.path(), 1 << 20, always(&later(None)));
    for number in 0..6 {
        first.push(batch(number));
    }
    first.shutdown(Duration::ZERO).await;
    let opened = open(folder.path(), 1 << 20);
    // The segment goes when it has been looked through.
    for entry in fs::read_dir(folder.path().join("spool")).unwrap().flatten() {
        if entry.path().extension().is_some() {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    let (second, mut tries) = over(opened, Duration::ZERO, []);
    second.push(batch(6));
    let health = second.health();
    assert_eq!(second.shutdown(DEADLINE).await, Undelivered::default());
    assert_eq!(bodies(&mut tries).await, [body(6)]);
    assert_eq!((health.get().sent, health.get().dropped), (1, 6));
}

#[tokio::test]
async fn where_the_spool_cannot_be_written_batches_wait_in_memory_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let failures = [later(None)].into_iter().cycle().take(10);
    let (queue, mut tries) = queue(folder.path(), 900, failures);
    // Too large for it, whatever is done: as good as a disk without room.
    let mut large: String = (0..60).map(body).collect();
    large.truncate(1900);
    queue.push(batch(0));
    queue.push(Batch {
        body: large.clone().into(),
        items: 1,
    });
    queue.push(batch(1));
    let health = queue.health();
    assert_eq!(queue.shutdown(DEADLINE).await, Undelivered::default());
    let mut sent = bodies(&mut tries).await;
    sent.dedup();
    assert_eq!(sent, [body(0), large, body(1)]);
    assert_eq!((health.get().sent, health.get().dropped), (3, 0));
}
