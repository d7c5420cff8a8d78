//! Options that more than one command has.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::config::environment;
use super::failure::Failure;
use crate::config::{self, FilePath, Interval, Loaded};
use crate::kernel::Sizes;

/// How often, how long, and where to.
#[derive(Debug, Args)]
pub struct Common {
    /// Read this configuration file, YAML; flags and variables beat what it says
    ///
    /// `procmon config reference --format yaml` writes one to begin with.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Time between two frames, 10ms to 24h [default: 1s]
    #[arg(long, value_name = "TIME")]
    pub interval: Option<Interval>,
    /// End after this time; with exec, write no frames after it
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,
    /// End after this many frames, the first at once; with exec, write no more than these
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Do without kernel programs: read /proc only
    #[arg(long)]
    pub no_ebpf: bool,
    /// Export OTLP to this endpoint
    ///
    /// Means what OTEL_EXPORTER_OTLP_ENDPOINT means. gRPC, or HTTP/protobuf for port 4318;
    /// OTEL_EXPORTER_OTLP_PROTOCOL says otherwise. Without a value: http://127.0.0.1:4317.
    #[arg(long, value_name = "URL", num_args = 0..=1, require_equals = false)]
    pub otlp: Option<Option<String>>,
    /// Write the text report to this file, - for stdout (not with exec)
    ///
    /// Without it the report goes to stdout when nothing else was asked for, or when stdout is
    /// a terminal.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Write one JSON object a process and frame to this file, - for stdout (not with exec)
    #[arg(long, value_name = "FILE")]
    pub jsonl: Option<PathBuf>,
}

impl Common {
    /// What holds: defaults, file, environment and these flags.
    pub fn configure(&self) -> Result<Loaded, Failure> {
        let mut loaded = config::load(self.config.as_deref(), &environment)?;
        let file = |path: &Option<PathBuf>| path.clone().map(|path| Some(FilePath(path)));
        loaded.flag("interval", self.interval, |c, value| c.interval = value);
        loaded.flag("export.report.file", file(&self.report), |c, value| {
            c.export.report.file = value;
        });
        loaded.flag("export.jsonl.file", file(&self.jsonl), |c, value| {
            c.export.jsonl.file = value;
        });
        Ok(loaded)
    }

    /// The sizes of the kernel half; `None` without it.
    pub fn kernel(&self, loaded: &Loaded) -> Option<Sizes> {
        (!self.no_ebpf).then(|| loaded.config.sizes())
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let duration = config::time(text)?;
    if duration.is_zero() {
        return Err("a duration is more than 0".to_owned());
    }
    Ok(duration)
}
