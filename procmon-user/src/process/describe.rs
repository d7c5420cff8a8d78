//! What tells a process from others, and describes it: its resource attributes,
//! whatever form they are written in.

use super::ProcessSample;
use super::identity::rfc3339;

/// The value of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word<'a> {
    /// A text.
    Text(&'a str),
    /// A whole number.
    Number(u32),
    /// Texts, one after the other.
    Texts(&'a [String]),
}

/// Calls `each` with what is known of a process, in the order of the contract:
/// OpenTelemetry's name of the attribute, and its value.
pub fn describe(sample: &ProcessSample, mut each: impl FnMut(&'static str, Word<'_>)) {
    let metadata = &sample.metadata;
    let matched = sample.matched.as_deref();
    each("process.pid", Word::Number(sample.id.pid));
    let created = rfc3339(sample.created_unix_ns);
    each("process.creation.time", Word::Text(&created));
    let mut text = |key, value: Option<&str>| {
        if let Some(value) = value {
            each(key, Word::Text(value));
        }
    };
    text("process.executable.name", executable(sample));
    text("process.command", metadata.command.as_deref());
    if !metadata.arguments.is_empty() {
        each("process.command_args", Word::Texts(&metadata.arguments));
    }
    let mut text = |key, value: Option<&str>| {
        if let Some(value) = value {
            each(key, Word::Text(value));
        }
    };
    text("process.owner", metadata.owner.as_deref());
    if let Some(user_id) = metadata.user_id {
        each("process.user.id", Word::Number(user_id));
    }
    let mut text = |key, value: Option<&str>| {
        if let Some(value) = value {
            each(key, Word::Text(value));
        }
    };
    text("container.id", metadata.container_id.as_deref());
    text("k8s.pod.uid", metadata.pod_uid.as_deref());
    text(
        "procmon.task.id",
        matched.and_then(|matched| matched.task_id.as_deref()),
    );
}

/// `service.name`: a rule's target, else the executable.
pub fn service_name(sample: &ProcessSample) -> &str {
    target(sample)
        .or(executable(sample))
        .unwrap_or("unknown_service")
}

/// What a rule calls it.
pub fn target(sample: &ProcessSample) -> Option<&str> {
    sample.matched.as_deref()?.target.as_deref()
}

fn executable(sample: &ProcessSample) -> Option<&str> {
    Some(sample.metadata.executable.as_str()).filter(|name| !name.is_empty())
}
