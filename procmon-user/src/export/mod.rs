//! What passes a view on.

pub mod report;
pub mod sink;
