//! `procmon snapshot`: processes once, from /proc.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::ValueEnum;

use super::failure::Failure;
use crate::collector::{Collector, Contract, Missed, Selection};
use crate::export::jsonl::ProcessObject;
use crate::export::report::printable;
use crate::frame::Frame;
use crate::metrics::ProcessReading;
use crate::process::ProcessSample;

/// Show processes once, from /proc
///
/// Needs no privilege; what may not be read of others' processes is left out.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// This process; may be given more than once. All of them otherwise
    #[arg(long, value_name = "PID")]
    pid: Vec<u32>,
    /// How to show them
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// A line each.
    Table,
    /// An array of objects as `--jsonl` writes them.
    Json,
}

/// Runs the command.
pub fn snapshot(args: &Args) -> Result<ExitCode, Failure> {
    let selection = if args.pid.is_empty() {
        Selection::All {
            kernel_threads: false,
        }
    } else {
        Selection::Processes {
            pids: args.pid.clone(),
            children: false,
        }
    };
    let frame = Collector::open(selection, None, Contract::default())?.tick(Missed::default())?;
    let text = match args.format {
        Format::Table => table(&frame),
        Format::Json => json(&frame)?,
    };
    super::stdout(text.trim_end())
}

fn json(frame: &Frame) -> Result<String, Failure> {
    let objects: Vec<ProcessObject<'_>> = frame
        .processes
        .iter()
        .map(|sample| {
            ProcessObject::new(ProcessReading {
                sample,
                derived: None,
                at_unix_ns: frame.at_unix_ns,
            })
        })
        .collect();
    Ok(serde_json::to_string_pretty(&objects).context("cannot write JSON")?)
}

fn table(frame: &Frame) -> String {
    let mut text = format!(
        "{:>7} {:<10} {:>10} {:>10} {:>9} {:>5} {:>6} {:>10}  {}\n",
        "PID", "USER", "RSS MB", "VIRT MB", "CPU s", "THR", "FDS", "UPTIME s", "EXECUTABLE"
    );
    for sample in &frame.processes {
        let _ = writeln!(text, "{}", line(sample));
    }
    text
}

fn line(sample: &ProcessSample) -> String {
    let totals = &sample.totals;
    let number = |value: Option<u64>| value.map_or("-".to_owned(), |value| value.to_string());
    let megabytes = |value: Option<u64>| {
        value.map_or("-".to_owned(), |bytes| {
            format!("{:.2}", bytes as f64 / f64::from(1 << 20))
        })
    };
    let seconds =
        |value: Option<u64>| value.map_or("-".to_owned(), |ns| format!("{:.2}", ns as f64 / 1e9));
    let cpu = totals
        .user_ns
        .zip(totals.system_ns)
        .map(|(user, system)| user + system);
    let metadata = &sample.metadata;
    let user = metadata
        .owner
        .clone()
        .or_else(|| metadata.user_id.map(|uid| uid.to_string()))
        .unwrap_or_else(|| "-".to_owned());
    format!(
        "{:>7} {:<10} {:>10} {:>10} {:>9} {:>5} {:>6} {:>10}  {}",
        sample.id.pid,
        user,
        megabytes(totals.rss),
        megabytes(totals.virtual_memory),
        seconds(cpu),
        number(totals.threads),
        number(totals.descriptors),
        seconds(totals.uptime_ns),
        printable(&metadata.executable),
    )
}
