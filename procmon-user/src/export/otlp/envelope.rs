//! What stands around log records and spans: whose they are, in bodies of
//! bounded size.

use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;

use super::HostIdentity;
use super::encode::attributes::Attributes;
use super::encode::resource::{Resources, of_agent};
use super::encode::{Batch, Writer};
use super::settings::Settings;
use crate::process::ProcessSample;

/// Puts scopes under the resources of processes and of procmon itself. The
/// resource of a process is that of its metrics, whoever was folded.
#[derive(Debug)]
pub struct Envelope {
    resources: Resources,
    host: Resource,
    agent: Resource,
    limit: usize,
}

impl Envelope {
    /// What belongs to these settings; procmon itself runs since
    /// `started_unix_ns`.
    pub fn new(settings: &Settings, host: &HostIdentity, started_unix_ns: u64) -> Self {
        let mut agent = Attributes::default();
        for (key, value) in of_agent(settings, host, started_unix_ns) {
            agent.string(&key, Some(&value));
        }
        let resources = Resources::new(
            host.clone(),
            &settings.resource_attributes,
            settings.service_instance,
        );
        Self {
            host: resources.of_host(),
            resources,
            agent: Resource {
                attributes: agent.into_vec(),
                ..Resource::default()
            },
            limit: settings.batch_bytes,
        }
    }

    /// The resource of a process.
    pub fn of_process(&self, sample: &ProcessSample) -> Resource {
        let mut resource = self.resources.of(sample);
        resource.attributes.extend_from_slice(&self.host.attributes);
        resource
    }

    /// procmon's own resource.
    pub fn of_agent(&self) -> &Resource {
        &self.agent
    }

    /// Packs scopes with so many items each, in their order.
    pub fn pack(&self, scopes: impl Iterator<Item = (Vec<u8>, Vec<u8>, u64)>) -> Vec<Batch> {
        let mut writer = Writer::new(self.limit, Vec::new());
        for (resource, scope, items) in scopes {
            writer.write(&resource, &scope, items);
        }
        writer.finish().collect()
    }
}

/// The scope that all of it is in.
pub fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: "procmon".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    }
}

/// A resource and a scope as [`Envelope::pack`] takes them.
pub fn part(resource: &Resource, scope: &impl Message, items: usize) -> (Vec<u8>, Vec<u8>, u64) {
    (
        resource.encode_to_vec(),
        scope.encode_to_vec(),
        items as u64,
    )
}
