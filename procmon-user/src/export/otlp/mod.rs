//! OTLP: the series of every process, events and lives, over gRPC or HTTP.
//!
//! `settings` says where to and how; `encode`, `logs` and `traces` make batches
//! of views, `queue` keeps them, on disk in `spool`, until `transport` has
//! delivered them; each [`Signal`] has a queue of its own. procmon's own health
//! and the host's totals go out by the SDK, see `telemetry`.

pub mod encode;
mod envelope;
mod exporters;
pub mod host;
pub mod logs;
pub mod queue;
pub mod settings;
mod signal;
pub mod spool;
#[cfg(test)]
pub(crate) mod testing;
pub mod traces;
pub mod transport;

use std::time::Duration;

pub use exporters::{LogExporter, OtlpExporter, OtlpHealth, SpanExporter};
pub use host::HostIdentity;
pub use logs::own::{OwnLog, Said};
pub use queue::Undelivered;
pub use settings::{FileSettings, Settings, SettingsError, Signals, Traced};
pub use signal::Signal;
pub use spool::SpoolSettings;
pub use transport::TransportError;

/// How long the last delivery may take.
pub const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(5);

/// For how many views logs and traces remember a process that is in none.
const KEPT_VIEWS: u64 = 60;

#[cfg(test)]
mod tests;
