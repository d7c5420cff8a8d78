//! The configuration: what `procmon.yaml`, the environment and the flags say.
//!
//! One table of keys ([`keys`]) drives it all: reading, the names of variables,
//! `config print`, and the reference. Defaults give way to the file, the file
//! to the environment, the environment to flags. A [`Config`] does not change;
//! another one can be loaded, and compared with it.

mod change;
mod collect;
mod files;
mod history;
mod http;
mod keys;
mod load;
mod logging;
mod metrics;
mod mistake;
mod mqtt;
mod otlp;
pub mod otlp_page;
mod print;
mod profile;
mod profiles;
mod quantity;
mod read;
pub mod reference;
mod rules;
mod seeds;
mod select;
mod suggest;
mod tree;
mod value;
mod variables;

use std::ffi::OsString;

pub use self::http::{Http, HttpMetrics, NamingWord, Tls};
use crate::collector::Contract;
use crate::export::mqtt::FileSettings as MqttSettings;
use crate::export::otlp::FileSettings;
use crate::kernel::Sizes;
use crate::metrics::compat::Compat;
pub use change::Changes;
pub use files::{FileAge, FileSize, FilesKept, Limit, Output};
pub use history::{History, Memory, Samples};
pub use load::{Loaded, load};
pub use logging::{Level, Levels, Logging, modules};
pub use metrics::Metrics;
pub use mistake::{ConfigError, Mistake, Origin};
pub use print::print;
pub use profile::{PRESETS, Profile};
pub use profiles::{ProfileChoice, Profiles};
pub use quantity::{Auto, Budget, Interval, Period, Processes, RingBytes, time};
pub use rules::RuleList;
pub use select::{By, MaxSeries, Select, Sticky, Top};
pub use value::{FilePath, FolderPath};
pub use variables::meant_by;

/// Reads one variable of the environment.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// All that is configured.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Whether `run` collects anything.
    pub enabled: bool,
    /// Which profile.
    pub profile: Option<ProfileChoice>,
    /// More profiles.
    pub profiles: Profiles,
    /// What the chosen profile says; no key, but what comes of them.
    pub in_force: Profile,
    /// Time between two frames: the profile's, unless one was given.
    pub interval: Interval,
    /// Which metrics of processes are sent.
    pub metrics: Metrics,
    /// Whether the arguments of processes are sent.
    pub command_args: bool,
    /// Names of other monitors that are served beside ours.
    pub compat: Vec<Compat>,
    /// What procmon may take of one core.
    pub overhead_budget: Budget,
    /// How long it is looked at before it is judged.
    pub overhead_period: Period,
    /// Who of all processes is sent, and as what.
    pub select: Select,
    /// The kernel half.
    pub kernel: Kernel,
    /// What is served over HTTP.
    pub http: Http,
    /// Where to.
    pub export: Export,
    /// procmon's own words.
    pub logging: Logging,
    /// How much of the past is kept.
    pub history: History,
    /// A folder for what survives a restart.
    pub state_dir: Option<FolderPath>,
}

/// How much room the kernel half takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Kernel {
    /// Room for so many processes.
    pub max_processes: Auto<Processes>,
    /// Bytes of the ring buffer.
    pub events_buffer: Auto<RingBytes>,
}

/// Where views go.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Export {
    /// A collector.
    pub otlp: FileSettings,
    /// The text report.
    pub report: Output,
    /// JSON lines.
    pub jsonl: Output,
    /// A broker.
    pub mqtt: MqttSettings,
}

impl Default for Config {
    fn default() -> Self {
        let second = std::time::Duration::from_secs(1);
        Self {
            enabled: true,
            profile: None,
            profiles: Profiles::default(),
            in_force: Profile::default(),
            interval: Interval(second),
            metrics: Metrics::default(),
            command_args: false,
            compat: Vec::new(),
            overhead_budget: Budget(Some(0.02)),
            overhead_period: Period(Contract::default().period),
            select: Select::default(),
            kernel: Kernel {
                max_processes: Auto(None),
                events_buffer: Auto(None),
            },
            http: Http::default(),
            export: Export::default(),
            logging: Logging::default(),
            history: History::default(),
            state_dir: None,
        }
    }
}

impl Config {
    /// The sizes of the kernel half.
    pub fn sizes(&self) -> Sizes {
        Sizes {
            max_processes: self.kernel.max_processes.0.map(|processes| processes.0),
            events_buffer: self.kernel.events_buffer.0.map(|bytes| bytes.0),
        }
    }

    /// The overhead contract.
    pub fn contract(&self) -> Contract {
        Contract {
            budget: self.overhead_budget.0,
            period: self.overhead_period.0,
        }
    }
}

#[cfg(test)]
mod tests;
