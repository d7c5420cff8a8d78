//! What passes a view on.

pub mod sink;
