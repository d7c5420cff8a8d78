//! `procmon run`: watch processes.

use std::process::ExitCode;

use log::info;
use tokio::sync::oneshot;

use super::arguments::{Budget, Common, contract};
use super::failure::Failure;
use super::outputs::{Outputs, Plan};
use super::selecting::Selecting;
use super::signals::Signals;
use crate::agent::{Agent, Control, Schedule, Views};
use crate::collector::Collector;
use crate::shape::Shaper;

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
    /// for no limit.
    #[arg(long, value_name = "SHARE", default_value = "2%")]
    overhead_budget: Budget,
    #[command(flatten)]
    common: Common,
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode, Failure> {
    let selection = args.selecting.selection()?;
    let plan = Plan::new(&args.common, args.selecting.all())?;
    let contract = contract(args.overhead_budget.0)?;
    let collector = Collector::open(selection, args.common.kernel()?, contract)?;
    info!("{}", greeting(&args, &plan, &collector));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(watch(args, plan, collector))?;
    Ok(ExitCode::SUCCESS)
}

/// Watches until the end, and delivers everything then.
async fn watch(args: Args, plan: Plan, collector: Collector) -> Result<(), Failure> {
    let common = &args.common;
    let views = Views::default();
    let runtime = tokio::runtime::Handle::current();
    let outputs = match Outputs::open(plan, common.interval, &views, &runtime) {
        Ok(outputs) => outputs,
        Err(failure) => {
            collector.close();
            return Err(failure);
        }
    };
    let mut signals = Signals::take()?;
    let control = Control::new()?;
    let (done, ended) = oneshot::channel();
    let schedule = Schedule::new(common.interval, common.count, common.duration);
    let shaper = Shaper::new(common.folding.settings());
    let agent = Agent::start(collector, schedule, shaper, views, &control, move || {
        // Nobody waits for it after a signal.
        let _ = done.send(());
    })?;
    tokio::select! {
        _ = ended => {}
        _ = signals.next() => {}
        () = outputs.nobody_reads() => {}
    }
    tokio::spawn(signals.end_on_second());
    let (collector, result) = agent.stop()?;
    let closed = outputs.close().await;
    collector.close();
    closed?;
    Ok(result?)
}

/// What is said at the start: whom, by what, where to.
fn greeting(args: &Args, plan: &Plan, collector: &Collector) -> String {
    let to = plan
        .endpoint()
        .map_or(String::new(), |url| format!("; OTLP to {url}"));
    format!(
        "watching {} every {}; {}{to}",
        args.selecting.whom(),
        humantime::format_duration(args.common.interval),
        collector.summary()
    )
}
