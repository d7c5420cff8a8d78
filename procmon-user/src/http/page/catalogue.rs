//! All that can stand on a page, in its order.

use procmon_common::counters::WAIT_BUCKETS;

use super::family::Family;
use super::{Contents, Format, Part, text};
use crate::metrics::agent::AGENT;
use crate::metrics::client::CLIENT;
use crate::metrics::group::GROUP;
use crate::metrics::host;
use crate::metrics::process::PROCESS;
use crate::metrics::prometheus::Naming;
use crate::metrics::{AgentRead, GroupRead, HostRead, Instrument, Metric, ProcessRead};

/// A family, and what its points are read with.
#[derive(Debug)]
pub enum Source {
    /// One of procmon's own process.
    Client(usize),
    /// One of the agent.
    Agent(usize, &'static Metric<AgentRead>),
    /// One of processes and the groups they are folded into, with its place.
    Process(usize, &'static Metric<ProcessRead>),
    /// One of processes by another monitor's name.
    CompatProcess(&'static Metric<ProcessRead>),
    /// One of groups alone.
    Group(&'static Metric<GroupRead>),
    /// What is known of processes beside numbers.
    ProcessInfo,
    /// One of the host.
    Host(&'static Metric<HostRead>),
    /// Who the host is.
    TargetInfo,
}

/// The families of the pages in one format.
#[derive(Debug)]
pub struct Catalogue {
    /// In the order of the page.
    pub families: Vec<(Family, Source)>,
    /// The client libraries' set, of whatever process.
    pub client: Vec<Family>,
    /// The upper bounds of histograms' buckets.
    pub bounds: [String; WAIT_BUCKETS],
    /// The format.
    pub format: Format,
}

impl Catalogue {
    /// The catalogue of these contents.
    pub fn new(contents: &Contents, format: Format) -> Self {
        let Contents { parts, naming, .. } = contents;
        let naming = *naming;
        let client: Vec<_> = CLIENT
            .iter()
            .map(|row| Family::of_client(row, format))
            .collect();
        let mut families = Vec::new();
        if parts.contains(&Part::Agent) {
            let own = client.iter().cloned().enumerate();
            families.extend(own.map(|(index, family)| (family, Source::Client(index))));
            families.extend(AGENT.iter().enumerate().map(|(index, row)| {
                let family = Family::of_row(row, naming, format);
                (family, Source::Agent(index, row))
            }));
        }
        if parts.contains(&Part::Processes) {
            families.extend(PROCESS.iter().enumerate().map(|(place, row)| {
                let family = Family::of_row(row, naming, format);
                (family, Source::Process(place, row))
            }));
            families.extend(GROUP.iter().map(|row| {
                let family = Family::of_row(row, naming, format);
                (family, Source::Group(row))
            }));
            families.extend(contents.compat.iter().flat_map(|set| {
                let rows = set.process().iter();
                rows.map(|row| {
                    (
                        Family::of_row(row, Naming::Plain, format),
                        Source::CompatProcess(row),
                    )
                })
            }));
            let about = "What is known of a process beside numbers.";
            let info = Family::info("process", about, format);
            families.push((info, Source::ProcessInfo));
        }
        if parts.contains(&Part::Host) {
            families.extend(host::rows().map(|row| {
                let family = Family::of_row(row, naming, format);
                (family, Source::Host(row))
            }));
            families.extend(contents.compat.iter().flat_map(|set| {
                let rows = set.host().iter();
                rows.map(|row| {
                    (
                        Family::of_row(row, Naming::Plain, format),
                        Source::Host(row),
                    )
                })
            }));
            let info = Family::info("target", "Who the host is.", format);
            families.push((info, Source::TargetInfo));
        }
        Self {
            families,
            client,
            bounds: text::bounds(),
            format,
        }
    }
}

/// Whether the agent's part keeps the histogram of a row, which reads single
/// values.
pub fn is_kept(row: &Metric<AgentRead>) -> bool {
    row.instrument == Instrument::ExponentialHistogram
}
