//! `procmon metrics`: every metric procmon exports.

use std::process::ExitCode;

use clap::ValueEnum;

use super::failure::Failure;
use crate::metrics::docs;

/// List every metric procmon exports
///
/// From the table that the exporters themselves loop over; docs/metrics.md is its output.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How to write it
    #[arg(long, value_enum, default_value = "md")]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// Markdown.
    Md,
    /// JSON.
    Json,
}

/// Runs the command.
pub fn metrics(args: &Args) -> Result<ExitCode, Failure> {
    let text = match args.format {
        Format::Md => docs::markdown(),
        Format::Json => docs::json(),
    };
    super::stdout(text.trim_end())
}
