//! Where views go: opens the outputs that were asked for, starts a consumer for
//! each, and ends them in order.

use std::io::IsTerminal as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use log::{info, warn};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::arguments::Common;
use super::exporting::Exporting;
use super::failure::Failure;
use super::serving;
use crate::agent::{self, Consumer, Views};
use crate::config::{Export, Loaded, Output};
use crate::export::jsonl::Jsonl;
use crate::export::otlp::{HostIdentity, OtlpExporter, SHUTDOWN_DEADLINE, Settings, SettingsError};
use crate::export::report::Report;
use crate::export::sink::{Sink, SinkError};
use crate::heartbeat::Heartbeats;
use crate::http::{Bound, Server};
use crate::proc::clock::now_unix_ns;
use crate::telemetry::Telemetry;

/// What was asked for.
#[derive(Debug)]
pub struct Plan {
    report: Option<PathBuf>,
    jsonl: Option<PathBuf>,
    otlp: Option<Settings>,
    http: Option<Bound>,
    /// Nobody has to read it for procmon to go on, unless it was asked for.
    http_is_asked_for: bool,
    all: bool,
}

impl Plan {
    /// Decides where to: the report goes to stdout when nothing else was asked
    /// for or stdout is a terminal; never report and JSON both.
    pub fn new(common: &Common, loaded: &Loaded, all: bool) -> Result<Self, Failure> {
        let export = &loaded.config.export;
        let flag = common.otlp.as_ref().map(Option::as_deref);
        let otlp =
            Settings::from_environment(flag, &export.otlp).map_err(|error| SettingsError {
                setting: loaded.named(&error.setting),
                ..error
            })?;
        let path = |output: &Output| output.file.as_ref().map(|file| file.0.clone());
        let jsonl_on_stdout = export.jsonl.is_stdout();
        if jsonl_on_stdout && export.report.is_stdout() {
            return Err(Failure::Usage(format!(
                "{} - and {} - both want stdout: give one of them a file",
                loaded.named("export.report.file"),
                loaded.named("export.jsonl.file"),
            )));
        }
        let http_is_asked_for = serving::is_asked_for(loaded);
        let nothing_else = export.jsonl.file.is_none() && otlp.is_none() && !http_is_asked_for;
        let report = match path(&export.report) {
            Some(path) => Some(path),
            None if jsonl_on_stdout => None,
            None if nothing_else || std::io::stdout().is_terminal() => Some(PathBuf::from("-")),
            None => None,
        };
        Ok(Self {
            report,
            jsonl: path(&export.jsonl),
            otlp,
            http: None,
            http_is_asked_for,
            all,
        })
    }

    /// No report on stdout: it is the traced command's.
    pub fn without_default_report(mut self, export: &Export) -> Self {
        self.report = export.report.file.as_ref().map(|file| file.0.clone());
        self
    }

    /// Serves at an address that was taken.
    pub fn serving(mut self, http: Option<Bound>) -> Self {
        self.http = http;
        self
    }

    /// Where it is served, if it is.
    pub fn url(&self) -> Option<String> {
        self.http.as_ref().map(Bound::url)
    }

    /// Where OTLP goes, if it does.
    pub fn endpoint(&self) -> Option<String> {
        self.otlp.as_ref().map(|otlp| otlp.endpoint.to_string())
    }
}

/// The running consumers.
pub struct Outputs {
    report: Option<Consumer<()>>,
    jsonl: Option<Consumer<()>>,
    otlp: Option<Consumer<Exporters>>,
    http: Option<Server>,
    open: Arc<Open>,
}

/// How many outputs still have somebody to write for.
#[derive(Debug)]
struct Open {
    count: AtomicUsize,
    none: Notify,
}

impl Open {
    /// A closed pipe ends a consumer; nothing is wrong. The others go on.
    fn unless_closed(&self, result: Result<(), SinkError>) -> ControlFlow<()> {
        let Err(closed) = result else {
            return ControlFlow::Continue(());
        };
        if self.count.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.none.notify_one();
        } else {
            info!("{closed}; the other outputs go on");
        }
        ControlFlow::Break(())
    }
}

/// What the OTLP consumer keeps.
struct Exporters {
    processes: OtlpExporter,
    own: Telemetry,
    exporting: Exporting,
    endpoint: String,
}

impl Outputs {
    /// Opens what was planned. `interval` is how often procmon's own metrics
    /// are exported; `runtime` drives the network.
    pub fn open(
        plan: Plan,
        interval: std::time::Duration,
        views: &Views,
        runtime: &Handle,
    ) -> Result<Self, Failure> {
        let exporting = Exporting::default();
        let count = [
            plan.report.is_some(),
            plan.jsonl.is_some(),
            plan.otlp.is_some(),
            plan.http.is_some() && plan.http_is_asked_for,
        ];
        let open = Arc::new(Open {
            count: AtomicUsize::new(count.into_iter().filter(|there| *there).count()),
            none: Notify::new(),
        });
        let report = match &plan.report {
            Some(path) => {
                let mut report = Report::new(Sink::open(path, "blocks")?, plan.all);
                let open = Arc::clone(&open);
                Some(agent::spawn(views, "report", (), move |(), view| {
                    open.unless_closed(report.write(view))
                })?)
            }
            None => None,
        };
        let jsonl = match &plan.jsonl {
            Some(path) => {
                let mut jsonl = Jsonl::new(Sink::open(path, "lines")?);
                let open = Arc::clone(&open);
                Some(agent::spawn(views, "jsonl", (), move |(), view| {
                    open.unless_closed(jsonl.write(view))
                })?)
            }
            None => None,
        };
        let otlp = match plan.otlp {
            Some(settings) => {
                let heartbeats = views.heartbeats();
                let exporters =
                    Exporters::start(&settings, interval, runtime, &exporting, heartbeats)?;
                Some(agent::spawn(
                    views,
                    "otlp",
                    exporters,
                    |exporters, view| {
                        exporters.consume(view);
                        ControlFlow::Continue(())
                    },
                )?)
            }
            None => None,
        };
        let http = match plan.http {
            Some(bound) => {
                let exporting = exporting.clone();
                let exporters = Arc::new(move || exporting.get());
                Some(Server::start(bound, views, exporters, runtime)?)
            }
            None => None,
        };
        let texts = report.iter().chain(&jsonl).map(Consumer::health);
        let others = otlp.iter().map(Consumer::health);
        texts
            .chain(others)
            .chain(http.iter().map(Server::health))
            .for_each(|consumer| exporting.add(consumer));
        Ok(Self {
            report,
            jsonl,
            otlp,
            http,
            open,
        })
    }

    /// Waits until nobody reads any output any more.
    pub async fn nobody_reads(&self) {
        self.open.none.notified().await;
    }

    /// Waits until every consumer has had the last view, and spends up to
    /// five seconds on the last deliveries.
    pub async fn close(self) -> Result<(), Failure> {
        let texts = async {
            for consumer in self.report.into_iter().chain(self.jsonl) {
                consumer.join().await?;
            }
            Ok(())
        };
        let texts = async {
            let written = timeout(SHUTDOWN_DEADLINE, texts).await;
            written.unwrap_or_else(|_| {
                warn!(
                    "an output was not read for {SHUTDOWN_DEADLINE:?}: its last objects are lost"
                );
                Ok(())
            })
        };
        let otlp = async {
            if let Some(consumer) = self.otlp {
                consumer.join().await?.shutdown().await;
            }
            Ok(())
        };
        let http = async {
            if let Some(server) = self.http {
                server.stop().await?;
            }
            Ok(())
        };
        let (texts, otlp, http): (anyhow::Result<()>, anyhow::Result<()>, anyhow::Result<()>) =
            tokio::join!(texts, otlp, http);
        Ok(texts.and(otlp).and(http)?)
    }
}

impl Exporters {
    fn start(
        settings: &Settings,
        interval: std::time::Duration,
        runtime: &Handle,
        exporting: &Exporting,
        heartbeats: &Heartbeats,
    ) -> Result<Self, Failure> {
        let host = HostIdentity::read(Path::new("/"));
        let heartbeats = heartbeats.clone();
        let own = Telemetry::start(
            settings,
            &host,
            now_unix_ns(),
            interval,
            heartbeats,
            runtime,
        )
        .map_err(|error| Failure::Usage(error.to_string()))?;
        let processes = OtlpExporter::start(settings, host, runtime)?;
        exporting.set_otlp(processes.health());
        Ok(Self {
            processes,
            own,
            exporting: exporting.clone(),
            endpoint: settings.endpoint.to_string(),
        })
    }

    fn consume(&mut self, view: &Arc<crate::shape::View>) {
        self.processes.consume(view);
        self.own.publish(view, self.exporting.get());
    }

    /// Delivers what it can, both roads at once, in the time there is.
    async fn shutdown(self) {
        if self.processes.health().get().queue_bytes > 0 {
            let most = SHUTDOWN_DEADLINE.as_secs();
            info!("delivering what is left, for {most} s at most");
        }
        let (undelivered, own) = tokio::join!(
            self.processes.shutdown(SHUTDOWN_DEADLINE),
            self.own.shutdown(SHUTDOWN_DEADLINE)
        );
        let endpoint = self.endpoint;
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
