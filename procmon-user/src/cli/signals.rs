//! What ends a command from outside.

use anyhow::{Context as _, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Exit status of a command that a second SIGINT ends: 128 + SIGINT.
const INTERRUPTED: i32 = 130;

/// SIGINT and SIGTERM.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Takes the signals over; inside a runtime.
    pub fn take() -> Result<Self> {
        let take = |kind| signal(kind).context("cannot take over a signal");
        Ok(Self {
            interrupt: take(SignalKind::interrupt())?,
            terminate: take(SignalKind::terminate())?,
        })
    }

    /// The number of the next signal.
    pub async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.interrupt.recv() => libc::SIGINT,
            _ = self.terminate.recv() => libc::SIGTERM,
        }
    }

    /// Ends the process at once when another SIGINT comes; does not return.
    pub async fn end_on_second(mut self) {
        self.interrupt.recv().await;
        std::process::exit(INTERRUPTED);
    }
}
