//! Consumers of views, each on a thread of its own: one that is slow loses its
//! own oldest views, which is counted, and delays nobody.

use std::ops::ControlFlow;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::oneshot;

use super::{ConsumerHealth, Views};
use crate::heap;
use crate::shape::View;

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
    let (mut views, health) = views.subscribe(name);
    let own = health.clone();
    let (give, kept) = oneshot::channel();
    std::thread::Builder::new()
        .name(format!("procmon-{name}"))
        .spawn(move || {
            loop {
                match views.blocking_recv() {
                    Ok(view) => {
                        own.received();
                        let flow = consume(&mut keeps, &view);
                        own.consumed();
                        // Whoever has it last frees it.
                        if let Some(view) = Arc::into_inner(view) {
                            drop(view);
                            heap::trim_if_much();
                        }
                        if flow.is_break() {
                            break;
                        }
                    }
                    Err(RecvError::Lagged(count)) => own.lost(count),
                    Err(RecvError::Closed) => break,
                }
            }
            own.end();
            // Whoever waited for it may have lost patience.
            let _ = give.send(keeps);
        })
        .with_context(|| format!("cannot start the thread of {name}"))?;
    Ok(Consumer { kept, health })
}
