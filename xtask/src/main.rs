//! `cargo xtask`: procmon's build, run, test and benchmark commands.
//!
//! Each command finds or installs what it needs into `target/` and says so; none
//! of them changes the system, except that a missing rustup component is added.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

mod build;
mod run;
mod shell;
mod tools;
mod workspace;

/// Builds, runs, tests and measures procmon
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    disable_version_flag = true
)]
struct Cli {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build procmon (release) with its kernel programs, installing what the build needs
    Build,
    /// Build procmon, get privilege and watch processes
    Run(run::Options),
}

fn main() -> ExitCode {
    match dispatch(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(task: Task) -> Result<ExitCode> {
    match task {
        Task::Build => {
            let binary = build::procmon()?;
            shell::say(&format!("built {}", binary.display()));
            Ok(ExitCode::SUCCESS)
        }
        Task::Run(options) => run::run(&options),
    }
}
