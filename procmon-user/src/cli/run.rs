//! `procmon run`: watch processes.

use std::process::ExitCode;

use clap::ArgGroup;
use log::info;
use tokio::sync::oneshot;

use super::arguments::Common;
use super::failure::Failure;
use super::outputs::{Outputs, Plan};
use super::signals::Signals;
use crate::agent::{self, Agent, Control, Schedule};
use crate::collector::{Collector, Selection};

/// Watch processes: report, write JSON lines, export OTLP
///
/// Ends with status 0 at --count, --duration, SIGINT, SIGTERM, or when every --pid has
/// exited. With no collector named it reports on the terminal.
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("whom").required(true).args(["pid", "all"]))]
pub struct Args {
    /// Watch this process; may be given more than once
    #[arg(long, value_name = "PID")]
    pid: Vec<u32>,
    /// Watch what they fork, too
    #[arg(long, requires = "pid")]
    children: bool,
    /// Watch every process
    #[arg(long, conflicts_with = "pid")]
    all: bool,
    /// With --all: kernel threads too
    #[arg(long, requires = "all")]
    kernel_threads: bool,
    #[command(flatten)]
    common: Common,
}

impl Args {
    fn selection(&self) -> Selection {
        if self.all {
            return Selection::All {
                kernel_threads: self.kernel_threads,
            };
        }
        let mut pids = self.pid.clone();
        pids.sort_unstable();
        pids.dedup();
        Selection::Processes {
            pids,
            children: self.children,
        }
    }
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode, Failure> {
    let plan = Plan::new(&args.common, args.all)?;
    let collector = Collector::open(args.selection(), args.common.kernel()?)?;
    info!("{}", greeting(&args, &plan, &collector));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let collector = runtime.block_on(watch(args, plan, collector))?;
    collector.close();
    Ok(ExitCode::SUCCESS)
}

/// Watches until the end; everything is delivered then, and the collector
/// given back.
async fn watch(args: Args, plan: Plan, collector: Collector) -> Result<Collector, Failure> {
    let common = &args.common;
    let views = agent::views();
    let runtime = tokio::runtime::Handle::current();
    let outputs = Outputs::open(plan, common.interval, &views, &runtime)?;
    let mut signals = Signals::take()?;
    let control = Control::new()?;
    let (done, ended) = oneshot::channel();
    let schedule = Schedule::new(common.interval, common.count, common.duration);
    let agent = Agent::start(collector, schedule, views, &control, move || {
        // Nobody waits for it after a signal.
        let _ = done.send(());
    })?;
    tokio::select! {
        _ = ended => {}
        _ = signals.next() => {}
    }
    tokio::spawn(signals.end_on_second());
    let (collector, result) = agent.stop()?;
    outputs.close().await?;
    result?;
    Ok(collector)
}

/// What is said at the start: whom, by what, where to.
fn greeting(args: &Args, plan: &Plan, collector: &Collector) -> String {
    let whom = if args.all {
        "every process".to_owned()
    } else {
        let pids: Vec<String> = args.pid.iter().map(u32::to_string).collect();
        let children = if args.children { " and children" } else { "" };
        format!("pid {}{children}", pids.join(", "))
    };
    let to = plan
        .endpoint()
        .map_or(String::new(), |url| format!("; OTLP to {url}"));
    format!(
        "watching {whom} every {}; {}{to}",
        humantime::format_duration(args.common.interval),
        collector.summary()
    )
}
