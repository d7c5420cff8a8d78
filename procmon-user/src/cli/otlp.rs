//! What goes to collectors: processes one way, procmon's own metrics another,
//! and beside them logs and traces.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use log::{info, warn};
use tokio::runtime::Handle;

use super::arguments::Common;
use super::exporting::Exporting;
use super::failure::Failure;
use crate::config::{Config, Loaded};
use crate::export::otlp::logs::LogEncoder;
use crate::export::otlp::traces::SpanEncoder;
use crate::export::otlp::{
    HostIdentity, LogExporter, OtlpExporter, OtlpHealth, OwnLog, SHUTDOWN_DEADLINE, Settings,
    SettingsError, Signal, Signals, SpanExporter, SpoolSettings, Traced, Undelivered,
};
use crate::heartbeat::Heartbeats;
use crate::proc::ProcRoot;
use crate::proc::clock::{self, now_unix_ns};
use crate::shape::View;
use crate::telemetry::Telemetry;

/// What is sent, and where to.
#[derive(Debug)]
pub struct OtlpPlan {
    /// Where each signal goes.
    pub signals: Signals,
    /// Where batches survive, if they do.
    pub spool: Option<SpoolSettings>,
    /// Whether events of processes are told.
    pub events: bool,
    /// What spans are made of.
    pub traced: Vec<Traced>,
    /// What procmon says, if that is sent.
    pub own: Option<OwnLog>,
}

impl OtlpPlan {
    /// What is asked for by the flag, the environment and the file; `None` where
    /// nothing goes out. `all` is whether every process is watched.
    pub fn new(common: &Common, loaded: &Loaded, all: bool) -> Result<Option<Self>, SettingsError> {
        let export = &loaded.config.export.otlp;
        let flag = common.otlp.as_ref().map(Option::as_deref);
        let mut signals =
            Signals::from_environment(flag, export).map_err(|error| SettingsError {
                setting: loaded.named(&error.setting),
                ..error
            })?;
        if let Some(metrics) = &mut signals.metrics {
            metrics.compat.clone_from(&loaded.config.compat);
        }
        let any = signals.each().next().is_some();
        Ok(any.then(|| Self {
            signals,
            spool: None,
            // Of every process of a host they are too many to be sent unasked.
            events: export.events.unwrap_or(!all),
            traced: export.traces.clone(),
            own: None,
        }))
    }

    /// Keeps what has to be delivered in `state_dir`, if there is one.
    pub fn keep_in(&mut self, config: &Config) {
        self.spool = config.state_dir.as_ref().map(|folder| SpoolSettings {
            state_dir: folder.0.clone(),
            max_size: config.export.otlp.spool.max_size.0,
        });
    }
}

/// All ways to collectors.
pub struct Otlp {
    metrics: Option<(OtlpExporter, Telemetry, String)>,
    logs: Option<(LogExporter, String)>,
    traces: Option<(SpanExporter, String)>,
    exporting: Exporting,
}

impl Otlp {
    /// Sends procmon's own metrics every `interval`, how `exporting` does and the
    /// loops among them.
    pub fn start(
        plan: OtlpPlan,
        interval: Duration,
        runtime: &Handle,
        exporting: Exporting,
        heartbeats: Heartbeats,
    ) -> Result<Self, Failure> {
        let host = HostIdentity::read(Path::new("/"));
        let started_unix_ns = now_unix_ns();
        let spool = plan.spool.as_ref();
        let name = |settings: &Settings| settings.signal.name_of(&settings.endpoint);
        let metrics = match &plan.signals.metrics {
            Some(settings) => {
                let own = Telemetry::start(
                    settings,
                    &host,
                    started_unix_ns,
                    interval,
                    heartbeats,
                    runtime,
                )
                .map_err(|error| Failure::Usage(error.to_string()))?;
                let processes = OtlpExporter::start(settings, spool, host.clone(), runtime)?;
                Some((processes, own, name(settings)))
            }
            None => None,
        };
        let logs = match &plan.signals.logs {
            Some(settings) => {
                let encoder =
                    LogEncoder::new(settings, &host, started_unix_ns, plan.events, plan.own);
                let exporter = LogExporter::start(settings, spool, encoder, runtime)?;
                Some((exporter, name(settings)))
            }
            None => None,
        };
        let traces = match &plan.signals.traces {
            Some(settings) => {
                let boot_id = clock::boot_id(&ProcRoot::default())
                    .map_err(|error| Failure::Internal(error.into()))?;
                let boot_id = String::from_utf8_lossy(&boot_id);
                let encoder =
                    SpanEncoder::new(settings, &host, started_unix_ns, &plan.traced, &boot_id);
                let metrics = metrics.as_ref().map(|(exporter, ..)| exporter.health());
                let logs = logs.as_ref().map(|(exporter, _)| exporter.health());
                let others = metrics.into_iter().chain(logs).collect();
                let exporter = SpanExporter::start(settings, spool, encoder, others, runtime)?;
                Some((exporter, name(settings)))
            }
            None => None,
        };
        Ok(Self {
            metrics,
            logs,
            traces,
            exporting,
        })
    }

    /// How each of them does.
    pub fn health(&self) -> Vec<OtlpHealth> {
        let metrics = self
            .metrics
            .as_ref()
            .map(|(exporter, ..)| exporter.health());
        let logs = self.logs.as_ref().map(|(exporter, _)| exporter.health());
        let traces = self.traces.as_ref().map(|(exporter, _)| exporter.health());
        metrics.into_iter().chain(logs).chain(traces).collect()
    }

    /// Sends a view.
    pub fn consume(&mut self, view: &Arc<View>) {
        if let Some((processes, own, _)) = &mut self.metrics {
            processes.consume(view);
            own.publish(view, self.exporting.get());
        }
        if let Some((logs, _)) = &mut self.logs {
            logs.consume(view);
        }
        if let Some((traces, _)) = &mut self.traces {
            traces.consume(view);
        }
    }

    /// Delivers what it can, all ways at once, in the time there is.
    pub async fn shutdown(self) {
        let health = self.health().into_iter().map(|health| health.get());
        if health
            .into_iter()
            .any(|health| health.queue_bytes > 0 || health.spool_bytes > 0)
        {
            let most = SHUTDOWN_DEADLINE.as_secs();
            info!("delivering what is left, for {most} s at most");
        }
        let metrics = async {
            let (processes, own, name) = self.metrics?;
            let (undelivered, own) = tokio::join!(
                processes.shutdown(SHUTDOWN_DEADLINE),
                own.shutdown(SHUTDOWN_DEADLINE)
            );
            Some((undelivered, own, name))
        };
        let logs = async {
            let (logs, name) = self.logs?;
            Some((logs.shutdown(SHUTDOWN_DEADLINE).await, name))
        };
        let traces = async {
            let (traces, name) = self.traces?;
            Some((traces.shutdown(SHUTDOWN_DEADLINE).await, name))
        };
        let (metrics, logs, traces) = tokio::join!(metrics, logs, traces);
        if let Some((undelivered, own, name)) = metrics {
            tell(Signal::Metrics, &name, undelivered);
            if let Err(error) = own {
                warn!("OTLP to {name}: {error}");
            }
        }
        for (signal, ended) in [(Signal::Logs, logs), (Signal::Traces, traces)] {
            if let Some((undelivered, name)) = ended {
                tell(signal, &name, undelivered);
            }
        }
    }
}

/// Says what was not delivered.
fn tell(signal: Signal, name: &str, undelivered: Undelivered) {
    let items = signal.items();
    if undelivered.kept_batches > 0 {
        info!(
            "OTLP to {name}: {} batches with {} {items} stay in the spool for the next time",
            undelivered.kept_batches, undelivered.kept_items
        );
    }
    if undelivered.batches > 0 {
        warn!(
            "OTLP to {name}: {} batches with {} {items} were not delivered",
            undelivered.batches, undelivered.items
        );
    }
}
