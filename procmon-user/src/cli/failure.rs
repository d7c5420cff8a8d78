//! How a command fails: what is said, and with which status.

use std::io::{self, Write as _};
use std::process::ExitCode;

use crate::collector::CollectError;
use crate::config::ConfigError;
use crate::export::otlp::{SettingsError, TransportError};
use crate::export::sink::SinkError;
use crate::http::BindError;

/// A failure and its exit status.
#[derive(Debug)]
pub enum Failure {
    /// Usage, or no such process: 2.
    Usage(String),
    /// Privilege or kernel support is missing: 3.
    Support(String),
    /// Anything else: 1.
    Internal(anyhow::Error),
    /// `exec` could not begin to run its command: 125, 126 or 127.
    Command(u8, String),
}

impl Failure {
    /// The exit status.
    pub fn status(&self) -> u8 {
        match self {
            Self::Internal(_) => 1,
            Self::Usage(_) => 2,
            Self::Support(_) => 3,
            Self::Command(status, _) => *status,
        }
    }

    /// The message.
    pub fn message(&self) -> String {
        match self {
            Self::Usage(message) | Self::Support(message) | Self::Command(_, message) => {
                message.clone()
            }
            Self::Internal(error) => format!("{error:#}"),
        }
    }

    /// Says it on stderr.
    pub fn report(&self) -> ExitCode {
        // A closed stderr is no reason to fail otherwise.
        let _ = writeln!(io::stderr(), "procmon: {}", self.message());
        ExitCode::from(self.status())
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Internal(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Internal(error.into())
    }
}

impl From<CollectError> for Failure {
    fn from(error: CollectError) -> Self {
        match error {
            CollectError::NoSuchProcess(message) => Self::Usage(message),
            CollectError::Kernel(error) => Self::Support(error.to_string()),
            CollectError::Proc(error) => Self::Internal(error.into()),
        }
    }
}

impl From<SinkError> for Failure {
    fn from(error: SinkError) -> Self {
        Self::Usage(format!("{:#}", anyhow::Error::new(error)))
    }
}

impl From<BindError> for Failure {
    fn from(error: BindError) -> Self {
        match error {
            BindError::Address { .. } => Self::Internal(error.into()),
            _ => Self::Usage(error.to_string()),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<TransportError> for Failure {
    fn from(error: TransportError) -> Self {
        Self::Usage(error.to_string())
    }
}
