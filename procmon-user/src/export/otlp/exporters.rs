//! What makes batches, and the queue they wait in: metrics, logs, traces.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;

use super::encode::{Batch, Encoder};
use super::logs::LogEncoder;
use super::queue::{Backoff, Queue, QueueHealth, Undelivered};
use super::spool::{Opened, Spool};
use super::traces::SpanEncoder;
use super::transport::Network;
use super::{HostIdentity, Settings, Signal, SpoolSettings, TransportError};
use crate::metrics::ExporterHealth;
use crate::shape::View;

/// Exports the series of views.
#[derive(Debug)]
pub struct OtlpExporter {
    encoder: Encoder,
    queue: Queue,
    series: Arc<AtomicU64>,
}

/// Exports events, and what procmon says.
#[derive(Debug)]
pub struct LogExporter {
    encoder: LogEncoder,
    queue: Queue,
}

/// Exports spans.
#[derive(Debug)]
pub struct SpanExporter {
    encoder: SpanEncoder,
    queue: Queue,
    /// Whose repeated tries are spans. Its own are not: a span about sending
    /// spans would make the next one.
    others: Vec<OtlpHealth>,
}

/// How an exporter does; to be handed to others.
#[derive(Clone, Debug)]
pub struct OtlpHealth {
    queue: QueueHealth,
    series: Option<Arc<AtomicU64>>,
}

/// A queue whose sender runs on `runtime`. It connects when there is something
/// to send: a collector that is not there yet is no error.
///
/// What was in the spool is sent first. Where there can be no spool, that is
/// said, and batches wait in memory.
fn queue(
    settings: &Settings,
    spool: Option<&SpoolSettings>,
    runtime: &Handle,
) -> Result<Queue, TransportError> {
    let _runtime = runtime.enter();
    let signal = settings.signal;
    Ok(Queue::start(
        Network::new(settings)?,
        signal,
        signal.name_of(&settings.endpoint),
        settings.queue_bytes,
        spool.and_then(|spool| open_spool(spool, signal)),
        Backoff::default(),
        runtime,
    ))
}

/// Opens the spool, and says what is in it, or why there is none.
fn open_spool(settings: &SpoolSettings, signal: Signal) -> Option<Opened> {
    let opened = match Spool::open(settings, signal) {
        Ok(opened) => opened,
        Err(error) => {
            log::warn!("{error}; procmon goes on without a spool, batches wait in memory only");
            return None;
        }
    };
    let folder = opened.spool.folder().display();
    if opened.lost > 0 {
        log::warn!(
            "the spool {folder} is damaged: at least {} batches of before are lost",
            opened.lost
        );
    }
    if !opened.found.is_empty() {
        let items: u64 = opened.found.iter().map(|found| found.items).sum();
        log::info!(
            "the spool {folder} has {} batches with {items} {} of before",
            opened.found.len(),
            signal.items()
        );
    }
    Some(opened)
}

/// Queues batches one after the other. The first never waits for the network.
/// Many are made no faster than a network that works takes them, so that they
/// are never in memory all at once; one that does not work is not waited for.
fn in_turn(queue: &Queue) -> impl FnMut(Batch) {
    let mut first = true;
    move |batch| {
        if !std::mem::take(&mut first) {
            queue.await_room();
        }
        queue.push(batch);
    }
}

impl OtlpExporter {
    /// An exporter of metrics whose sender runs on `runtime`.
    ///
    /// # Errors
    /// When the settings make no transport.
    pub fn start(
        settings: &Settings,
        spool: Option<&SpoolSettings>,
        host: HostIdentity,
        runtime: &Handle,
    ) -> Result<Self, TransportError> {
        Ok(Self {
            encoder: Encoder::new(settings, host),
            queue: queue(settings, spool, runtime)?,
            series: Arc::default(),
        })
    }

    /// Encodes a view and queues it.
    pub fn consume(&mut self, view: &View) {
        self.encoder.encode_each(view, in_turn(&self.queue));
        self.series
            .store(self.encoder.live_series(), Ordering::Relaxed);
    }

    /// How it does, for as long as anyone asks.
    pub fn health(&self) -> OtlpHealth {
        OtlpHealth {
            queue: self.queue.health(),
            series: Some(Arc::clone(&self.series)),
        }
    }

    /// Delivers what it can until the deadline, and tells what it could not.
    pub async fn shutdown(self, deadline: Duration) -> Undelivered {
        self.queue.shutdown(deadline).await
    }
}

impl LogExporter {
    /// An exporter of what `encoder` makes.
    ///
    /// # Errors
    /// When the settings make no transport.
    pub fn start(
        settings: &Settings,
        spool: Option<&SpoolSettings>,
        encoder: LogEncoder,
        runtime: &Handle,
    ) -> Result<Self, TransportError> {
        Ok(Self {
            encoder,
            queue: queue(settings, spool, runtime)?,
        })
    }

    /// Queues what has happened since the view before.
    pub fn consume(&mut self, view: &View) {
        self.encoder.encode_each(view, in_turn(&self.queue));
    }

    /// How it does, for as long as anyone asks.
    pub fn health(&self) -> OtlpHealth {
        OtlpHealth::of(&self.queue)
    }

    /// Delivers what it can until the deadline, with what procmon has said
    /// since the last view, and tells what it could not.
    pub async fn shutdown(self, deadline: Duration) -> Undelivered {
        self.encoder
            .encode_own_words(|batch| self.queue.push(batch));
        self.queue.shutdown(deadline).await
    }
}

impl SpanExporter {
    /// An exporter of what `encoder` makes; among it are the repeated tries of
    /// the `others`.
    ///
    /// # Errors
    /// When the settings make no transport.
    pub fn start(
        settings: &Settings,
        spool: Option<&SpoolSettings>,
        encoder: SpanEncoder,
        others: Vec<OtlpHealth>,
        runtime: &Handle,
    ) -> Result<Self, TransportError> {
        Ok(Self {
            encoder,
            queue: queue(settings, spool, runtime)?,
            others,
        })
    }

    /// Queues the spans that have ended since the view before.
    pub fn consume(&mut self, view: &View) {
        let retried = self.others.iter().flat_map(|other| {
            let exporter = other.get().exporter;
            let retried = other.queue.take_retried().into_iter();
            retried.map(move |one| (exporter, one))
        });
        let queue = &self.queue;
        self.encoder.encode_each(view, retried, in_turn(queue));
    }

    /// How it does, for as long as anyone asks.
    pub fn health(&self) -> OtlpHealth {
        OtlpHealth::of(&self.queue)
    }

    /// Delivers what it can until the deadline, and tells what it could not.
    pub async fn shutdown(self, deadline: Duration) -> Undelivered {
        self.queue.shutdown(deadline).await
    }
}

impl OtlpHealth {
    /// That of what has no series.
    fn of(queue: &Queue) -> Self {
        Self {
            queue: queue.health(),
            series: None,
        }
    }

    /// The counts as they are now.
    pub fn get(&self) -> ExporterHealth {
        ExporterHealth {
            series: self.series.as_ref().map(|n| n.load(Ordering::Relaxed)),
            ..self.queue.get()
        }
    }
}
