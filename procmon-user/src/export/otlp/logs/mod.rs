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
use super::envelope::{Envelope, part, scope};
use super::settings::Settings;
use crate::proc::clock::now_unix_ns;
use crate::shape::View;
use events::{Event, Happened};
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

/// Records of one resource, one after the other.
struct Run {
    resource: Resource,
    records: Vec<LogRecord>,
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

    /// What has happened since the view before, and what procmon has said.
    pub fn encode(&mut self, view: &View) -> Vec<Batch> {
        let mut runs = self.own_words();
        let changes = view.frame.agent.changes.iter();
        let changes = changes.map(|change| record::of_probe(change, &view.frame));
        self.add_own(&mut runs, changes.collect());
        if self.events {
            for event in self.happened.since_the_view_before(view) {
                self.add_event(&mut runs, &event, view);
            }
        }
        self.pack(runs)
    }

    /// What procmon has said since it was last asked.
    pub fn encode_own_words(&mut self) -> Vec<Batch> {
        let runs = self.own_words();
        self.pack(runs)
    }

    fn own_words(&self) -> Vec<Run> {
        let mut runs = Vec::new();
        if let Some(own) = &self.own {
            let observed_unix_ns = now_unix_ns();
            let (said, lost) = own.take();
            let mut records: Vec<_> = said
                .into_iter()
                .map(|said| record::of_own(said, observed_unix_ns))
                .collect();
            if lost > 0 {
                let lost = own::Said::lost(lost, observed_unix_ns);
                records.push(record::of_own(lost, observed_unix_ns));
            }
            self.add_own(&mut runs, records);
        }
        runs
    }

    fn add_own(&self, runs: &mut Vec<Run>, mut records: Vec<LogRecord>) {
        while !records.is_empty() {
            let rest = records.split_off(records.len().min(RECORDS));
            runs.push(Run {
                resource: self.envelope.of_agent().clone(),
                records: std::mem::replace(&mut records, rest),
            });
        }
    }

    /// Adds an event in its order; those of one process that follow each other
    /// share what is told of it.
    fn add_event(&self, runs: &mut Vec<Run>, event: &Event<'_>, view: &View) {
        let resource = self.envelope.of_process(event.sample);
        let record = record::of_process(event, &view.frame);
        match runs.last_mut() {
            Some(last) if last.resource == resource && last.records.len() < RECORDS => {
                last.records.push(record);
            }
            _ => runs.push(Run {
                resource,
                records: vec![record],
            }),
        }
    }

    fn pack(&self, runs: Vec<Run>) -> Vec<Batch> {
        let scopes = runs.into_iter().map(|Run { resource, records }| {
            let items = records.len();
            let logs = ScopeLogs {
                scope: Some(scope()),
                log_records: records,
                schema_url: SCHEMA_URL.to_owned(),
            };
            part(&resource, &logs, items)
        });
        self.envelope.pack(scopes)
    }
}

#[cfg(test)]
mod tests;
