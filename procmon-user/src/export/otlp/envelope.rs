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

    /// Packs scopes, and gives each batch away as soon as it is whole.
    pub fn packer<G: FnMut(Batch)>(&self, give: G) -> Packer<G> {
        Packer {
            writer: Writer::new(self.limit, Vec::new()),
            give,
        }
    }
}

/// Packs scopes in their order.
#[derive(Debug)]
pub struct Packer<G> {
    writer: Writer,
    give: G,
}

impl<G: FnMut(Batch)> Packer<G> {
    /// Adds a scope with so many items under this resource.
    pub fn add(&mut self, resource: &Resource, scope: &impl Message, items: usize) {
        let (resource, scope) = (resource.encode_to_vec(), scope.encode_to_vec());
        self.writer.write(&resource, &scope, items as u64);
        self.writer.take_complete().for_each(&mut self.give);
    }

    /// Gives away what is left.
    pub fn finish(mut self) {
        self.writer.finish().for_each(self.give);
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
