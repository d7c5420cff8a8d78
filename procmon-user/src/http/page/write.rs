//! Writing a page: a loop over the catalogue that can be left and taken up again.

use std::sync::Arc;
use std::time::Duration;

use super::catalogue::{Catalogue, Source, is_kept};
use super::family::{Family, Lines};
use super::{Format, labels, text};
use crate::export::otlp::HostIdentity;
use crate::export::otlp::encode::resource::instance_id;
use crate::http::latest::Latest;
use crate::metrics::client::CLIENT;
use crate::metrics::{
    AgentReading, ExporterHealth, Metric, Points as _, ProcessRead, ProcessReading, Value, process,
    prometheus,
};
use crate::process::describe::{describe, service_name};
use crate::process::identity::rfc3339;
use crate::process::{Basics, ProcessSample};

/// A page that is being written.
#[derive(Debug)]
pub struct Page {
    catalogue: Arc<Catalogue>,
    latest: Arc<Latest>,
    own: Own,
    /// The family that is written.
    at: usize,
    progress: Progress,
    ended: bool,
}

/// How far a family is written.
#[derive(Debug, Default)]
struct Progress {
    headed: bool,
    /// Of its processes, which comes next.
    next: usize,
}

/// What a page tells of procmon itself, as it is when it is asked for.
#[derive(Clone, Debug, Default)]
pub struct Own {
    /// How the exporters do.
    pub exporters: Vec<ExporterHealth>,
    /// Since when each loop has not shown that it lives.
    pub loops: Vec<(&'static str, Duration)>,
    /// Who the host is.
    pub host: Arc<HostIdentity>,
}

impl Page {
    /// A page of the latest view.
    pub fn new(catalogue: Arc<Catalogue>, latest: Arc<Latest>, own: Own) -> Self {
        Self {
            catalogue,
            latest,
            own,
            at: 0,
            progress: Progress::default(),
            ended: false,
        }
    }

    /// Writes more of it, until there are about `most` bytes; returns whether
    /// anything is left.
    pub fn write(&mut self, out: &mut Vec<u8>, most: usize) -> bool {
        while out.len() < most {
            let Some((family, source)) = self.catalogue.families.get(self.at) else {
                if !std::mem::replace(&mut self.ended, true) {
                    end(out, self.catalogue.format);
                }
                return false;
            };
            let writing = Writing {
                catalogue: &self.catalogue,
                latest: &self.latest,
                own: &self.own,
                family,
                most,
            };
            if writing.family(source, out, &mut self.progress) {
                self.at += 1;
                self.progress = Progress::default();
            }
        }
        true
    }
}

/// What the client libraries' set says of one process: a page of its own.
pub fn of_client(catalogue: &Catalogue, basics: &Basics) -> Vec<u8> {
    let mut out = Vec::new();
    for (family, row) in catalogue.client.iter().zip(CLIENT) {
        if let Some(value) = (row.read)(basics) {
            let mut headed = false;
            Lines::new(&mut out, catalogue, family, &mut headed).point(&[], value);
        }
    }
    end(&mut out, catalogue.format);
    out
}

fn end(out: &mut Vec<u8>, format: Format) {
    if format == Format::OpenMetrics {
        out.extend_from_slice(b"# EOF\n");
    }
}

/// Writing one family.
struct Writing<'a> {
    catalogue: &'a Catalogue,
    latest: &'a Latest,
    own: &'a Own,
    family: &'a Family,
    most: usize,
}

impl Writing<'_> {
    /// Writes more of it; returns whether it is complete.
    fn family(&self, source: &Source, out: &mut Vec<u8>, progress: &mut Progress) -> bool {
        let view = &*self.latest.view;
        let mut lines = Lines::new(out, self.catalogue, self.family, &mut progress.headed);
        match source {
            Source::Client(index) => {
                if let Some(value) = (CLIENT[*index].read)(&self.latest.own()) {
                    lines.point(&[], value);
                }
            }
            Source::Agent(index, row) if is_kept(row) => {
                self.latest.histograms.each(*index, &mut lines);
            }
            Source::Agent(_, row) => {
                let reading = AgentReading {
                    health: &view.frame.agent,
                    exporters: &self.own.exporters,
                    series_folded: view.series_folded(),
                    loops: &self.own.loops,
                    history: view.history.as_ref().map(|past| past.health),
                };
                (row.read)(&reading, &mut lines);
            }
            Source::Process(place, row) => {
                return self.processes(Some(*place), row, lines, &mut progress.next);
            }
            Source::CompatProcess(row) => {
                return self.processes(None, row, lines, &mut progress.next);
            }
            Source::Group(row) => {
                for (index, group) in view.folding.groups.iter().enumerate() {
                    lines.common = self.latest.labels().of_group(index);
                    (row.read)(&group.own_reading(), &mut lines);
                }
            }
            Source::ProcessInfo => return self.infos(lines, &mut progress.next),
            Source::Host(row) => (row.read)(&view.frame.host, &mut lines),
            Source::TargetInfo => {
                let labels = of_host(&self.own.host);
                lines.common = &labels;
                lines.point(&[], Value::Int(1));
            }
        }
        true
    }

    /// Writes the points of more processes, and after the last those of groups.
    /// A row without a place in the catalogue is sent of everyone who has series.
    fn processes<'a>(
        &'a self,
        place_of_row: Option<usize>,
        row: &Metric<ProcessRead>,
        mut lines: Lines<'a>,
        next: &mut usize,
    ) -> bool {
        let view = &*self.latest.view;
        let labels = self.latest.labels();
        let may_be_quiet = row.may_be_quiet();
        let is_sent = |sample| place_of_row.is_none_or(|place| process::is_sent(place, sample));
        while *next < labels.count() {
            if lines.out.len() >= self.most {
                return false;
            }
            let (place, common) = labels.get(*next);
            *next += 1;
            let sample = &view.frame.processes[place];
            if !is_sent(sample) {
                continue;
            }
            lines.common = common;
            lines.leaves_out_zeros = may_be_quiet && !sample.chosen;
            let reading = ProcessReading {
                sample,
                derived: Some(&view.derived[place]),
                at_unix_ns: view.frame.at_unix_ns,
            };
            (row.read)(&reading, &mut lines);
        }
        if row.is_of_groups() {
            lines.leaves_out_zeros = false;
            for (index, group) in view.folding.groups.iter().enumerate() {
                if !is_sent(&group.sum) {
                    continue;
                }
                lines.common = labels.of_group(index);
                (row.read)(&group.reading(), &mut lines);
            }
        }
        true
    }

    /// Writes what is known of more processes beside numbers.
    fn infos(&self, lines: Lines<'_>, next: &mut usize) -> bool {
        let labels = self.latest.labels();
        let Lines { out, headed, .. } = lines;
        let mut text = String::new();
        while *next < labels.count() {
            if out.len() >= self.most {
                return false;
            }
            let (place, _) = labels.get(*next);
            *next += 1;
            let sample = &self.latest.view.frame.processes[place];
            text = of_process(sample, &self.own.host, text);
            let mut lines = Lines::new(out, self.catalogue, self.family, headed);
            lines.common = &text;
            lines.point(&[], Value::Int(1));
        }
        true
    }
}

/// The labels of `process_info`, written into `buffer`: the process's resource.
fn of_process(sample: &ProcessSample, host: &HostIdentity, buffer: String) -> String {
    let mut out = buffer.into_bytes();
    out.clear();
    let mut first = true;
    describe(sample, |key, word| {
        labels::put(&mut out, first, &prometheus::label(key), word);
        first = false;
    });
    let created = rfc3339(sample.created_unix_ns);
    let instance = instance_id(host, sample.id.pid, &created);
    text::label(&mut out, false, "service_name", service_name(sample));
    text::label(&mut out, false, "service_instance_id", &instance);
    let ruled = sample.matched.as_deref();
    let ruled = ruled.map_or(&[][..], |matched| &matched.attributes);
    // No label may be there twice; of keys that become the same, the first is.
    let mut said: Vec<String> = Vec::new();
    for (key, value) in ruled {
        let label = prometheus::label(key);
        if !said.contains(&label) && !is_ours(&label) {
            text::label(&mut out, false, &label, value);
            said.push(label);
        }
    }
    String::from_utf8(out).expect("labels are made of text")
}

/// Whether a label of `process_info` is procmon's to give, whatever a rule says.
fn is_ours(label: &str) -> bool {
    label.starts_with("process_")
        || matches!(
            label,
            "container_id"
                | "k8s_pod_uid"
                | "procmon_task_id"
                | "service_name"
                | "service_instance_id"
        )
}

/// The labels of `target_info`.
fn of_host(host: &HostIdentity) -> String {
    let mut out = Vec::new();
    text::label(&mut out, true, "service_name", "procmon");
    text::label(
        &mut out,
        false,
        "service_version",
        env!("CARGO_PKG_VERSION"),
    );
    text::label(&mut out, false, "os_type", "linux");
    text::label(&mut out, false, "host_arch", host.arch);
    for (label, value) in [("host_name", &host.name), ("host_id", &host.id)] {
        if let Some(value) = value {
            text::label(&mut out, false, label, value);
        }
    }
    String::from_utf8(out).expect("labels are made of text")
}
