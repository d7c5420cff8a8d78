//! `procmon exec`: run a command and count all it does.

use std::ffi::OsString;
use std::io;
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;
use log::{error, info};
use procmon_common::Loss;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::arguments::Common;
use super::command::{FAILED, Prepared, Running, code};
use super::config::warn_of_misspelt_variables;
use super::failure::Failure;
use super::logging::Logs;
use super::outputs::{Outputs, Plan};
use super::privileges;
use super::serving;
use super::signals::end_at_once;
use crate::agent::{self, Agent, Control, Schedule, Views};
use crate::collector::{Collector, Contract, Selection};
use crate::config::Loaded;
use crate::export::summary::Summary;
use crate::frame::losses_in_words;
use crate::kernel::{ProbeState, ProbeStatus};
use crate::process::ProcessSample;
use crate::shape::View;

/// Run a command, count all that it and its children do, and sum it up
///
/// Counting begins with the command's own first instruction: what happens between fork and
/// exec does not count. The summary goes to stderr; stdout is the command's. Signals are
/// passed on to it.
///
/// Ends with the command's status, 126 if it is not executable, 127 if it is not found, 128+N
/// if signal N killed it, 125 if procmon itself fails. Before the command is started: 2 for
/// usage, a file that cannot be written among it, and 3 for missing privilege or kernel support.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    common: Common,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

/// Runs the command.
pub fn exec(args: Args, logs: &Logs) -> Result<ExitCode, Failure> {
    let loaded = args.common.configure(true)?;
    logs.configure(&loaded)?;
    warn_of_misspelt_variables();
    let export = &loaded.config.export;
    for (key, output) in [
        ("export.report.file", &export.report),
        ("export.jsonl.file", &export.jsonl),
    ] {
        if output.is_stdout() {
            return Err(Failure::Usage(format!(
                "{} - is refused with exec: stdout is the command's; give it a file",
                loaded.named(key)
            )));
        }
    }
    let http = serving::of_flag(&loaded).map_err(as_own)?;
    let plan = Plan::new(&args.common, &loaded, false)?;
    let plan = plan
        .without_default_report(export)
        .serving(http)
        .saying(&loaded, logs);
    if let Some(url) = plan.url() {
        info!("{url}/metrics");
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(trace(args, loaded, plan)).map_err(as_own)
}

/// procmon's own failures are 125: the other statuses are the command's.
fn as_own(failure: Failure) -> Failure {
    match failure {
        Failure::Internal(error) => Failure::Command(FAILED, format!("{error:#}")),
        other => other,
    }
}

async fn trace(args: Args, loaded: Loaded, plan: Plan) -> Result<ExitCode, Failure> {
    let common = &args.common;
    let interval = loaded.config.interval.0;
    // A command is traced whole, whatever that costs.
    let contract = Contract {
        budget: None,
        ..loaded.config.contract()
    };
    let kernel = common.kernel(&loaded);
    let mut collector = Collector::open_for(
        loaded.config.collect(),
        Selection::Command,
        kernel,
        contract,
    )?;
    collector.set_rules(loaded.config.rules());
    collector.set_command_args(loaded.config.command_args);
    let impaired = |probe: &ProbeStatus| probe.state != ProbeState::Active;
    if collector.probes().iter().any(impaired) {
        info!("{}", collector.summary());
    }
    let plans = privileges::plans(&loaded, kernel.is_some(), true);
    let command = Prepared::new(&args.command, plans)?;
    privileges::keep_for(&plans);
    let views = Views::default();
    let runtime = tokio::runtime::Handle::current();
    // A command's history ends with it: the file is not touched.
    let opened = plan.analysis(&loaded.config, None).and_then(|analysis| {
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
    let sum = agent::spawn(&views, "summary", Sum::of(&args.command), |sum, view| {
        sum.take(view);
        ControlFlow::Continue(())
    })?;
    let control = Control::new()?;
    let mut signals = Forwarded::take()?;
    let begin = Instant::now();
    let Running { pid, mut ended } = match command.start() {
        Ok(running) => running,
        Err(failure) => {
            collector.close();
            return Err(failure);
        }
    };
    collector.watch_command(pid);
    let schedule = Schedule::new(interval, common.count, common.duration).lingering();
    let agent = Agent::start(collector, schedule, analysis, views, &control, || {})?;
    let status = loop {
        tokio::select! {
            status = &mut ended => break status.context("waiting for the command")?,
            number = signals.next() => pass_on(pid, number),
        }
    };
    let elapsed = begin.elapsed();
    control.finish(pid);
    let (collector, result) = agent.stop()?;
    let mut summary = sum.join().await?.finish();
    if common.no_ebpf {
        summary.note("what the kernel probes count (--no-ebpf)");
    }
    // The command's status counts, not whether anybody reads this.
    let _ = summary.write(&mut io::stderr().lock(), elapsed);
    tokio::spawn(signals.end_on_second());
    let closed = outputs.close().await;
    collector.close();
    if let Err(problem) = result {
        error!("{problem:#}");
        return Ok(ExitCode::from(FAILED));
    }
    closed?;
    Ok(ExitCode::from(code(status?)))
}

/// What the consumer that sums up keeps.
struct Sum {
    summary: Summary,
    live: Vec<ProcessSample>,
    lost: String,
}

impl Sum {
    fn of(command: &[OsString]) -> Self {
        let words = command.iter().map(|word| word.to_string_lossy());
        Self {
            summary: Summary::new(words),
            live: Vec::new(),
            lost: String::new(),
        }
    }

    fn take(&mut self, view: &View) {
        for sample in &view.frame.exited {
            self.summary.add(sample);
        }
        self.live.clone_from(&view.frame.processes);
        let lost = view.frame.agent.events_lost.iter().copied();
        let deferred = Loss::ExitRecordDeferred.words();
        // Those came in later, and no tick is missed by a sum.
        let lost: Vec<_> = lost
            .filter(|(event, reason, count)| *count > 0 && (*event, *reason) != deferred)
            .collect();
        self.lost = losses_in_words(&lost);
    }

    /// What outlives the command counts as far as it has come.
    fn finish(mut self) -> Summary {
        for sample in &self.live {
            self.summary.add(sample);
        }
        if !self.lost.is_empty() {
            self.summary.note(format!("what was lost: {}", self.lost));
        }
        self.summary
    }
}

/// Signals that are the command's to handle: they are passed on.
struct Forwarded {
    received: mpsc::UnboundedReceiver<i32>,
}

impl Forwarded {
    fn take() -> Result<Self, Failure> {
        let (sender, received) = mpsc::unbounded_channel();
        for kind in [
            SignalKind::interrupt(),
            SignalKind::terminate(),
            SignalKind::hangup(),
            SignalKind::quit(),
            SignalKind::user_defined1(),
            SignalKind::user_defined2(),
        ] {
            // What was ignored before us (nohup, a shell's background job) stays
            // so, for the command too.
            if is_ignored(kind.as_raw_value()) {
                continue;
            }
            let mut stream = signal(kind).context("cannot take over a signal")?;
            let sender = sender.clone();
            tokio::spawn(async move {
                while stream.recv().await.is_some() && sender.send(kind.as_raw_value()).is_ok() {}
            });
        }
        Ok(Self { received })
    }

    async fn next(&mut self) -> i32 {
        match self.received.recv().await {
            Some(number) => number,
            None => std::future::pending().await,
        }
    }

    /// Once the command has ended: the first SIGINT may be the one that ended
    /// it, another one ends procmon at once.
    async fn end_on_second(mut self) {
        let mut interrupts = 0;
        while interrupts < 2 {
            interrupts += u32::from(self.next().await == libc::SIGINT);
        }
        end_at_once(128 + libc::SIGINT);
    }
}

/// Whether whoever started us has us ignore this signal.
fn is_ignored(number: i32) -> bool {
    // SAFETY: sigaction(2) fills in the whole structure, whose integers may be
    // zero beforehand, and changes nothing.
    unsafe {
        let mut action = std::mem::zeroed::<libc::sigaction>();
        libc::sigaction(number, std::ptr::null(), &raw mut action) == 0
            && action.sa_sigaction == libc::SIG_IGN
    }
}

/// Passes a signal on, unless the terminal has sent it to the whole foreground
/// group, the command included.
fn pass_on(pid: u32, number: i32) {
    let from_terminal = matches!(number, libc::SIGINT | libc::SIGQUIT)
        // SAFETY: isatty(3) only looks.
        && unsafe { libc::isatty(0) } == 1;
    if !from_terminal {
        // SAFETY: kill(2) with the pid of a child that has not been waited for
        // or, in the instant after, of nobody.
        unsafe { libc::kill(pid.cast_signed(), number) };
    }
}
