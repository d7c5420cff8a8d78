//! The SDK's OTLP exporter, over the connection that the settings describe.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{
    MetricExporter, Protocol as OtlpProtocol, WithExportConfig, WithHttpConfig, WithTonicConfig,
};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::Temporality as SdkTemporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use tokio::runtime::Handle;

use super::TelemetryError;
use crate::export::otlp::Settings;
use crate::export::otlp::settings::{Compression, Protocol, Temporality};
use crate::export::otlp::transport::{self, Connector, HttpTransport};

/// The exporter of the settings. The SDK calls it from a thread of its own;
/// everything that needs a runtime is done on `runtime`.
pub(super) fn new(settings: &Settings, runtime: &Handle) -> Result<Watched, TelemetryError> {
    let _runtime = runtime.enter();
    let temporality = match settings.temporality {
        Temporality::Cumulative => SdkTemporality::Cumulative,
        Temporality::Delta => SdkTemporality::Delta,
        Temporality::LowMemory => SdkTemporality::LowMemory,
    };
    let builder = MetricExporter::builder().with_temporality(temporality);
    let exporter = match settings.protocol {
        Protocol::Grpc => {
            let endpoint = transport::endpoint(settings)?.timeout(settings.timeout);
            let builder = builder
                .with_tonic()
                .with_channel(endpoint.connect_with_connector_lazy(Connector::new(settings)))
                .with_metadata(transport::metadata(settings))
                .with_timeout(settings.timeout);
            match settings.compression {
                Some(compression) => builder.with_compression(match compression {
                    Compression::Gzip => opentelemetry_otlp::Compression::Gzip,
                    Compression::Zstd => opentelemetry_otlp::Compression::Zstd,
                }),
                None => builder,
            }
            .build()?
        }
        Protocol::HttpProtobuf => builder
            .with_http()
            .with_http_client(OnRuntime {
                transport: HttpTransport::new(settings)?,
                runtime: runtime.clone(),
            })
            .with_protocol(OtlpProtocol::HttpBinary)
            .with_endpoint(settings.endpoint.to_string())
            .with_timeout(settings.timeout)
            .build()?,
    };
    Ok(Watched {
        exporter,
        name: settings.endpoint.to_string(),
        failing: Arc::default(),
    })
}

/// Sends the SDK's bodies as procmon sends its own: same headers, same
/// compression, same TLS.
#[derive(Debug)]
struct OnRuntime {
    transport: HttpTransport,
    runtime: Handle,
}

#[tonic::async_trait]
impl HttpClient for OnRuntime {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let transport = self.transport.clone();
        let exchange = async move { transport.post(request.into_body()).await };
        match self.runtime.spawn(exchange).await? {
            Ok(answer) => Ok(answer),
            Err(failure) => Err(failure.to_string().into()),
        }
    }
}

/// Says in the log when exports begin to fail and when they work again, once
/// each; the SDK would say it every time.
#[derive(Debug)]
pub(super) struct Watched {
    exporter: MetricExporter,
    name: String,
    /// Also set when nothing more is to be said.
    failing: Arc<AtomicBool>,
}

impl Watched {
    /// Set by whoever gives up on the exporter.
    pub(super) fn failing(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.failing)
    }
}

impl PushMetricExporter for Watched {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let result = self.exporter.export(metrics).await;
        let failed = result.is_err();
        if failed != self.failing.swap(failed, Ordering::Relaxed) {
            match &result {
                Err(error) => log::warn!("OTLP to {}: procmon's own metrics: {error}", self.name),
                Ok(()) => log::info!(
                    "OTLP to {}: procmon's own metrics: delivered again",
                    self.name
                ),
            }
        }
        result
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> SdkTemporality {
        self.exporter.temporality()
    }
}
