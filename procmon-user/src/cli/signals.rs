//! What ends a command from outside, and what has it read its configuration
//! again.

use anyhow::{Context as _, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::kernel;

/// Exit status of a command that a second SIGINT ends: 128 + SIGINT.
const INTERRUPTED: i32 = 130;

/// Ends the process without waiting for anything, the kernel included.
pub fn end_at_once(status: i32) -> ! {
    kernel::keep_links_until_we_are_gone();
    std::process::exit(status)
}

/// SIGHUP: the configuration is to be read again.
pub struct Hangups(Signal);

impl Hangups {
    /// Takes it over; inside a runtime.
    pub fn take() -> Result<Self> {
        take(SignalKind::hangup()).map(Self)
    }

    /// Waits for the next one; those that came meanwhile are one.
    pub async fn next(&mut self) {
        self.0.recv().await;
    }
}

fn take(kind: SignalKind) -> Result<Signal> {
    signal(kind).context("cannot take over a signal")
}

/// SIGINT and SIGTERM.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Takes the signals over; inside a runtime.
    pub fn take() -> Result<Self> {
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
        end_at_once(INTERRUPTED);
    }
}
