//! `procmon run`: watch processes.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use log::info;
use tokio::sync::oneshot;

use super::arguments::Common;
use super::config::warn_of_misspelt_variables;
use super::failure::Failure;
use super::logging::Logs;
use super::outputs::{Outputs, Plan};
use super::privileges;
use super::reload::{Reloaded, change, reload};
use super::selecting::Selecting;
use super::serving;
use super::signals::{Hangups, Signals};
use super::systemd::Systemd;
use crate::agent::{Agent, Control, Schedule, Views};
use crate::collector::Collector;
use crate::config::{Budget, Config, Loaded};
use crate::http::Server;
use crate::kernel::Programs;

/// Watch processes: report, write JSON lines, export OTLP
///
/// Ends with status 0 at --count, --duration, SIGINT, SIGTERM, when every --pid has exited,
/// or when nobody reads any output any more. The last values are written then, and at most
/// five seconds go into delivery; a second SIGINT ends at once. With no collector named it
/// reports on the terminal. At SIGHUP the configuration is read again.
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "procmon run <--pid <PID>...|--all|--match <EXPR>|--unit <UNIT>|--container <ID>> [OPTIONS]"
)]
pub struct Args {
    #[command(flatten)]
    selecting: Selecting,
    /// What procmon may take of one core, its kernel programs included
    ///
    /// Judged every 30 seconds. Past it the optional probes are detached, one a time: the
    /// run-queue histogram, off-CPU time, mapping bytes; they come back when it is calm. `off`
    /// for no limit. [default: 2%]
    #[arg(long, value_name = "SHARE")]
    overhead_budget: Option<Budget>,
    #[command(flatten)]
    common: Common,
}

impl Args {
    /// What holds, looked at as a whole: whom to watch and where to, too.
    fn configure(&self) -> Result<Loaded, Failure> {
        let mut loaded = self.common.configure(self.selecting.ends())?;
        loaded.flag("overhead_budget", self.overhead_budget, |c, value| {
            c.overhead_budget = value;
        });
        self.selecting.selection(&loaded.config.rules())?;
        self.plan(&loaded)?;
        Ok(loaded)
    }

    fn plan(&self, loaded: &Loaded) -> Result<Plan, Failure> {
        Plan::new(&self.common, loaded, self.selecting.all())
    }
}

/// Runs the command.
pub fn run(args: Args, logs: &Logs) -> Result<ExitCode, Failure> {
    let mut loaded = args.configure()?;
    logs.configure(&loaded)?;
    warn_of_misspelt_variables();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut hangups = Hangups::take()?;
        loop {
            let next = match loaded.config.is_enabled() {
                true => watch(&args, &mut loaded, logs, &mut hangups).await?,
                false => idle(&args, &mut loaded, &mut hangups).await?,
            };
            if next == Next::End {
                return Ok(ExitCode::SUCCESS);
            }
        }
    })
}

/// What comes after watching, or after doing nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    /// The end.
    End,
    /// The other of both.
    Switched,
}

/// Does nothing until it is switched on.
async fn idle(args: &Args, loaded: &mut Loaded, hangups: &mut Hangups) -> Result<Next, Failure> {
    let common = &args.common;
    let bound = serving::of_run(common, loaded)?;
    let ebpf = common.kernel(loaded).is_some();
    privileges::keep_for(&privileges::plans(loaded, ebpf, false));
    let at = match &bound {
        Some(bound) => format!("; {}/healthz", bound.url()),
        None => String::new(),
    };
    info!(
        "switched off by {}: nothing is attached, collected or exported; SIGHUP once it is \
         true{at}",
        loaded.named(loaded.config.switched_off_by())
    );
    let runtime = tokio::runtime::Handle::current();
    let server = bound.map(|bound| Server::start_idle(bound, &runtime));
    let server = server.transpose()?;
    let next = nothing_until_switched_on(args, loaded, hangups).await?;
    if let Some(server) = server {
        server.stop().await?;
    }
    Ok(next)
}

async fn nothing_until_switched_on(
    args: &Args,
    loaded: &mut Loaded,
    hangups: &mut Hangups,
) -> Result<Next, Failure> {
    let _systemd = Systemd::idle();
    let mut signals = Signals::take()?;
    let duration = args.common.duration.unwrap_or(Duration::MAX);
    let end = tokio::time::sleep(duration);
    tokio::pin!(end);
    loop {
        tokio::select! {
            _ = signals.next() => return Ok(Next::End),
            () = &mut end => return Ok(Next::End),
            () = hangups.next() => {
                reload(loaded, args.configure());
                if loaded.config.is_enabled() {
                    return Ok(Next::Switched);
                }
            }
        }
    }
}

/// Watches until the end, or until it is switched off, and delivers everything
/// then.
async fn watch(
    args: &Args,
    loaded: &mut Loaded,
    logs: &Logs,
    hangups: &mut Hangups,
) -> Result<Next, Failure> {
    let common = &args.common;
    let config = &loaded.config;
    let rules = config.rules();
    let selection = args.selecting.selection(&rules)?;
    let plan = args.plan(loaded)?;
    let plan = plan
        .serving(serving::of_run(common, loaded)?)
        .saying(loaded, logs)
        .spooling(config);
    let collect = config.collect();
    let kernel = common.kernel(loaded);
    let programs = kernel.map_or(Programs::ALL, |_| collect.programs);
    let mut collector = Collector::open_for(collect, selection, kernel, config.contract())?;
    collector.set_rules(rules);
    collector.set_command_args(config.command_args);
    privileges::keep_for(&privileges::plans(loaded, kernel.is_some(), false));
    info!("{}", greeting(args, config, &plan, &collector));
    let interval = config.interval.0;
    let views = Views::default();
    let runtime = tokio::runtime::Handle::current();
    let folder = config.state_dir.as_ref();
    let opened = plan.analysis(config, folder).and_then(|analysis| {
        let outputs = Outputs::open(plan, interval, &views, &runtime)?;
        Ok((analysis, outputs))
    });
    let (analysis, outputs) = match opened {
        Ok(opened) => opened,
        Err(failure) => {
            collector.close();
            return Err(failure);
        }
    };
    let mut signals = Signals::take()?;
    let systemd = Systemd::start(&views)?;
    let control = Control::new()?;
    let (done, mut ended) = oneshot::channel();
    let schedule = Schedule::new(interval, common.count, common.duration);
    let agent = Agent::start(collector, schedule, analysis, views, &control, move || {
        // Nobody waits for it after a signal.
        let _ = done.send(());
    })?;
    let next = loop {
        tokio::select! {
            _ = &mut ended => break Next::End,
            _ = signals.next() => break Next::End,
            () = outputs.nobody_reads() => break Next::End,
            () = hangups.next() => {
                let Reloaded::Changed(changes) = reload(loaded, args.configure()) else {
                    continue;
                };
                if !loaded.config.is_enabled() {
                    break Next::Switched;
                }
                let by_rules = args.selecting.is_by_rules();
                control.change(change(loaded, &changes, programs, by_rules));
            }
        }
    };
    if next == Next::End {
        systemd.stopping();
        tokio::spawn(signals.end_on_second());
    }
    let (collector, result) = agent.stop()?;
    let closed = outputs.close().await;
    match next {
        Next::End => collector.close(),
        // We go on without them: dropping the links takes seconds.
        Next::Switched => tokio::task::spawn_blocking(|| drop(collector))
            .await
            .context("detaching panicked")?,
    }
    closed?;
    result?;
    Ok(next)
}

/// What is said at the start: whom, by what, where to.
fn greeting(args: &Args, config: &Config, plan: &Plan, collector: &Collector) -> String {
    let mut to = String::new();
    if let Some(url) = plan.endpoint() {
        to += &format!("; OTLP to {url}");
    }
    if let Some(url) = plan.broker() {
        to += &format!("; MQTT to {url}");
    } else if config.export.mqtt.url.is_some() {
        to += "; no MQTT: the profile has export_to_mqtt false";
    }
    if let Some(url) = plan.url() {
        to += &format!("; {url}/metrics");
    }
    format!(
        "watching {} every {}; {}{to}",
        args.selecting.whom(),
        config.interval,
        collector.summary()
    )
}
