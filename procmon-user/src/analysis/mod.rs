//! What follows from two frames: rates and changes.

pub mod rates;

pub use rates::{Derived, Rates};
