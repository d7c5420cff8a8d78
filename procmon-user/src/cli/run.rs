//! `procmon run`: watch processes.

use std::process::ExitCode;

use log::info;
use tokio::sync::oneshot;

use super::arguments::Common;
use super::failure::Failure;
use super::logging::Logs;
use super::outputs::{Outputs, Plan};
use super::selecting::Selecting;
use super::serving;
use super::signals::Signals;
use super::systemd::Systemd;
use crate::agent::{Agent, Control, Schedule, Views};
use crate::collector::Collector;
use crate::config::{Budget, Config, Loaded};

/// Watch processes: report, write JSON lines, export OTLP
///
/// Ends with status 0 at --count, --duration, SIGINT, SIGTERM, when every --pid has exited,
/// or when nobody reads any output any more. The last values are written then, and at most
/// five seconds go into delivery; a second SIGINT ends at once. With no collector named it
/// reports on the terminal.
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
    fn configure(&self) -> Result<Loaded, Failure> {
        let mut loaded = self.common.configure()?;
        loaded.flag("overhead_budget", self.overhead_budget, |c, value| {
            c.overhead_budget = value;
        });
        Ok(loaded)
    }
}

/// Runs the command.
pub fn run(args: Args, logs: &Logs) -> Result<ExitCode, Failure> {
    let loaded = args.configure()?;
    logs.configure(&loaded)?;
    let rules = loaded.config.select.rules();
    let selection = args.selecting.selection(&rules)?;
    let plan = Plan::new(&args.common, &loaded, args.selecting.all())?;
    let plan = plan.serving(serving::of_run(&args.common, &loaded)?);
    let kernel = args.common.kernel(&loaded);
    let mut collector = Collector::open(selection, kernel, loaded.config.contract())?;
    collector.set_rules(rules);
    info!("{}", greeting(&args, &loaded.config, &plan, &collector));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(watch(args, loaded.config, plan, collector))?;
    Ok(ExitCode::SUCCESS)
}

/// Watches until the end, and delivers everything then.
async fn watch(
    args: Args,
    config: Config,
    plan: Plan,
    collector: Collector,
) -> Result<(), Failure> {
    let common = &args.common;
    let interval = config.interval.0;
    let views = Views::default();
    let runtime = tokio::runtime::Handle::current();
    let folder = config.state_dir.as_ref();
    let opened = plan.analysis(&config, folder).and_then(|analysis| {
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
    let (done, ended) = oneshot::channel();
    let schedule = Schedule::new(interval, common.count, common.duration);
    let agent = Agent::start(collector, schedule, analysis, views, &control, move || {
        // Nobody waits for it after a signal.
        let _ = done.send(());
    })?;
    tokio::select! {
        _ = ended => {}
        _ = signals.next() => {}
        () = outputs.nobody_reads() => {}
    }
    systemd.stopping();
    tokio::spawn(signals.end_on_second());
    let (collector, result) = agent.stop()?;
    let closed = outputs.close().await;
    collector.close();
    closed?;
    Ok(result?)
}

/// What is said at the start: whom, by what, where to.
fn greeting(args: &Args, config: &Config, plan: &Plan, collector: &Collector) -> String {
    let mut to = String::new();
    if let Some(url) = plan.endpoint() {
        to += &format!("; OTLP to {url}");
    }
    if let Some(url) = plan.broker() {
        to += &format!("; MQTT to {url}");
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
