//! The group table of the catalogue: what groups have beside the sums of their
//! processes' additive metrics.

use super::Instrument::UpDownCounter;
use super::{GroupRead, Metric, Source, Switch, Value};

/// Every metric of a group that is no sum.
pub const GROUP: &[Metric<GroupRead>] = &[Metric::new(
    "procmon.group.members",
    UpDownCounter,
    "{process}",
    Source::Kernel,
    Switch::Always,
    "Live processes in the group.",
    |group, out| out.point(&[], Value::Int(group.members)),
)];
