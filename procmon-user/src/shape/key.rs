//! In which group a process belongs.

use std::borrow::Cow;
use std::sync::Arc;

use super::settings::GroupBy;
use crate::process::ProcessSample;

/// `procmon.group.name` of processes that have no container, pod, unit, owner
/// or rule.
const NONE: &str = "_NONE";

/// `procmon.group.name` of a process, by every key but the tree.
pub fn name(by: GroupBy, sample: &ProcessSample) -> Cow<'_, str> {
    let metadata = &sample.metadata;
    let name = match by {
        GroupBy::Executable => Some(&metadata.executable).filter(|name| !name.is_empty()),
        GroupBy::Container => metadata.container_id.as_ref(),
        GroupBy::Pod => metadata.pod_uid.as_ref(),
        GroupBy::Unit => metadata.unit.as_ref(),
        GroupBy::User => match (&metadata.owner, metadata.user_id) {
            (None, Some(uid)) => return uid.to_string().into(),
            (owner, _) => owner.as_ref(),
        },
        GroupBy::Rule => sample.matched.as_ref().map(|matched| &matched.name),
        GroupBy::Tree => None,
    };
    name.map_or(NONE, String::as_str).into()
}

/// Whether a process is in the group it was in, whatever its words are.
pub fn stays(by: GroupBy, before: &ProcessSample, now: &ProcessSample) -> bool {
    match by {
        GroupBy::Tree => true,
        GroupBy::Rule => match (&before.matched, &now.matched) {
            (Some(before), Some(now)) => Arc::ptr_eq(before, now),
            (before, now) => before.is_none() && now.is_none(),
        },
        _ => Arc::ptr_eq(&before.metadata, &now.metadata),
    }
}
