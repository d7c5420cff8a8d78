//! How all exporters do, for whoever tells it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::agent::ConsumerHealth;
use crate::metrics::ExporterHealth;

/// The exporters there are; its clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Exporting(Arc<Mutex<Vec<Exporter>>>);

struct Exporter {
    /// What it consumes; `None`: another one counts that.
    consumer: Option<ConsumerHealth>,
    /// What it tells itself.
    own: Box<dyn Fn() -> ExporterHealth + Send>,
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.consumer.fmt(f)
    }
}

impl Exporting {
    /// One more, of which no more is known than what it consumes.
    pub fn add(&self, consumer: ConsumerHealth) {
        let exporter = consumer.name;
        self.add_with(consumer, move || ExporterHealth {
            exporter,
            ..ExporterHealth::default()
        });
    }

    /// One more, which tells how it does itself.
    pub fn add_with(
        &self,
        consumer: ConsumerHealth,
        own: impl Fn() -> ExporterHealth + Send + 'static,
    ) {
        self.push(Some(consumer), Box::new(own));
    }

    /// One more, which has its views from one that is there already.
    pub fn add_beside(&self, own: impl Fn() -> ExporterHealth + Send + 'static) {
        self.push(None, Box::new(own));
    }

    fn push(&self, consumer: Option<ConsumerHealth>, own: Box<dyn Fn() -> ExporterHealth + Send>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(Exporter { consumer, own });
    }

    /// How they do now.
    pub fn get(&self) -> Vec<ExporterHealth> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let health = |exporter: &Exporter| ExporterHealth {
            frames_dropped: exporter
                .consumer
                .as_ref()
                .map_or(0, ConsumerHealth::dropped),
            ..(exporter.own)()
        };
        all.iter().map(health).collect()
    }
}
