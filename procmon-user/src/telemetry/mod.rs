//! procmon's own health and the host's totals, by the OpenTelemetry SDK.
//!
//! They are few and of one resource: what the SDK is for. Processes go another
//! way, see `export::otlp`. Both use the same settings.

mod exporter;
mod instruments;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{Aggregation, PeriodicReader, SdkMeterProvider, Stream};
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::analysis::history::HistoryHealth;
use crate::export::otlp::encode::SCHEMA_URL;
use crate::export::otlp::encode::resource::of_agent;
use crate::export::otlp::settings::HistogramAggregation;
use crate::export::otlp::{HostIdentity, Settings, TransportError};
use crate::frame::{AgentHealth, Host};
use crate::heartbeat::Heartbeats;
use crate::metrics::ExporterHealth;
use crate::process::Histogram;
use crate::shape::View;
use instruments::Histograms;

/// Reads nothing more often than this.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(10);

/// How often the host's and procmon's own metrics are exported, at this time
/// between two frames.
pub fn interval(between_frames: Duration) -> Duration {
    between_frames.max(SHORTEST_INTERVAL)
}

/// What the instruments read of a view; the view itself, with all its
/// processes, is not kept.
#[derive(Debug)]
struct Latest {
    host: Host,
    agent: Arc<AgentHealth>,
    exporters: Vec<ExporterHealth>,
    series_folded: u64,
    heartbeats: Heartbeats,
    history: Option<HistoryHealth>,
}

/// What was read latest, shared with the callbacks of the instruments.
#[derive(Clone, Debug, Default)]
struct Shared(Arc<Mutex<Option<Arc<Latest>>>>);

impl Shared {
    fn get(&self) -> Option<Arc<Latest>> {
        let latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        latest.clone()
    }

    fn set(&self, latest: Arc<Latest>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(latest);
    }
}

/// Telemetry that cannot be set up.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// The transport cannot be made.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The SDK's exporter cannot be made.
    #[error("OTLP exporter: {0}")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
}

/// Telemetry that did not end well.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ShutdownError {
    /// The last values were not delivered in time.
    #[error("procmon's own metrics were not delivered within {0:?}")]
    Deadline(Duration),
    /// The last values were not delivered.
    #[error("procmon's own metrics were not delivered: {0}")]
    Failed(String),
}

/// Exports the host's totals and procmon's own health.
#[derive(Debug)]
pub struct Telemetry {
    provider: SdkMeterProvider,
    latest: Shared,
    heartbeats: Heartbeats,
    histograms: Histograms,
    failing: Arc<AtomicBool>,
}

impl Telemetry {
    /// Exports every `interval`, at least ten seconds apart, since they change
    /// slowly and the SDK is dear, to where `settings`
    /// say; how old the `heartbeats` are is read then. The network is driven by `runtime`, the instruments are read on a
    /// thread of the SDK's.
    pub fn start(
        settings: &Settings,
        host: &HostIdentity,
        started_unix_ns: u64,
        interval: Duration,
        heartbeats: Heartbeats,
        runtime: &Handle,
    ) -> Result<Self, TelemetryError> {
        let exporter = exporter::new(settings, runtime)?;
        let failing = exporter.failing();
        let reader = PeriodicReader::builder(exporter)
            .with_interval(self::interval(interval))
            .build();
        let histograms = settings.histograms;
        let provider = SdkMeterProvider::builder()
            .with_reader(reader)
            .with_resource(resource(settings, host, started_unix_ns))
            .with_view(move |instrument| {
                let name = instrument.name();
                instruments::is_histogram(name).then(|| {
                    let stream = Stream::builder().with_aggregation(aggregation(histograms));
                    stream.build().expect("an aggregation that is allowed")
                })
            })
            .build();
        let scope = opentelemetry::InstrumentationScope::builder("procmon")
            .with_version(env!("CARGO_PKG_VERSION"))
            .with_schema_url(SCHEMA_URL)
            .build();
        let meter = provider.meter_with_scope(scope);
        let latest = Shared::default();
        instruments::observe(&meter, &latest);
        Ok(Self {
            histograms: Histograms::new(&meter),
            provider,
            latest,
            heartbeats,
            failing,
        })
    }

    /// Makes a view and how the exporters do the values to export.
    pub fn publish(&self, view: &View, exporters: Vec<ExporterHealth>) {
        let latest = Arc::new(Latest {
            host: view.frame.host.clone(),
            agent: Arc::clone(&view.frame.agent),
            exporters,
            series_folded: view.series_folded(),
            heartbeats: self.heartbeats.clone(),
            history: view.history.as_ref().map(|past| past.health),
        });
        self.histograms.record(&latest, &view.frame.exited);
        self.latest.set(latest);
    }

    /// Exports the last values. Whatever the collector does, this is over at
    /// the deadline.
    pub async fn shutdown(self, deadline: Duration) -> Result<(), ShutdownError> {
        let (done, result) = oneshot::channel();
        // The SDK blocks here until it has exported. A thread of our own: one
        // of the runtime's would keep the runtime from ending.
        let provider = self.provider.clone();
        let thread = std::thread::Builder::new()
            .name("telemetry-end".to_owned())
            .spawn(move || {
                // Nobody listens after the deadline.
                let _ = done.send(provider.shutdown_with_timeout(deadline));
            });
        if let Err(error) = thread {
            return Err(ShutdownError::Failed(error.to_string()));
        }
        let ended = match tokio::time::timeout(deadline, result).await {
            Ok(Ok(Ok(()))) => return Ok(()),
            Ok(Ok(Err(error))) => ShutdownError::Failed(error.to_string()),
            Ok(Err(_)) => ShutdownError::Failed("its thread ended early".to_owned()),
            Err(_) => ShutdownError::Deadline(deadline),
        };
        // What the SDK still finds out is no news.
        self.failing.store(true, Ordering::Relaxed);
        Err(ended)
    }
}

/// The layout of all of procmon's histograms, as far as their range allows.
fn aggregation(histograms: HistogramAggregation) -> Aggregation {
    match histograms {
        HistogramAggregation::Exponential => Aggregation::Base2ExponentialHistogram {
            max_size: 160,
            max_scale: 0,
            record_min_max: false,
        },
        HistogramAggregation::Explicit => Aggregation::ExplicitBucketHistogram {
            boundaries: Histogram::bounds().to_vec(),
            record_min_max: false,
        },
    }
}

/// procmon's own resource.
fn resource(settings: &Settings, host: &HostIdentity, started_unix_ns: u64) -> Resource {
    let attributes = of_agent(settings, host, started_unix_ns);
    let attributes = attributes
        .into_iter()
        .map(|(key, value)| KeyValue::new(key, value));
    Resource::builder_empty()
        .with_attributes(attributes)
        .build()
}

#[cfg(test)]
mod tests;
