//! Consumers of views, each on a thread of its own: one that is slow loses its
//! own oldest views, which is counted, and delays nobody.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result, anyhow};
use log::warn;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::oneshot;

use super::Views;
use crate::shape::View;

/// How a consumer does.
#[derive(Clone, Debug)]
pub struct ConsumerHealth {
    /// `procmon.consumer`.
    pub name: &'static str,
    dropped: Arc<AtomicU64>,
}

impl ConsumerHealth {
    /// Views it was too slow for.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// A running consumer, which keeps a `T`.
pub struct Consumer<T> {
    kept: oneshot::Receiver<T>,
    health: ConsumerHealth,
}

impl<T> Consumer<T> {
    /// How it does.
    pub fn health(&self) -> ConsumerHealth {
        self.health.clone()
    }

    /// Waits until it has consumed the last view, and gives back what it keeps.
    pub async fn join(self) -> Result<T> {
        let name = self.health.name;
        self.kept
            .await
            .map_err(|_| anyhow!("the thread of {name} panicked"))
    }
}

/// Starts a consumer of all views from the next on, until the last one or until
/// it breaks off.
pub fn spawn<T: Send + 'static>(
    views: &Views,
    name: &'static str,
    mut keeps: T,
    mut consume: impl FnMut(&mut T, &Arc<View>) -> ControlFlow<()> + Send + 'static,
) -> Result<Consumer<T>> {
    let health = ConsumerHealth {
        name,
        dropped: Arc::default(),
    };
    let dropped = Arc::clone(&health.dropped);
    let mut views = views.subscribe();
    let (give, kept) = oneshot::channel();
    std::thread::Builder::new()
        .name(format!("procmon-{name}"))
        .spawn(move || {
            loop {
                match views.blocking_recv() {
                    Ok(view) => {
                        if consume(&mut keeps, &view).is_break() {
                            break;
                        }
                    }
                    Err(RecvError::Lagged(count)) => {
                        if dropped.fetch_add(count, Ordering::Relaxed) == 0 {
                            warn!("{name} is too slow: frames are lost");
                        }
                    }
                    Err(RecvError::Closed) => break,
                }
            }
            // Whoever waited for it may have lost patience.
            let _ = give.send(keeps);
        })
        .with_context(|| format!("cannot start the thread of {name}"))?;
    Ok(Consumer { kept, health })
}
