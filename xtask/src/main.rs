//! `cargo xtask`: procmon's build, run, test and benchmark commands.
//!
//! Each command finds or installs what it needs into `target/` and says so; none
//! of them changes the system, except that rustup adds what the toolchain lacks.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

mod arch;
mod bench;
mod build;
mod docs;
mod packages;
mod run;
mod shell;
mod target;
mod test;
mod tools;
mod vm;
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
    Build(build::Options),
    /// Build procmon, get privilege and watch processes
    Run(run::Options),
    /// Check the source and run every test, with what they need unpacked into target/
    Test(test::Options),
    /// Run the kernel half's tests, or a command, under other kernels in emulated machines
    Vmtest(vm::Options),
    /// Measure what watching costs, ratios side by side; needs root
    Bench(bench::Options),
    /// Write the documents that procmon generates, or check them
    Docs(docs::Options),
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
        Task::Build(options) => build::run(&options),
        Task::Run(options) => run::run(&options),
        Task::Test(options) => test::run(&options),
        Task::Vmtest(options) => vm::run(&options),
        Task::Bench(options) => bench::run(&options),
        Task::Docs(options) => docs::run(&options),
    }
}
