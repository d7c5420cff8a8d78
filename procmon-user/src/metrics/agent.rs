//! The agent table of the catalogue: how procmon itself does.

use super::{AgentRead, Metric};

/// Every metric of procmon itself, in the order of the contract.
pub const AGENT: &[Metric<AgentRead>] = &[];
