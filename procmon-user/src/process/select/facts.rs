//! What is known of the process that an expression is asked about.

use std::borrow::Cow;

use super::field::{NumberField, TextField};
use crate::process::{Metadata, ProcessId};

/// A process, as far as it is known at a tick or at its end.
pub struct Facts<'a> {
    /// Who it is.
    pub id: ProcessId,
    /// Its words.
    pub metadata: &'a Metadata,
    /// Time since its start, ns.
    pub age_ns: Option<u64>,
    /// Resident set, bytes.
    pub rss: Option<u64>,
    /// CPU use since the last tick, cores.
    pub cpu: Option<f64>,
    /// Its whole command line, read when it is asked for: it may hold secrets.
    pub args: &'a dyn Fn() -> Option<&'a str>,
}

impl<'a> Facts<'a> {
    /// The value of a field, if it is known.
    pub(super) fn text(&self, field: TextField) -> Option<Cow<'a, str>> {
        let metadata = self.metadata;
        let kept = match field {
            TextField::Executable => Some(&metadata.executable).filter(|name| !name.is_empty()),
            TextField::Command => metadata.command.as_ref(),
            TextField::Unit => metadata.unit.as_ref(),
            TextField::Cgroup => metadata.cgroup.as_ref(),
            TextField::Container => metadata.container_id.as_ref(),
            TextField::Path => return metadata.path.as_ref().map(|path| path.to_string_lossy()),
            TextField::Args => return (self.args)().map(Cow::Borrowed),
            TextField::User => {
                let id = || metadata.user_id.map(|id| Cow::Owned(id.to_string()));
                return metadata.owner.as_deref().map(Cow::Borrowed).or_else(id);
            }
        };
        kept.map(|text| Cow::Borrowed(text.as_str()))
    }

    /// The value of a field, in the unit its literals are read into.
    pub(super) fn number(&self, field: NumberField) -> Option<f64> {
        match field {
            NumberField::Age => self.age_ns.map(|ns| ns as f64 / 1e9),
            NumberField::Rss => self.rss.map(|bytes| bytes as f64),
            NumberField::Cpu => self.cpu,
            NumberField::Pid => Some(self.id.pid.into()),
            NumberField::Parent => self.metadata.parent_pid.map(f64::from),
        }
    }
}
