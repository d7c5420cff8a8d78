//! The resource of a process.

use opentelemetry_proto::tonic::resource::v1::Resource;
use uuid::Uuid;

use super::attributes::Attributes;
use crate::export::otlp::host::HostIdentity;
use crate::export::otlp::settings::Settings;
use crate::process::ProcessSample;
use crate::process::describe::{Word, describe, service_name, target};
use crate::process::identity::rfc3339;

/// The namespace that OpenTelemetry names for `service.instance.id`s which are
/// UUIDs of version 5.
pub const NAMESPACE: Uuid = Uuid::from_u128(0x4d63009a_8d0f_11ee_aad7_4c796ed8e320);

/// What the resources of all processes share.
#[derive(Clone, Debug)]
pub struct Resources {
    host: HostIdentity,
    extra: Vec<(String, String)>,
    service_instance: bool,
}

impl Resources {
    /// `extra` are attributes of the environment: they never take the place of
    /// what is said of a process, a host or a service.
    pub fn new(host: HostIdentity, extra: &[(String, String)], service_instance: bool) -> Self {
        Self {
            host,
            extra: extra
                .iter()
                .filter(|(key, _)| !is_ours(key))
                .cloned()
                .collect(),
            service_instance,
        }
    }

    /// What the resources of all processes and groups have: who the host is.
    /// It comes after what is theirs alone.
    pub fn of_host(&self) -> Resource {
        let mut attributes = Attributes::default();
        attributes.string("host.name", self.host.name.as_deref());
        attributes.string("host.id", self.host.id.as_deref());
        let arch = Some(self.host.arch).filter(|arch| !arch.is_empty());
        attributes.string("host.arch", arch);
        attributes.string("os.type", Some("linux"));
        Resource {
            attributes: attributes.into_vec(),
            ..Resource::default()
        }
    }

    /// The resource of a process, without its host.
    pub fn of(&self, sample: &ProcessSample) -> Resource {
        let mut attributes = Attributes::with_capacity(16 + self.extra.len());
        describe(sample, |key, word| match word {
            Word::Text(text) => attributes.string(key, Some(text)),
            Word::Number(number) => attributes.int(key, Some(number.into())),
            Word::Texts(texts) => attributes.strings(key, texts),
        });
        if self.service_instance {
            let created = rfc3339(sample.created_unix_ns);
            let instance = instance_id(&self.host, sample.id.pid, &created);
            attributes.string("service.name", Some(service_name(sample)));
            attributes.string("service.instance.id", Some(&instance));
        } else {
            attributes.string("service.name", target(sample));
        }
        let matched = sample.matched.as_deref();
        let ruled = matched.map_or(&[][..], |matched| &matched.attributes);
        self.complete(attributes, ruled)
    }

    /// The resource of a group of processes, without its host: `by` and `name`
    /// tell it.
    pub fn of_group(&self, by: &str, name: &str) -> Resource {
        let mut attributes = Attributes::with_capacity(8 + self.extra.len());
        attributes.string("procmon.group.by", Some(by));
        attributes.string("procmon.group.name", Some(name));
        if self.service_instance {
            let instance = uuid(&self.host, &format!("{by},{name}"));
            attributes.string("service.name", Some(name));
            attributes.string("service.instance.id", Some(&instance));
        }
        self.complete(attributes, &[])
    }

    /// Adds what a rule and what the environment say. No key is there twice.
    fn complete(&self, mut attributes: Attributes, ruled: &[(String, String)]) -> Resource {
        for (key, value) in ruled {
            attributes.string(key, Some(value));
        }
        let said = |key: &str| ruled.iter().any(|(ruled, _)| ruled == key);
        for (key, value) in self.extra.iter().filter(|(key, _)| !said(key)) {
            attributes.string(key, Some(value));
        }
        Resource {
            attributes: attributes.into_vec(),
            ..Resource::default()
        }
    }
}

/// What tells procmon itself, since `started_unix_ns`: key and value. The
/// environment may name the service and add to it; the host is what it is.
pub fn of_agent(
    settings: &Settings,
    host: &HostIdentity,
    started_unix_ns: u64,
) -> Vec<(String, String)> {
    let given = &settings.resource_attributes;
    let is_given = |key: &str| given.iter().any(|(given, _)| given == key);
    let mut attributes: Vec<(String, String)> = given
        .iter()
        .filter(|(key, _)| !key.starts_with("host.") && key != "os.type")
        .cloned()
        .collect();
    let mut add = |key: &str, value: &str| attributes.push((key.to_owned(), value.to_owned()));
    match &settings.service_name {
        Some(name) => add("service.name", name),
        None if is_given("service.name") => {}
        None => add("service.name", "procmon"),
    }
    if !is_given("service.version") {
        add("service.version", env!("CARGO_PKG_VERSION"));
    }
    if !is_given("service.instance.id") {
        let created = rfc3339(started_unix_ns);
        let instance = instance_id(host, std::process::id(), &created);
        add("service.instance.id", &instance);
    }
    for (key, value) in [("host.name", &host.name), ("host.id", &host.id)] {
        if let Some(value) = value {
            add(key, value);
        }
    }
    add("host.arch", host.arch);
    add("os.type", "linux");
    attributes
}

/// `service.instance.id` of a process: the same from every procmon, now and
/// after a restart.
pub fn instance_id(host: &HostIdentity, pid: u32, created: &str) -> String {
    uuid(host, &format!("{pid},{created}"))
}

/// The same for whatever is told apart on a host by this text.
fn uuid(host: &HostIdentity, text: &str) -> String {
    let host = host.id.as_deref().or(host.name.as_deref());
    let name = format!("{},{text}", host.unwrap_or_default());
    Uuid::new_v5(&NAMESPACE, name.as_bytes()).to_string()
}

/// Whether only procmon may say it of a process.
fn is_ours(key: &str) -> bool {
    key.starts_with("process.")
        || key.starts_with("procmon.group.")
        || matches!(
            key,
            "container.id"
                | "k8s.pod.uid"
                | "procmon.task.id"
                | "host.name"
                | "host.id"
                | "host.arch"
                | "os.type"
                | "service.name"
                | "service.instance.id"
        )
}

#[cfg(test)]
mod tests;
