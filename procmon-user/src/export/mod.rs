//! The consumers that pass views on.

pub mod otlp;
