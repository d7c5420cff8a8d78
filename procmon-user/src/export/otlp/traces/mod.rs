//! Traces: a span for each life of a process, from its fork to its end, below
//! that of its parent; and, apart, what procmon does itself.
//!
//! A span is sent once its process has ended. Its id follows from who the
//! process is, so that a child can name its parent's before that one is sent.

mod family;
pub mod ids;
mod span;

use opentelemetry_proto::tonic::trace::v1::{ScopeSpans, Span};

use super::HostIdentity;
use super::encode::{Batch, SCHEMA_URL};
use super::envelope::{Envelope, scope};
use super::queue::Retried;
use super::settings::{Settings, Traced};
use crate::shape::View;
use family::Family;
use ids::Ids;

/// The most spans in one scope: a scope is never cut in two.
const SPANS: usize = 200;

/// Makes batches of spans.
#[derive(Debug)]
pub struct SpanEncoder {
    envelope: Envelope,
    ids: Ids,
    processes: Option<Family>,
    agent: Option<Ticks>,
}

/// When the last tick was: how long it took is known at the next one.
#[derive(Clone, Copy, Debug, Default)]
struct Ticks {
    last: Option<(u64, u64)>,
}

impl SpanEncoder {
    /// An encoder of these spans; `boot_id` is this boot's.
    pub fn new(
        settings: &Settings,
        host: &HostIdentity,
        started_unix_ns: u64,
        traced: &[Traced],
        boot_id: &str,
    ) -> Self {
        Self {
            envelope: Envelope::new(settings, host, started_unix_ns),
            ids: Ids::new(boot_id),
            processes: traced.contains(&Traced::Processes).then(Family::default),
            agent: traced.contains(&Traced::Agent).then(Ticks::default),
        }
    }

    /// The spans that have ended since the view before: lives of processes, the
    /// tick before, and batches that were tried again, each with the name of its
    /// exporter; each batch as soon as it is complete.
    pub fn encode_each(
        &mut self,
        view: &View,
        retried: impl IntoIterator<Item = (&'static str, Retried)>,
        take: impl FnMut(Batch),
    ) {
        let mut packer = self.envelope.packer(take);
        if let Some(family) = &mut self.processes {
            for (sample, lineage) in family.ended(&self.ids, view) {
                let span = span::of_life(sample, lineage, &self.ids);
                let resource = self.envelope.of_process(sample);
                packer.add(&resource, &scope_spans(vec![span]), 1);
            }
        }
        if let Some(ticks) = &mut self.agent {
            let mut spans: Vec<Span> = ticks.next(view, &self.ids).into_iter().collect();
            let retried = retried.into_iter();
            spans
                .extend(retried.map(|(exporter, one)| span::of_retried(exporter, &one, &self.ids)));
            while !spans.is_empty() {
                let rest = spans.split_off(spans.len().min(SPANS));
                let spans = std::mem::replace(&mut spans, rest);
                let items = spans.len();
                packer.add(self.envelope.of_agent(), &scope_spans(spans), items);
            }
        }
        packer.finish();
    }
}

impl Ticks {
    /// The span of the tick before this view, when that was seen.
    fn next(&mut self, view: &View, ids: &Ids) -> Option<Span> {
        let frame = &view.frame;
        let last = self.last.replace((frame.tick, frame.at_unix_ns));
        let (tick, at_unix_ns) = last?;
        // What a frame says is of the tick just before it.
        (tick + 1 == frame.tick)
            .then(|| span::of_tick(tick, at_unix_ns, frame.agent.tick_duration, ids))
    }
}

fn scope_spans(spans: Vec<Span>) -> ScopeSpans {
    ScopeSpans {
        scope: Some(scope()),
        spans,
        schema_url: SCHEMA_URL.to_owned(),
    }
}

#[cfg(test)]
mod tests;
