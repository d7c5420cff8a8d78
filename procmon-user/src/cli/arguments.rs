//! Options that more than one command has.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::config::environment;
use super::failure::Failure;
use crate::config::{self, FilePath, Interval, Loaded, MaxSeries, ProfileChoice, Top};
use crate::http::Listen;
use crate::kernel::Sizes;
use crate::shape::GroupBy;

/// How often, how long, and where to.
#[derive(Debug, Args)]
pub struct Common {
    /// Read this configuration file, YAML; flags and variables beat what it says
    ///
    /// `procmon config reference --format yaml` writes one to begin with.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Collect by this profile: its interval, its switches, its history
    ///
    /// standard, minimal, intensive, batch, realtime-api, daemon, development, production, one of
    /// `profiles` in the configuration, or auto.
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Time between two frames, 10ms to 24h [default: that of the profile, else 1s]
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
    /// Serve /metrics, /healthz and /readyz at this address, `off` for nowhere
    ///
    /// Without it `run` serves at 127.0.0.1:9464 if that is free, but for --count 1; exec does not
    /// serve.
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<Listen>,
    /// Let other machines ask, at a --listen address they reach
    #[arg(long)]
    pub allow_remote: bool,
    #[command(flatten)]
    folding: Folding,
}

/// What of all processes OTLP and /metrics tell.
#[derive(Debug, Args)]
pub struct Folding {
    /// OTLP and /metrics: series of their own for N processes only
    ///
    /// Those that are first by CPU, memory, growth, descriptors and I/O, in turn; chosen ones
    /// before all others. The rest is one resource, `other`. 0 is no limit. The report and JSON
    /// lines show every process.
    #[arg(long, value_name = "N")]
    top: Option<Top>,
    /// OTLP and /metrics: one resource a group of processes instead of one a process
    ///
    /// By executable, container, pod, unit, user, tree or rule. With --top those N processes
    /// have series beside their groups.
    #[arg(long, value_name = "KEY")]
    group_by: Option<GroupBy>,
    /// OTLP and /metrics: the most series of processes and groups, at least 100; the least
    /// important are folded
    #[arg(long, value_name = "N")]
    max_series: Option<MaxSeries>,
}

impl Folding {
    /// Lets these flags beat what is configured.
    fn apply(&self, loaded: &mut Loaded) {
        loaded.flag("select.top", self.top, |c, value| c.select.top = value);
        loaded.flag("select.group_by", self.group_by, |c, value| {
            c.select.group_by = Some(value);
        });
        loaded.flag("select.max_series", self.max_series, |c, value| {
            c.select.max_series = Some(value);
        });
    }
}

impl Common {
    /// What holds: defaults, file, environment and these flags, for a run that
    /// `ends` by itself or because of these.
    pub fn configure(&self, ends: bool) -> Result<Loaded, Failure> {
        let mut loaded = config::load(self.config.as_deref(), &environment)?;
        let file = |path: &Option<PathBuf>| path.clone().map(|path| Some(FilePath(path)));
        loaded.flag("interval", self.interval, |c, value| c.interval = value);
        loaded.flag("export.report.file", file(&self.report), |c, value| {
            c.export.report.file = value;
        });
        loaded.flag("export.jsonl.file", file(&self.jsonl), |c, value| {
            c.export.jsonl.file = value;
        });
        loaded.flag("http.listen", self.listen.clone(), |c, value| {
            c.http.listen = value;
        });
        let allow_remote = self.allow_remote.then_some(true);
        loaded.flag("http.allow_remote", allow_remote, |c, value| {
            c.http.allow_remote = value;
        });
        self.folding.apply(&mut loaded);
        let profile = self.profile.clone().map(ProfileChoice::Named);
        loaded.flag("profile", profile, |c, value| c.profile = Some(value));
        loaded.settle(ends || self.count.is_some() || self.duration.is_some())?;
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
