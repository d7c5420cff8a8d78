//! Where views go: opens the outputs that were asked for, starts a consumer for
//! each, and ends them in order.

use std::io::IsTerminal as _;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use log::{info, warn};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::arguments::Common;
use super::exporting::Exporting;
use super::failure::Failure;
use super::logging::Logs;
use super::otlp::{Otlp, OtlpPlan};
use super::serving;
use crate::agent::{self, Analysis, Consumer, Keeper, Views};
use crate::analysis::History;
use crate::config::{Config, Export, FolderPath, Loaded};
use crate::export::jsonl::Jsonl;
use crate::export::mqtt::{self, BrokerUrl, MqttExporter};
use crate::export::otlp::{HostIdentity, SHUTDOWN_DEADLINE};
use crate::export::report::Report;
use crate::export::sink::{Place, Sink, SinkError};
use crate::http::{Bound, Server};
use crate::proc::{ProcRoot, clock};
use crate::shape::Shaper;

/// What was asked for.
#[derive(Debug)]
pub struct Plan {
    report: Option<Place>,
    jsonl: Option<Place>,
    otlp: Option<OtlpPlan>,
    mqtt: Option<mqtt::Settings>,
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
        let otlp = OtlpPlan::new(common, loaded, all)?;
        let publishes = loaded.config.publishes();
        let mqtt = export.mqtt.resolve()?.filter(|_| publishes);
        let jsonl_on_stdout = export.jsonl.is_stdout();
        if jsonl_on_stdout && export.report.is_stdout() {
            return Err(Failure::Usage(format!(
                "{} - and {} - both want stdout: give one of them a file",
                loaded.named("export.report.file"),
                loaded.named("export.jsonl.file"),
            )));
        }
        let http_is_asked_for = serving::is_asked_for(loaded);
        let nothing_else =
            export.jsonl.file.is_none() && otlp.is_none() && mqtt.is_none() && !http_is_asked_for;
        let report = match export.report.place() {
            Some(place) => Some(place),
            None if jsonl_on_stdout => None,
            None if nothing_else || std::io::stdout().is_terminal() => Some(Place::stdout()),
            None => None,
        };
        Ok(Self {
            report,
            jsonl: export.jsonl.place(),
            otlp,
            mqtt,
            http: None,
            http_is_asked_for,
            all,
        })
    }

    /// No report on stdout: it is the traced command's.
    pub fn without_default_report(mut self, export: &Export) -> Self {
        self.report = export.report.place();
        self
    }

    /// Keeps what OTLP has to deliver in `state_dir`, if there is one.
    pub fn spooling(mut self, config: &Config) -> Self {
        if let Some(otlp) = &mut self.otlp {
            otlp.keep_in(config);
        }
        self
    }

    /// Sends what procmon says by OTLP too, where that is asked for.
    pub fn saying(mut self, loaded: &Loaded, logs: &Logs) -> Self {
        let Some(own) = logs.own() else {
            return self;
        };
        match &mut self.otlp {
            Some(otlp) if otlp.signals.logs.is_some() => otlp.own = Some(own),
            _ => {
                logs.forget_own();
                let key = loaded.config.logging.why_otlp();
                warn!(
                    "{}: no OTLP endpoint takes logs: what procmon says stands on stderr alone; \
                     give one by --otlp or export.otlp.endpoint",
                    loaded.named(key)
                );
            }
        }
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

    /// What makes views for these outputs. A history is kept where it is asked
    /// for, else where an output shows what it adds up to: it is memory. It
    /// survives in `folder`, if there is one.
    pub fn analysis(
        &self,
        config: &Config,
        folder: Option<&FolderPath>,
    ) -> Result<Analysis, Failure> {
        let settings = config.history.settings();
        let kept = settings.is_kept(self.mqtt.is_some());
        let mut history = kept.then(|| History::new(&settings));
        let keeper = match (&mut history, folder) {
            (Some(history), Some(folder)) => {
                let boot_id = clock::boot_id(&ProcRoot::default())
                    .map_err(|error| Failure::Internal(error.into()))?;
                let boot_id = String::from_utf8_lossy(&boot_id).into_owned();
                let keeper = Keeper::open(&folder.0, boot_id, history);
                // Watching goes before remembering.
                keeper
                    .map_err(|error| warn!("state_dir: {error:#}; the history will not survive"))
                    .ok()
            }
            _ => None,
        };
        Ok(Analysis {
            shaper: Shaper::new(config.select.shape()),
            history,
            keeper,
        })
    }

    /// Where MQTT goes, if it does.
    pub fn broker(&self) -> Option<&BrokerUrl> {
        self.mqtt.as_ref().map(|mqtt| &mqtt.url)
    }

    /// Where OTLP goes, if it does.
    pub fn endpoint(&self) -> Option<String> {
        let mut each = self.otlp.as_ref()?.signals.each();
        each.next().map(|settings| settings.endpoint.to_string())
    }
}

/// The running consumers.
pub struct Outputs {
    report: Option<Consumer<()>>,
    jsonl: Option<Consumer<()>>,
    otlp: Option<Consumer<Otlp>>,
    mqtt: Option<(Consumer<MqttExporter>, BrokerUrl)>,
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
            plan.mqtt.is_some(),
            plan.http.is_some() && plan.http_is_asked_for,
        ];
        let open = Arc::new(Open {
            count: AtomicUsize::new(count.into_iter().filter(|there| *there).count()),
            none: Notify::new(),
        });
        let report = match &plan.report {
            Some(place) => {
                let mut report = Report::new(Sink::open(place, "blocks")?, plan.all);
                let open = Arc::clone(&open);
                Some(agent::spawn(views, "report", (), move |(), view| {
                    open.unless_closed(report.write(view))
                })?)
            }
            None => None,
        };
        let jsonl = match &plan.jsonl {
            Some(place) => {
                let mut jsonl = Jsonl::new(Sink::open(place, "lines")?);
                let open = Arc::clone(&open);
                Some(agent::spawn(views, "jsonl", (), move |(), view| {
                    open.unless_closed(jsonl.write(view))
                })?)
            }
            None => None,
        };
        let mqtt = match plan.mqtt {
            Some(settings) => {
                let url = settings.url.clone();
                let host = HostIdentity::read(Path::new("/"));
                let exporter = MqttExporter::start(settings, host.id.as_deref(), runtime)?;
                let health = exporter.health();
                let consumer = agent::spawn(views, "mqtt", exporter, |exporter, view| {
                    exporter.consume(view);
                    ControlFlow::Continue(())
                })?;
                exporting.add_with(consumer.health(), move || health.get());
                Some((consumer, url))
            }
            None => None,
        };
        let otlp = match plan.otlp {
            Some(otlp) => {
                let heartbeats = views.heartbeats().clone();
                let exporting_too = exporting.clone();
                let otlp = Otlp::start(otlp, interval, runtime, exporting_too, heartbeats)?;
                let mut each = otlp.health().into_iter();
                let first = each.next();
                let consumer = agent::spawn(views, "otlp", otlp, |otlp, view| {
                    otlp.consume(view);
                    ControlFlow::Continue(())
                })?;
                if let Some(health) = first {
                    exporting.add_with(consumer.health(), move || health.get());
                }
                for health in each {
                    exporting.add_beside(move || health.get());
                }
                Some(consumer)
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
        texts
            .chain(http.iter().map(Server::health))
            .for_each(|consumer| exporting.add(consumer));
        Ok(Self {
            report,
            jsonl,
            otlp,
            mqtt,
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
        let mqtt = async {
            let Some((consumer, url)) = self.mqtt else {
                return Ok(());
            };
            let undelivered = consumer.join().await?.shutdown(SHUTDOWN_DEADLINE).await;
            if undelivered > 0 {
                warn!("MQTT to {url}: {undelivered} messages were not delivered");
            }
            Ok(())
        };
        let http = async {
            if let Some(server) = self.http {
                server.stop().await?;
            }
            Ok(())
        };
        let ends: [anyhow::Result<()>; 4] = tokio::join!(texts, otlp, mqtt, http).into();
        Ok(ends.into_iter().collect::<anyhow::Result<()>>()?)
    }
}
