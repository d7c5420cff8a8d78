//! What systemd is told, if it started procmon and asks: sd_notify(3).

use std::ops::ControlFlow;

use log::debug;
use sd_notify::NotifyState;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::agent::{self, Views};
use crate::heartbeat::Heartbeats;

/// Tells of readiness when the first frame is there, and of life for as long as
/// every loop shows that it lives.
#[derive(Debug)]
pub struct Systemd {
    watchdog: Option<JoinHandle<()>>,
}

impl Systemd {
    /// Begins, on the present runtime.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(views: &Views) -> anyhow::Result<Self> {
        if is_there() {
            agent::spawn(views, "systemd", (), |(), _| {
                tell(NotifyState::Ready);
                ControlFlow::Break(())
            })?;
        }
        Ok(Self::living_by(views.heartbeats()))
    }

    /// Ready to do nothing, as the configuration says.
    pub fn idle() -> Self {
        tell(NotifyState::Ready);
        Self::living_by(&Heartbeats::default())
    }

    fn living_by(heartbeats: &Heartbeats) -> Self {
        let limit = sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero());
        Self {
            watchdog: limit
                .filter(|_| is_there())
                .map(|limit| tokio::spawn(watch(limit / 2, heartbeats.clone()))),
        }
    }

    /// The end has begun.
    pub fn stopping(self) {
        tell(NotifyState::Stopping);
    }
}

impl Drop for Systemd {
    fn drop(&mut self) {
        if let Some(watchdog) = &self.watchdog {
            watchdog.abort();
        }
    }
}

/// Whether systemd asks.
fn is_there() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some()
}

/// Tells of life twice in the time that systemd waits.
async fn watch(period: std::time::Duration, heartbeats: Heartbeats) {
    let mut due = interval_at(Instant::now() + period, period);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        due.tick().await;
        if heartbeats.are_well() {
            tell(NotifyState::Watchdog);
        }
    }
}

fn tell(state: NotifyState<'_>) {
    if !is_there() {
        return;
    }
    if let Err(error) = sd_notify::notify(&[state]) {
        debug!("systemd cannot be told: {error}");
    }
}
