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
        if std::env::var_os("NOTIFY_SOCKET").is_none() {
            return Ok(Self { watchdog: None });
        }
        agent::spawn(views, "systemd", (), |(), _| {
            tell(NotifyState::Ready);
            ControlFlow::Break(())
        })?;
        let heartbeats = views.heartbeats().clone();
        let watchdog = sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero());
        let watchdog = watchdog.map(|limit| tokio::spawn(watch(limit / 2, heartbeats)));
        Ok(Self { watchdog })
    }

    /// The end has begun.
    pub fn stopping(self) {
        if let Some(watchdog) = self.watchdog {
            watchdog.abort();
        }
        if std::env::var_os("NOTIFY_SOCKET").is_some() {
            tell(NotifyState::Stopping);
        }
    }
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
    if let Err(error) = sd_notify::notify(&[state]) {
        debug!("systemd cannot be told: {error}");
    }
}
