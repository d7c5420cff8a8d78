//! `procmon-bench`: what watching costs, side by side with what it costs not
//! to be watched. `cargo xtask bench` builds and runs it; it needs root.
//!
//! Every row is one limit. Rounds without and with procmon alternate, and each
//! value is the median over the rounds, because no machine is quiet. Exit
//! status 1 when a limit does not hold.

mod affinity;
mod agent;
mod alone;
mod calls;
mod collector;
mod document;
mod floor;
mod grid;
mod host;
mod interrupt;
mod pages;
mod peers;
mod profiles;
mod roads;
mod stats;
mod switches;
mod table;
mod usage;
mod watched;
mod worker;

use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::Parser;

use crate::{table::Table, worker::Role};

/// What watching costs.
#[derive(Parser)]
struct Options {
    /// Few and short rounds: shows that every row can be measured, not the limits
    #[arg(long)]
    quick: bool,
    /// Whole hosts, beside what others use there, and what the watched work feels
    #[arg(long)]
    peers: bool,
    /// Print the section of docs/benchmarks.md, not only its tables
    #[arg(long)]
    document: bool,
    /// Only these sections: switches, calls, agent, host, pages, profiles, roads; with --peers: scale, work
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Be one of the benchmark's own workers
    #[arg(long, hide = true)]
    role: Option<Role>,
}

/// How much is measured.
#[derive(Clone, Copy)]
struct Effort {
    quick: bool,
}

impl Effort {
    /// `full`, or `quick` when there is no hurry to be exact.
    fn pick<T>(self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }
}

type Section = fn(Effort, &mut Table) -> Result<()>;

const SECTIONS: [(&str, Section); 7] = [
    ("switches", switches::measure),
    ("calls", calls::measure),
    ("agent", agent::measure),
    ("host", host::measure),
    ("pages", pages::measure),
    ("profiles", profiles::measure),
    ("roads", roads::measure),
];

fn main() -> Result<ExitCode> {
    if let Some(status) = procmon::proc::statvfs::serve_if_asked() {
        return Ok(status);
    }
    let options = Options::parse();
    if let Some(role) = options.role {
        worker::run(role)?;
        return Ok(ExitCode::SUCCESS);
    }
    // SAFETY: geteuid(2) cannot fail.
    let user = unsafe { libc::geteuid() };
    ensure!(
        user == 0,
        "procmon-bench loads kernel programs: run it as root"
    );
    let effort = Effort {
        quick: options.quick,
    };
    let (page, holds) = match options.peers {
        true => peers(&options, effort)?,
        false => watching(&options, effort)?,
    };
    if alone::was_disturbed() {
        eprintln!("procmon-bench: another tracer was attached: the numbers say little");
    }
    print!("{page}");
    Ok(match holds {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// What is printed, and whether the limits hold.
fn peers(options: &Options, effort: Effort) -> Result<(String, bool)> {
    let report = peers::measure(effort, &options.only)?;
    let page = match options.document {
        true => report.document(),
        false => report.tables(),
    };
    Ok((page, report.limits.holds()))
}

/// [`peers`], of procmon and nobody else.
fn watching(options: &Options, effort: Effort) -> Result<(String, bool)> {
    let mut table = Table::default();
    for (name, section) in SECTIONS {
        if options.only.is_empty() || options.only.iter().any(|only| only == name) {
            eprintln!("procmon-bench: {name}");
            section(effort, &mut table)?;
        }
    }
    let page = match options.document {
        true => document::section(&table),
        false => table.to_string(),
    };
    Ok((page, table.holds()))
}
