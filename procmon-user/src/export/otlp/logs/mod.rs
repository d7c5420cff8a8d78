//! Logs: events of processes and of procmon, and what procmon says of itself.
//!
//! [`events`] finds out what happened between two views, [`own`] keeps what
//! procmon says until it is sent. A record goes through a queue and a spool as
//! batches of metrics do.

mod events;
pub mod own;
mod record;

use opentelemetry_proto::tonic::logs::v1::{LogRecord, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;

use super::HostIdentity;
use super::encode::{Batch, SCHEMA_URL};
use super::envelope::{Envelope, Packer, scope};
use super::settings::Settings;
use crate::proc::clock::now_unix_ns;
use crate::shape::View;
use events::Happened;
use own::OwnLog;

/// The most records in one scope: a scope is never cut in two.
const RECORDS: usize = 200;

/// Makes batches of log records.
#[derive(Debug)]
pub struct LogEncoder {
    envelope: Envelope,
    happened: Happened,
    /// Events of processes are told, too.
    events: bool,
    own: Option<OwnLog>,
}

impl LogEncoder {
    /// An encoder of procmon's own events; of those of processes if `events`;
    /// and of what procmon says of itself, if that is to be had.
    pub fn new(
        settings: &Settings,
        host: &HostIdentity,
        started_unix_ns: u64,
        events: bool,
        own: Option<OwnLog>,
    ) -> Self {
        Self {
            envelope: Envelope::new(settings, host, started_unix_ns),
            happened: Happened::default(),
            events,
            own,
        }
    }

    /// What has happened since the view before, and what procmon has said, each
    /// batch as soon as it is complete.
    pub fn encode_each(&mut self, view: &View, take: impl FnMut(Batch)) {
        let mut runs = Runs::new(&self.envelope, take);
        self.add_own_words(&mut runs);
        for change in &view.frame.agent.changes {
            runs.add_own(record::of_probe(change, &view.frame));
        }
        if self.events {
            for event in self.happened.since_the_view_before(view) {
                let resource = self.envelope.of_process(event.sample);
                runs.add(resource, record::of_process(&event, &view.frame));
            }
        }
        runs.finish();
    }

    /// What procmon has said since it was last asked.
    pub fn encode_own_words(&self, take: impl FnMut(Batch)) {
        let mut runs = Runs::new(&self.envelope, take);
        self.add_own_words(&mut runs);
        runs.finish();
    }

    fn add_own_words(&self, runs: &mut Runs<'_, impl FnMut(Batch)>) {
        let Some(own) = &self.own else { return };
        let observed_unix_ns = now_unix_ns();
        let (said, lost) = own.take();
        let lost = (lost > 0).then(|| own::Said::lost(lost, observed_unix_ns));
        for said in said.into_iter().chain(lost) {
            runs.add_own(record::of_own(said, observed_unix_ns));
        }
    }
}

/// Packs records: those that follow each other share what is told of whose they
/// are.
struct Runs<'a, G> {
    envelope: &'a Envelope,
    packer: Packer<G>,
    resource: Resource,
    records: Vec<LogRecord>,
}

impl<'a, G: FnMut(Batch)> Runs<'a, G> {
    fn new(envelope: &'a Envelope, take: G) -> Self {
        Self {
            envelope,
            packer: envelope.packer(take),
            resource: Resource::default(),
            records: Vec::new(),
        }
    }

    /// Adds one of procmon itself.
    fn add_own(&mut self, record: LogRecord) {
        self.add(self.envelope.of_agent().clone(), record);
    }

    fn add(&mut self, resource: Resource, record: LogRecord) {
        if self.resource != resource || self.records.len() == RECORDS {
            self.complete();
            self.resource = resource;
        }
        self.records.push(record);
    }

    fn complete(&mut self) {
        let records = std::mem::take(&mut self.records);
        if records.is_empty() {
            return;
        }
        let items = records.len();
        let logs = ScopeLogs {
            scope: Some(scope()),
            log_records: records,
            schema_url: SCHEMA_URL.to_owned(),
        };
        self.packer.add(&self.resource, &logs, items);
    }

    fn finish(mut self) {
        self.complete();
        self.packer.finish();
    }
}

#[cfg(test)]
mod tests;
