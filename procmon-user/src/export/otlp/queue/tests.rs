use std::cell::RefCell;
use std::collections::VecDeque;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::*;
use crate::export::otlp::transport::{Accepted, Failure};

/// Does as it is told, and tells what it was given.
pub struct Script {
    pub outcomes: VecDeque<Result<Accepted, Failure>>,
    pub given: mpsc::UnboundedSender<Bytes>,
    /// How long a try takes.
    pub takes: Duration,
}

impl Transport for Script {
    async fn send(&mut self, body: Bytes) -> Result<Accepted, Failure> {
        self.given.send(body).expect("a test that listens");
        sleep(self.takes).await;
        self.outcomes.pop_front().unwrap_or_else(yes)
    }
}

pub fn yes() -> Result<Accepted, Failure> {
    Ok(Accepted::default())
}

pub fn later(after: Option<Duration>) -> Result<Accepted, Failure> {
    Err(Failure::Retryable {
        after,
        reason: "down".to_owned(),
    })
}

pub fn never() -> Result<Accepted, Failure> {
    Err(Failure::Permanent {
        reason: "bad data".to_owned(),
    })
}

fn partly(rejected: u64) -> Result<Accepted, Failure> {
    Ok(Accepted {
        rejected,
        message: "too old".to_owned(),
    })
}

fn batch(body: &'static str) -> Batch {
    Batch {
        body: Bytes::from_static(body.as_bytes()),
        items: 10,
    }
}

fn queue(
    outcomes: impl IntoIterator<Item = Result<Accepted, Failure>>,
    limit: usize,
) -> (Queue, mpsc::UnboundedReceiver<Bytes>) {
    let (given, tries) = mpsc::unbounded_channel();
    let script = Script {
        outcomes: outcomes.into_iter().collect(),
        given,
        takes: Duration::from_millis(1),
    };
    let runtime = Handle::current();
    let queue = Queue::start(
        script,
        Signal::Metrics,
        "test".to_owned(),
        limit,
        None,
        Backoff::default(),
        &runtime,
    );
    (queue, tries)
}

pub async fn bodies(tries: &mut mpsc::UnboundedReceiver<Bytes>) -> Vec<String> {
    let mut bodies = Vec::new();
    while let Some(body) = tries.recv().await {
        bodies.push(String::from_utf8(body.to_vec()).expect("text"));
    }
    bodies
}

/// (sent, rejected, dropped, retried)
pub fn counts(health: ExporterHealth) -> (u64, u64, u64, u64) {
    (health.sent, health.rejected, health.dropped, health.retried)
}

const PATIENCE: Duration = Duration::from_secs(5);

#[tokio::test(start_paused = true)]
async fn batches_are_sent_in_order_and_tried_again_until_they_are_taken() {
    let (queue, mut tries) = queue([later(None), later(None), yes(), later(None)], 100);
    queue.push(batch("a"));
    queue.push(batch("b"));
    let health = queue.health();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(counts(health.get()), (2, 0, 0, 3));
    assert_eq!(queue.shutdown(PATIENCE).await, Undelivered::default());
    assert_eq!(bodies(&mut tries).await, ["a", "a", "a", "b", "b"]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_refused_is_not_sent_again() {
    let (queue, mut tries) = queue([never(), yes(), partly(3)], 100);
    queue.push(batch("a"));
    queue.push(batch("b"));
    queue.push(batch("c"));
    let health = queue.health();
    assert_eq!(queue.shutdown(PATIENCE).await, Undelivered::default());
    assert_eq!(counts(health.get()), (1, 2, 0, 0));
    assert_eq!(bodies(&mut tries).await, ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn the_oldest_batches_make_room_while_the_collector_is_away() {
    let failures: Vec<_> = (0..4).map(|_| later(None)).collect();
    let (queue, mut tries) = queue(failures, 4);
    queue.push(batch("aa"));
    // The first try has failed, and waits.
    sleep(Duration::from_millis(50)).await;
    for body in ["bb", "cc", "dd"] {
        queue.push(batch(body));
    }
    let health = queue.health();
    assert_eq!(health.get().queue_bytes, 4);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(counts(health.get()), (2, 0, 2, 4));
    assert_eq!(health.get().queue_bytes, 0);
    assert_eq!(queue.shutdown(PATIENCE).await, Undelivered::default());
    let tries = bodies(&mut tries).await;
    assert_eq!(tries, ["aa", "cc", "cc", "cc", "cc", "dd"]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_on_its_way_does_not_make_room() {
    let (queue, mut tries) = queue([], 4);
    queue.push(batch("aa"));
    assert_eq!(tries.recv().await.as_deref(), Some(&b"aa"[..]));
    for body in ["bb", "cc", "dd"] {
        queue.push(batch(body));
    }
    let health = queue.health();
    assert_eq!(queue.shutdown(PATIENCE).await, Undelivered::default());
    assert_eq!(counts(health.get()), (2, 0, 2, 0));
    assert_eq!(bodies(&mut tries).await, ["dd"]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_larger_than_the_queue_is_dropped_at_once() {
    let (queue, mut tries) = queue([], 1);
    queue.push(batch("aa"));
    let health = queue.health();
    assert_eq!(queue.shutdown(PATIENCE).await, Undelivered::default());
    assert_eq!(counts(health.get()), (0, 0, 1, 0));
    assert!(bodies(&mut tries).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_collectors_own_wait_is_kept() {
    let (queue, mut tries) = queue([later(Some(Duration::from_secs(70)))], 100);
    queue.push(batch("a"));
    tries.recv().await.expect("a first try");
    let first = Instant::now();
    tries.recv().await.expect("a second try");
    let waited = first.elapsed();
    assert_eq!(waited.as_secs(), 70);
    assert_eq!(queue.shutdown(PATIENCE).await, Undelivered::default());
}

#[tokio::test(start_paused = true)]
async fn the_end_comes_at_the_deadline_and_tells_what_is_left() {
    let failures: Vec<_> = (0..1000).map(|_| later(None)).collect();
    let (queue, mut tries) = queue(failures, 100);
    for body in ["a", "b", "c"] {
        queue.push(batch(body));
    }
    sleep(Duration::from_secs(60)).await;
    let health = queue.health();
    let begun = Instant::now();
    let left = queue.shutdown(PATIENCE).await;
    assert_eq!(begun.elapsed().as_secs(), PATIENCE.as_secs());
    assert_eq!(
        left,
        Undelivered {
            batches: 3,
            items: 30,
            ..Undelivered::default()
        }
    );
    let health = health.get();
    assert_eq!((health.sent, health.dropped, health.queue_bytes), (0, 3, 0));
    // It tried to the last.
    assert!(bodies(&mut tries).await.len() > 10);
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_comes_back_before_the_deadline_gets_everything() {
    // Long waits lie between the tries by now, 7.5 s at least; the end cuts
    // them short, or the failures that are left would outlast the deadline.
    let failures: Vec<_> = (0..20).map(|_| later(None)).collect();
    let (queue, _tries) = queue(failures, 100);
    queue.push(batch("a"));
    queue.push(batch("b"));
    sleep(Duration::from_secs(60)).await;
    let health = queue.health();
    assert_eq!(health.get().sent, 0);
    assert!(health.get().retried < 15);
    assert_eq!(queue.shutdown(6 * PATIENCE).await, Undelivered::default());
    assert_eq!(health.get().sent, 2);
}

#[test]
fn waits_double_up_to_the_longest_with_half_at_most_taken_off() {
    let backoff = Backoff::default();
    for (failures, most) in [
        (1, 250),
        (2, 500),
        (3, 1000),
        (7, 15_000),
        (u32::MAX, 15_000),
    ] {
        for _ in 0..100 {
            let wait = backoff.wait(failures, false).as_millis();
            assert!(wait <= most && wait * 2 >= most, "{failures}: {wait} ms");
        }
    }
    assert!(backoff.wait(9, true) <= Duration::from_millis(500));
}

thread_local! {
    static LOG: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Keeps what the thread's own test logs.
struct Kept;

impl log::Log for Kept {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if record.target().starts_with("procmon") {
            LOG.with_borrow_mut(|log| log.push(format!("{} {}", record.level(), record.args())));
        }
    }

    fn flush(&self) {}
}

#[tokio::test(start_paused = true)]
async fn a_change_is_said_once_and_not_for_each_batch() {
    // Another test of this binary may have been first.
    let _ = log::set_logger(&Kept);
    log::set_max_level(log::LevelFilter::Info);
    let outcomes = [
        later(None),
        later(None),
        yes(),
        yes(),
        never(),
        never(),
        yes(),
        later(None),
    ];
    let (queue, _tries) = queue(outcomes, 100);
    for body in ["a", "b", "c", "d", "e", "f"] {
        queue.push(batch(body));
    }
    sleep(Duration::from_secs(60)).await;
    assert_eq!(queue.shutdown(PATIENCE).await, Undelivered::default());
    let log = LOG.take();
    assert_eq!(
        log,
        [
            "WARN OTLP to test: down; trying again until it works, up to 100 bytes are kept",
            "INFO OTLP to test: it answers again after 2 failed tries",
            "WARN OTLP to test: a batch was refused: bad data",
            "INFO OTLP to test: it takes everything again",
            "WARN OTLP to test: down; trying again until it works, up to 100 bytes are kept",
            "INFO OTLP to test: it answers again after 1 failed tries",
        ]
    );
}

/// Pushes ten batches, no faster than there is room, on a thread of its own.
async fn push_ten(queue: Queue) -> Queue {
    let pushing = tokio::task::spawn_blocking(move || {
        for _ in 0..10 {
            queue.await_room();
            queue.push(batch("ten bytes."));
        }
        queue
    });
    pushing.await.expect("a thread that ends")
}

#[tokio::test]
async fn a_network_that_works_is_waited_for_and_loses_nothing_of_what_does_not_fit() {
    // Room for three of the ten.
    let (queue, mut tries) = queue([never(), partly(1)], 30);
    let health = queue.health();
    let queue = push_ten(queue).await;
    queue.shutdown(Duration::from_secs(5)).await;
    assert_eq!(bodies(&mut tries).await.len(), 10);
    let health = health.get();
    assert_eq!((health.sent, health.rejected, health.dropped), (8, 2, 0));
}

#[tokio::test]
async fn a_network_that_fails_is_not_waited_for() {
    let (queue, _tries) = queue((0..1000).map(|_| later(None)), 30);
    let health = queue.health();
    let queue = push_ten(queue).await;
    assert_eq!(health.get().dropped, 7);
    queue.shutdown(Duration::ZERO).await;
}

#[tokio::test]
async fn a_network_that_hangs_is_waited_for_once() {
    let (given, _tries) = mpsc::unbounded_channel();
    let hanging = Script {
        outcomes: VecDeque::new(),
        given,
        takes: Duration::from_secs(600),
    };
    let name = "test".to_owned();
    let queue = Queue::start(
        hanging,
        Signal::Metrics,
        name,
        30,
        None,
        Backoff::default(),
        &Handle::current(),
    );
    let health = queue.health();
    let begun = std::time::Instant::now();
    let queue = push_ten(queue).await;
    // Not once for each of the seven that do not fit.
    assert!(begun.elapsed() < 5 * STUCK_AFTER, "{:?}", begun.elapsed());
    assert_eq!(health.get().dropped, 7);
    queue.shutdown(Duration::ZERO).await;
}
