//! What goes to a collector: processes one way, procmon's own metrics another.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use log::{info, warn};
use tokio::runtime::Handle;

use super::exporting::Exporting;
use super::failure::Failure;
use crate::export::otlp::{
    HostIdentity, OtlpExporter, OtlpHealth, SHUTDOWN_DEADLINE, Settings, SpoolSettings,
};
use crate::heartbeat::Heartbeats;
use crate::proc::clock::now_unix_ns;
use crate::shape::View;
use crate::telemetry::Telemetry;

/// Both ways to one collector.
pub struct Otlp {
    processes: OtlpExporter,
    own: Telemetry,
    exporting: Exporting,
    endpoint: String,
}

impl Otlp {
    /// Sends procmon's own metrics every `interval`, how `exporting` does and the
    /// loops among them.
    pub fn start(
        settings: &Settings,
        spool: Option<&SpoolSettings>,
        interval: Duration,
        runtime: &Handle,
        exporting: Exporting,
        heartbeats: Heartbeats,
    ) -> Result<Self, Failure> {
        let host = HostIdentity::read(Path::new("/"));
        let own = Telemetry::start(
            settings,
            &host,
            now_unix_ns(),
            interval,
            heartbeats,
            runtime,
        )
        .map_err(|error| Failure::Usage(error.to_string()))?;
        Ok(Self {
            processes: OtlpExporter::start(settings, spool, host, runtime)?,
            own,
            exporting,
            endpoint: settings.endpoint.to_string(),
        })
    }

    /// How the processes' way does.
    pub fn health(&self) -> OtlpHealth {
        self.processes.health()
    }

    /// Sends a view.
    pub fn consume(&mut self, view: &Arc<View>) {
        self.processes.consume(view);
        self.own.publish(view, self.exporting.get());
    }

    /// Delivers what it can, both ways at once, in the time there is.
    pub async fn shutdown(self) {
        let health = self.health().get();
        if health.queue_bytes > 0 || health.spool_bytes > 0 {
            let most = SHUTDOWN_DEADLINE.as_secs();
            info!("delivering what is left, for {most} s at most");
        }
        let (undelivered, own) = tokio::join!(
            self.processes.shutdown(SHUTDOWN_DEADLINE),
            self.own.shutdown(SHUTDOWN_DEADLINE)
        );
        let endpoint = self.endpoint;
        if undelivered.kept_batches > 0 {
            info!(
                "OTLP to {endpoint}: {} batches with {} points stay in the spool for the next time",
                undelivered.kept_batches, undelivered.kept_points
            );
        }
        if undelivered.batches > 0 {
            warn!(
                "OTLP to {endpoint}: {} batches with {} points were not delivered",
                undelivered.batches, undelivered.points
            );
        }
        if let Err(error) = own {
            warn!("OTLP to {endpoint}: {error}");
        }
    }
}
