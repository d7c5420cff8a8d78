//! What follows from two frames, rates and changes, and from many: history.

pub mod history;
pub mod rates;

pub use history::History;
pub use rates::{Derived, Rates};
