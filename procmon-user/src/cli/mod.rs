//! The command line: one file a command.

mod arguments;
mod command;
mod config;
mod doctor;
mod estimate;
mod exec;
mod exporting;
mod failure;
mod logging;
mod metrics;
mod otlp;
mod outputs;
mod privileges;
mod reload;
mod run;
mod selecting;
mod serving;
mod signals;
mod snapshot;
mod systemd;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::heap;
use failure::Failure;
use logging::Logs;

/// Tells for every process on a Linux host what it takes from the machine.
#[derive(Debug, Parser)]
#[command(name = "procmon", version, about, long_about = LONG, after_help = AFTER)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const LONG: &str = "\
Tells for every process on a Linux host what it takes from the machine (memory, CPU,
descriptors, disk), how that changes and why. It counts in the kernel, so that nothing is
missed and the host does not feel it, reports on the terminal, and exports OTLP.";

const AFTER: &str = "\
Exit status: 0 done; 1 internal error; 2 usage, or no such process; 3 privilege or kernel
support is missing (the message says what to do). `procmon exec` ends as its command does.

Environment: OTEL_EXPORTER_OTLP_* as OpenTelemetry specifies; PROCMON_<KEY> for every key of the
configuration (`procmon config reference`); PROCMON_LOG=debug for more words.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Watch processes: report, write JSON lines, export OTLP
    Run(run::Args),
    /// Run a command, count all that it and its children do, and sum it up
    Exec(exec::Args),
    /// Show processes once, from /proc
    Snapshot(snapshot::Args),
    /// Say which probes work here, and why others do not
    Doctor(doctor::Args),
    /// List every metric procmon exports
    Metrics(metrics::Args),
    /// Check a configuration file, show what holds, describe every key
    Config(config::Args),
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    heap::settle();
    let cli = Cli::parse();
    let logs = Logs::start();
    let result = match cli.command {
        Command::Run(args) => run::run(args, &logs),
        Command::Exec(args) => exec::exec(args, &logs),
        Command::Snapshot(args) => snapshot::snapshot(&args),
        Command::Doctor(args) => doctor::doctor(&args),
        Command::Metrics(args) => metrics::metrics(&args),
        Command::Config(args) => config::config(&args),
    };
    result.unwrap_or_else(|failure| failure.report())
}

/// Prints what a command has to show. A closed pipe is a reader who has seen
/// enough.
fn stdout(text: &str) -> Result<ExitCode, Failure> {
    match writeln!(io::stdout().lock(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}
