//! What can be changed while the collector's thread collects.

use std::sync::Arc;
use std::time::Duration;

use crate::collector::{Collect, Collector, Contract};
use crate::process::select::Rules;
use crate::shape::{self, Shaper};

/// How it is to go on.
#[derive(Debug)]
pub struct Change {
    /// Time between two frames.
    pub interval: Duration,
    /// What procmon may cost.
    pub contract: Contract,
    /// What is collected; programs that are not loaded stay so.
    pub collect: Collect,
    /// Who has series of his own.
    pub shape: shape::Settings,
    /// What processes are called; `None`: as before.
    pub rules: Option<Rules>,
    /// Whom to watch, where rules say that; `None`: as before.
    pub watched: Option<Arc<Rules>>,
}

impl Change {
    /// Changes all but the interval.
    pub fn apply(self, collector: &mut Collector, shaper: &mut Shaper) {
        collector.set_contract(self.contract);
        collector.set_collect(self.collect);
        if let Some(watched) = self.watched {
            collector.set_conditions(watched);
        }
        if let Some(rules) = self.rules {
            collector.set_rules(rules);
        }
        shaper.set(self.shape);
    }
}
