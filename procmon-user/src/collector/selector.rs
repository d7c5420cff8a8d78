//! Who of those that were met is kept, and what rules say of them.
//!
//! An expression is asked at first sight and after each execve; one that asks
//! for what changes by itself, at each tick.

use std::cell::OnceCell;
use std::sync::Arc;

use crate::proc::ProcRoot;
use crate::process::select::{Expression, Facts, Matched, Rules};
use crate::process::{ByProcess, Metadata, ProcessId, ProcessSample, Totals, command_line};

/// Bytes of a command line that is remembered.
const LONGEST_ARGS: usize = 4 << 10;

/// Judges processes.
#[derive(Debug, Default)]
pub struct Selector {
    /// Who is kept; `None`: everybody.
    wanted: Option<Arc<Rules>>,
    /// What those kept are called.
    rules: Rules,
    /// Whether an answer may change without an execve.
    changes: bool,
    asks_for_cpu: bool,
    known: ByProcess<Judged>,
    /// The number of the pass, and its time and that of the one before, ns of
    /// CLOCK_BOOTTIME.
    pass: u64,
    at_ns: u64,
    before_ns: u64,
}

/// What is remembered of a process.
#[derive(Debug)]
struct Judged {
    metadata: Arc<Metadata>,
    /// Which of its programs it was asked of, where that is known.
    generation: Option<u64>,
    answer: Answer,
    /// It was kept once: its end is told.
    was_kept: bool,
    /// A rule held once: it stays chosen, so that its metrics do not come and go.
    was_ruled: bool,
    /// User and system time, ns.
    cpu_ns: Option<u64>,
    /// Its command line, when that is asked for at each tick.
    args: Option<String>,
    /// The last pass that it was in.
    pass: u64,
}

/// What expressions and rules say of a process.
#[derive(Clone, Debug, Default, PartialEq)]
struct Answer {
    kept: bool,
    ruled: bool,
    matched: Option<Arc<Matched>>,
}

impl Selector {
    /// Keeps those of whom one of these holds, but for procmon itself; or
    /// everybody.
    pub fn new(wanted: Option<Arc<Rules>>) -> Self {
        let mut selector = Self {
            wanted,
            ..Self::default()
        };
        selector.look_at_conditions();
        selector
    }

    /// Sets what those kept are called. Whom a rule holds of is chosen.
    pub fn set_rules(&mut self, rules: Rules) {
        self.rules = rules;
        self.known.clear();
        self.look_at_conditions();
    }

    fn look_at_conditions(&mut self) {
        let wanted = self.wanted.iter().flat_map(|rules| rules.conditions());
        let all: Vec<&Expression> = wanted.chain(self.rules.conditions()).collect();
        self.changes = all.iter().any(|condition| condition.changes());
        self.asks_for_cpu = all.iter().any(|condition| condition.asks_for_cpu());
    }

    /// Begins a pass over all processes.
    pub fn begin(&mut self, at_boot_ns: u64) {
        self.before_ns = std::mem::replace(&mut self.at_ns, at_boot_ns);
        self.pass += 1;
    }

    /// Ends it: who was not in it is forgotten.
    pub fn end(&mut self) {
        self.known.retain(|_, judged| judged.pass == self.pass);
    }

    /// A process was not in the pass, but its end is to come.
    pub fn keep_in_mind(&mut self, id: ProcessId) {
        if let Some(judged) = self.known.get_mut(&id) {
            judged.pass = self.pass;
        }
    }

    /// Whether a process is kept; what rules say of it is put into `sample`. One
    /// that has ended is kept when it was at any time, or would be now.
    /// `generation` changes with each execve, also of the same program with
    /// other arguments; without one it is told by other words alone.
    pub fn keeps(
        &mut self,
        root: &ProcRoot,
        generation: Option<u64>,
        sample: &mut ProcessSample,
    ) -> bool {
        if self.wanted.is_none() && self.rules.is_empty() {
            return true;
        }
        // Its own command line has the expression in it, as pgrep(1)'s has.
        if self.wanted.is_some() && sample.id.pid == std::process::id() {
            return false;
        }
        let ended = sample.exit.is_some();
        if let Some(judged) = self.known.get_mut(&sample.id)
            && !ended
            && !self.changes
            && judged.is_of(generation, sample)
        {
            judged.pass = self.pass;
            return judged.tell(sample);
        }
        let judged = match self.known.remove(&sample.id) {
            Some(judged) if ended && judged.was_kept && judged.is_of(generation, sample) => judged,
            before => self.judge(root, generation, sample, before),
        };
        let kept = judged.tell(sample) || ended && judged.was_kept;
        if !ended {
            self.known.insert(sample.id, judged);
        }
        kept
    }

    fn judge(
        &self,
        root: &ProcRoot,
        generation: Option<u64>,
        sample: &ProcessSample,
        mut before: Option<Judged>,
    ) -> Judged {
        let is_of = |before: &&mut Judged| before.is_of(generation, sample);
        let same = before.as_mut().filter(is_of);
        let remembered = same.and_then(|before| before.args.take());
        let args = remembered.map_or_else(OnceCell::new, |args| OnceCell::from(Some(args)));
        let read_args = || command_line::read(root, sample.id);
        let cpu_ns = cpu_ns(&sample.totals).filter(|_| self.asks_for_cpu);
        let cpu_before = before.as_ref().and_then(|before| before.cpu_ns);
        let mut answer = self.ask(&Facts {
            id: sample.id,
            metadata: &sample.metadata,
            age_ns: sample.totals.uptime_ns,
            rss: sample.totals.rss,
            cpu: cores(
                cpu_before,
                cpu_ns,
                self.at_ns.saturating_sub(self.before_ns),
            ),
            args: &|| args.get_or_init(read_args).as_deref(),
        });
        let (mut was_kept, mut was_ruled) = (answer.kept, answer.ruled);
        if let Some(before) = before {
            // One answer stays one allocation; of the ended, the last one that said something.
            if before.answer == answer || sample.exit.is_some() && answer.matched.is_none() {
                answer.matched = before.answer.matched;
            }
            was_kept |= before.was_kept;
            was_ruled |= before.was_ruled;
        }
        Judged {
            metadata: Arc::clone(&sample.metadata),
            generation,
            answer,
            was_kept,
            was_ruled,
            cpu_ns,
            args: args
                .into_inner()
                .flatten()
                .filter(|args| self.remembers(args)),
            pass: self.pass,
        }
    }

    fn remembers(&self, args: &str) -> bool {
        self.changes && args.len() <= LONGEST_ARGS
    }

    fn ask(&self, facts: &Facts<'_>) -> Answer {
        let wanted = match &self.wanted {
            None => None,
            Some(wanted) => match wanted.first_match(facts) {
                None => return Answer::default(),
                matched => matched,
            },
        };
        let ruled = self.rules.first_match(facts);
        Answer {
            kept: true,
            ruled: ruled.is_some(),
            matched: match (ruled, wanted) {
                (Some(ruled), Some(wanted)) => Some(ruled.with_attributes_of(wanted)),
                (ruled, wanted) => ruled.or(wanted),
            }
            .map(Arc::new),
        }
    }
}

impl Judged {
    /// Whether it was asked of the same program, under the same words.
    fn is_of(&self, generation: Option<u64>, sample: &ProcessSample) -> bool {
        let same = generation.is_none() || generation == self.generation;
        same && Arc::ptr_eq(&self.metadata, &sample.metadata)
    }

    /// Puts what was said into a sample; whether it is kept.
    fn tell(&self, sample: &mut ProcessSample) -> bool {
        sample.chosen |= self.was_ruled;
        sample.matched.clone_from(&self.answer.matched);
        self.answer.kept
    }
}

fn cpu_ns(totals: &Totals) -> Option<u64> {
    Some(totals.user_ns? + totals.system_ns?)
}

/// CPU use in cores; unknown at first sight.
fn cores(before: Option<u64>, now: Option<u64>, elapsed_ns: u64) -> Option<f64> {
    let used = now?.saturating_sub(before?);
    (elapsed_ns > 0).then(|| used as f64 / elapsed_ns as f64)
}

#[cfg(test)]
mod tests;
