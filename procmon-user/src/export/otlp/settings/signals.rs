//! The settings of all signals.

use super::{FileSettings, Settings, SettingsError};
use crate::export::otlp::Signal;

/// Where each signal goes, if it does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signals {
    /// Numbers.
    pub metrics: Option<Settings>,
    /// Events, and procmon's own words.
    pub logs: Option<Settings>,
    /// Spans; only where some are asked for.
    pub traces: Option<Settings>,
}

impl Signals {
    /// Resolves the settings of all signals with the environment of this
    /// process.
    ///
    /// # Errors
    /// When one cannot be meant.
    pub fn from_environment(
        flag: Option<Option<&str>>,
        file: &FileSettings,
    ) -> Result<Self, SettingsError> {
        let of = |signal| Settings::from_environment(signal, flag, file);
        Ok(Self {
            metrics: of(Signal::Metrics)?,
            logs: of(Signal::Logs)?,
            traces: match file.traces.is_empty() {
                true => None,
                false => of(Signal::Traces)?,
            },
        })
    }

    /// Those that go anywhere.
    pub fn each(&self) -> impl Iterator<Item = &Settings> {
        let all = [&self.metrics, &self.logs, &self.traces];
        all.into_iter().flatten()
    }
}
