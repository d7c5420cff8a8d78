//! The host table of the catalogue.

use super::{HostRead, Metric};

/// Every metric of the host, in the order of the contract.
pub const HOST: &[Metric<HostRead>] = &[];
