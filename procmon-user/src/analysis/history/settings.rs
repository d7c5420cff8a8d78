//! How much of the past is kept.

/// How much of the past is kept, and in how much memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whether it is kept; `None`: where an output shows what it adds up to.
    pub retain: Option<bool>,
    /// The samples of each process, group and the host, at least
    /// [`LEAST_DEPTH`].
    pub size: u32,
    /// The bytes that all of them may take; more than that lets each have fewer
    /// samples.
    pub max_memory: u64,
}

/// The fewest samples a history is worth keeping for: between two, something
/// changes.
pub const LEAST_DEPTH: u32 = 2;

impl Default for Settings {
    fn default() -> Self {
        Self {
            retain: None,
            size: 100,
            max_memory: 16 << 20,
        }
    }
}
