//! How all exporters do, for whoever tells it.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::agent::ConsumerHealth;
use crate::export::otlp::OtlpHealth;
use crate::metrics::ExporterHealth;

/// The exporters there are; its clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Exporting(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    consumers: Mutex<Vec<ConsumerHealth>>,
    otlp: OnceLock<OtlpHealth>,
}

impl Exporting {
    /// One more.
    pub fn add(&self, consumer: ConsumerHealth) {
        let mut all = self
            .0
            .consumers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        all.push(consumer);
    }

    /// How the one does that has a queue.
    pub fn set_otlp(&self, health: OtlpHealth) {
        // There is one.
        let _ = self.0.otlp.set(health);
    }

    /// How they do now.
    pub fn get(&self) -> Vec<ExporterHealth> {
        let consumers = self
            .0
            .consumers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let health = |consumer: &ConsumerHealth| {
            let own = match (consumer.name, self.0.otlp.get()) {
                ("otlp", Some(otlp)) => otlp.get(),
                (name, _) => ExporterHealth {
                    exporter: name,
                    ..ExporterHealth::default()
                },
            };
            ExporterHealth {
                frames_dropped: consumer.dropped(),
                ..own
            }
        };
        consumers.iter().map(health).collect()
    }
}
