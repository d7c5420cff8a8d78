//! OTLP: the series of every process, over gRPC or HTTP.
//!
//! `settings` says where to and how, `encode` makes batches of views, `queue`
//! keeps them, on disk in `spool`, until `transport` has delivered them. procmon's own health and the
//! host's totals go out by the SDK, see `telemetry`.

pub mod encode;
pub mod host;
pub mod queue;
pub mod settings;
pub mod spool;
#[cfg(test)]
pub(crate) mod testing;
pub mod transport;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;

pub use host::HostIdentity;
pub use queue::Undelivered;
pub use settings::{FileSettings, Settings, SettingsError};
pub use spool::SpoolSettings;
pub use transport::TransportError;

use crate::metrics::ExporterHealth;
use crate::shape::View;
use encode::Encoder;
use queue::{Backoff, Queue, QueueHealth};
use spool::{Opened, Spool};
use transport::Network;

/// How long the last delivery may take.
pub const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(5);

/// Exports views as OTLP.
#[derive(Debug)]
pub struct OtlpExporter {
    encoder: Encoder,
    queue: Queue,
    series: Arc<AtomicU64>,
}

/// How an [`OtlpExporter`] does; to be handed to others.
#[derive(Clone, Debug)]
pub struct OtlpHealth {
    queue: QueueHealth,
    series: Arc<AtomicU64>,
}

impl OtlpExporter {
    /// An exporter whose sender runs on `runtime`. It connects when there is
    /// something to send: a collector that is not there yet is no error.
    ///
    /// What was in the spool is sent first. Where there can be no spool, that
    /// is said, and batches wait in memory.
    pub fn start(
        settings: &Settings,
        spool: Option<&SpoolSettings>,
        host: HostIdentity,
        runtime: &Handle,
    ) -> Result<Self, TransportError> {
        let _runtime = runtime.enter();
        let network = Network::new(settings)?;
        Ok(Self {
            encoder: Encoder::new(settings, host),
            queue: Queue::start(
                network,
                settings.endpoint.to_string(),
                settings.queue_bytes,
                spool.and_then(open_spool),
                Backoff::default(),
                runtime,
            ),
            series: Arc::new(AtomicU64::new(0)),
        })
    }

    /// Encodes a view and queues it. A view of one batch never waits for the
    /// network. That of a great host is made no faster than a network that works
    /// takes it, so that it is never in memory as a whole; one that does not
    /// work is not waited for.
    pub fn consume(&mut self, view: &View) {
        let queue = &self.queue;
        let mut first = true;
        self.encoder.encode_each(view, |batch| {
            if !std::mem::take(&mut first) {
                queue.await_room();
            }
            queue.push(batch);
        });
        self.series
            .store(self.encoder.live_series(), Ordering::Relaxed);
    }

    /// How it does, for as long as anyone asks.
    pub fn health(&self) -> OtlpHealth {
        OtlpHealth {
            queue: self.queue.health(),
            series: Arc::clone(&self.series),
        }
    }

    /// Delivers what it can until the deadline, and tells what it could not.
    pub async fn shutdown(self, deadline: Duration) -> Undelivered {
        self.queue.shutdown(deadline).await
    }
}

/// Opens the spool, and says what is in it, or why there is none.
fn open_spool(settings: &SpoolSettings) -> Option<Opened> {
    let opened = match Spool::open(settings) {
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
        let points: u64 = opened.found.iter().map(|found| found.points).sum();
        let batches = opened.found.len();
        log::info!("the spool {folder} has {batches} batches with {points} points of before");
    }
    Some(opened)
}

impl OtlpHealth {
    /// The counts as they are now.
    pub fn get(&self) -> ExporterHealth {
        ExporterHealth {
            series: self.series.load(Ordering::Relaxed),
            ..self.queue.get()
        }
    }
}

#[cfg(test)]
mod tests;
