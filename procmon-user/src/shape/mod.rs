//! What the consumers get.

use std::sync::Arc;

use crate::analysis::Derived;
use crate::frame::Frame;
use crate::process::ProcessSample;

/// One frame and what follows from it, as every consumer sees it.
#[derive(Debug)]
pub struct View {
    /// The raw totals.
    pub frame: Arc<Frame>,
    /// What follows, in the order of `frame.processes`.
    pub derived: Vec<Derived>,
}

impl View {
    /// Live processes with what follows for them.
    pub fn processes(&self) -> impl Iterator<Item = (&ProcessSample, &Derived)> {
        self.frame.processes.iter().zip(&self.derived)
    }
}
