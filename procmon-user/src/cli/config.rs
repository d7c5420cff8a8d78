//! `procmon config`: look at a configuration.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use log::warn;

use super::estimate;
use super::failure::Failure;
use crate::config::{self, otlp_page, reference};

/// Look at a configuration
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say all that is wrong with a file; status 2 if anything is
    Check {
        /// The file
        file: PathBuf,
        /// Say how many series and points a minute OTLP sends of this host with it
        ///
        /// Looks at this host for a second, as `run` would: as root with the kernel programs.
        #[arg(long)]
        estimate: bool,
    },
    /// Show what holds in the end, as YAML, and where each value came from
    ///
    /// Defaults, the file and the environment; flags of run and exec would beat them.
    Print {
        /// The file
        file: Option<PathBuf>,
    },
    /// Describe every key
    Reference {
        /// How to write it
        #[arg(long, value_enum, default_value = "md")]
        format: Format,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// Markdown: docs/configuration.md
    Md,
    /// A file to begin with: deploy/procmon.yaml
    Yaml,
    /// A JSON Schema: docs/configuration.schema.json
    Schema,
    /// How OTLP is spoken, and its variables: docs/otlp.md
    Otlp,
}

/// Runs the command.
pub fn config(args: &Args) -> Result<ExitCode, Failure> {
    let text = match &args.command {
        Command::Check { file, estimate } => {
            // The file alone: what this shell's variables say is not in it.
            let loaded = config::load(Some(file), &|_| None)?;
            let mut text = format!("{}: ok\n", file.display());
            if *estimate {
                text += &estimate::estimate(&loaded.config)?;
            }
            text
        }
        Command::Print { file } => {
            warn_of_misspelt_variables();
            let loaded = config::load(file.as_deref(), &environment)?;
            config::print(&loaded, &environment)
        }
        Command::Reference { format } => match format {
            Format::Md => reference::markdown(),
            Format::Yaml => reference::yaml(),
            Format::Schema => reference::schema(),
            Format::Otlp => otlp_page::markdown(),
        },
    };
    super::stdout(text.trim_end())
}

/// The environment of this process.
pub fn environment(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name)
}

/// Warns of variables that are like procmon's and are not: nothing comes of them.
pub fn warn_of_misspelt_variables() {
    for (name, _) in std::env::vars_os() {
        if let Some(name) = name.to_str()
            && let Some(meant) = config::meant_by(name)
        {
            warn!("{name}: no variable of procmon's: did you mean {meant}?");
        }
    }
}
