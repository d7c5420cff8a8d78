//! What passes a view on.

pub mod jsonl;
pub mod report;
pub mod sink;
pub mod summary;
