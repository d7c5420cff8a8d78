//! Makes one frame a tick: reads the kernel half or /proc, and joins numbers
//! with words.
//!
//! Nothing downstream reads the kernel or /proc; nothing here knows who
//! listens.

mod chosen;
mod collect;
mod dying;
mod ends;
mod gaps;
mod health;
mod hidden;
mod kernel_road;
mod observed;
mod overhead;
mod proc_road;
mod selector;
mod verify;

use std::collections::HashMap;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Instant;

use log::{info, warn};
use procmon_common::CgroupIds;
use thiserror::Error;

use crate::frame::{Frame, Host};
use crate::kernel::{self, KernelError, ProbeStatus, Programs, Sizes};
use crate::proc::{self, HostReader, ProcRoot, ReadErrors};
use crate::process::select::Rules;
use crate::process::{
    ByProcess, Groups, Metadata, MetadataReader, ProcessId, ProcessSample, SharedMetadata,
    StateCounts, Told,
};
use crate::rollup::Exited;
use chosen::Extras;
pub use chosen::Selection;
pub use collect::Collect;
use health::Health;
pub use health::Missed;
use kernel_road::KernelRoad;
use observed::{Facts, Observed, Times};
pub use overhead::Contract;
use overhead::Overhead;
use proc_road::ProcRoad;
use selector::Selector;

/// Why collecting cannot begin or go on.
#[derive(Debug, Error)]
pub enum CollectError {
    /// A process that was asked for cannot be watched.
    #[error("{0}")]
    NoSuchProcess(String),
    /// The kernel half does not run.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// /proc cannot be read.
    #[error(transparent)]
    Proc(#[from] proc::Error),
}

/// Where the totals come from.
enum Road {
    Kernel(Box<KernelRoad>),
    Proc(Box<ProcRoad>),
}

/// The kernel half was given up at the start.
struct Fallback {
    reason: String,
    /// All of them failed.
    probes: Vec<ProbeStatus>,
}

/// The road through the kernel half; where that would misread this kernel, the
/// one through /proc.
fn open_road(
    selection: &Selection,
    root: &ProcRoot,
    sizes: Sizes,
    programs: Programs,
) -> Result<(Road, Option<Fallback>), CollectError> {
    match KernelRoad::open(selection, root, sizes, programs) {
        Ok(road) => Ok((Road::Kernel(Box::new(road)), None)),
        Err(CollectError::Kernel(error)) if error.is_about_this_kernel() => {
            let reason = error.to_string();
            warn!("{reason}; totals come from /proc instead: please report this kernel");
            let probes = kernel::all_failed(&reason);
            let road = Road::Proc(Box::new(ProcRoad::new(selection)));
            Ok((road, Some(Fallback { reason, probes })))
        }
        Err(error) => Err(error),
    }
}

/// What is remembered of a process between ticks.
struct Known {
    metadata: Arc<Metadata>,
    /// How many programs it had executed when its words were read.
    generation: u64,
    /// Its control groups, as the kernel half last noted them.
    cgroups: Option<CgroupIds>,
    /// When it was last seen.
    tick: u64,
}

/// Reads everything once a tick.
pub struct Collector {
    road: Road,
    /// Why /proc stands in for the kernel half.
    fallback: Option<Fallback>,
    selection: Selection,
    selector: Selector,
    root: ProcRoot,
    times: Times,
    metadata: MetadataReader,
    shared: SharedMetadata,
    extras: Extras,
    known: ByProcess<Known>,
    health: Health,
    overhead: Overhead,
    errors: ReadErrors,
    exited: Arc<Exited>,
    collect: Collect,
    host_reader: HostReader,
    /// The host as last read, and when.
    host: Option<(u64, Host)>,
    tick: u64,
}

/// How old the host's totals may be when only chosen processes are watched.
const HOST_AGE_NS: u64 = 9_500_000_000;

impl Collector {
    /// Opens the road: the kernel half of these sizes, or /proc alone. What
    /// that may cost is in the contract.
    ///
    /// # Errors
    /// When a process that was asked for is not there, or the kernel half was
    /// asked for and does not run.
    pub fn open(
        selection: Selection,
        kernel: Option<Sizes>,
        contract: Contract,
    ) -> Result<Self, CollectError> {
        Self::open_for(Collect::default(), selection, kernel, contract)
    }

    /// [`Collector::open`] for a part of what can be collected.
    ///
    /// # Errors
    /// As [`Collector::open`].
    pub fn open_for(
        collect: Collect,
        selection: Selection,
        kernel: Option<Sizes>,
        contract: Contract,
    ) -> Result<Self, CollectError> {
        let root = ProcRoot::system();
        selection.check(&root)?;
        let times = Times {
            clock: proc::clock::load(&root)?,
            boot_unix_ns: proc::clock::now_unix_ns().saturating_sub(proc::clock::now_boot_ns()),
        };
        // Before the kernel half looks: it would take a child for the command.
        let host_reader = HostReader::start(&root);
        let (road, fallback) = match kernel {
            Some(sizes) => open_road(&selection, &root, sizes, collect.programs)?,
            None => (Road::Proc(Box::new(ProcRoad::new(&selection))), None),
        };
        Ok(Self {
            road,
            fallback,
            selector: Selector::new(selection.conditions().cloned()),
            selection,
            metadata: MetadataReader::new(root.clone()),
            shared: SharedMetadata::default(),
            health: Health::new(&root, &times.clock),
            root,
            times,
            extras: Extras::default(),
            known: ByProcess::default(),
            overhead: Overhead::new(contract, collect.programs),
            errors: ReadErrors::default(),
            exited: Arc::new(Exited::of(collect.of_the_ended())),
            collect,
            host_reader,
            host: None,
            tick: 0,
        })
    }

    /// Sets what watched processes are called; those that a rule matches are
    /// chosen.
    pub fn set_rules(&mut self, rules: Rules) {
        self.selector.set_rules(rules);
    }

    /// Sets whether arguments are read: of processes that are met from now on.
    pub fn set_command_args(&mut self, command_args: bool) {
        self.metadata.set_arguments(command_args);
    }

    /// Sets whom to watch, where expressions say that.
    pub fn set_conditions(&mut self, conditions: Arc<Rules>) {
        if self.selection.conditions().is_some() {
            self.selection = Selection::Matching(Arc::clone(&conditions));
            self.selector.set_wanted(conditions);
        }
    }

    /// Sets what is collected from the next tick on. Programs are loaded at the
    /// start only: what counts in those that are not is unknown.
    pub fn set_collect(&mut self, collect: Collect) {
        self.collect = Collect {
            programs: self.collect.programs,
            ..collect
        };
        let known = self.collect.of_the_ended();
        Arc::make_mut(&mut self.exited).set_known(known);
    }

    /// Sets what procmon may cost.
    pub fn set_contract(&mut self, contract: Contract) {
        self.overhead.set_contract(contract);
    }

    /// How each probe does; empty where no eBPF was asked for.
    pub fn probes(&self) -> &[ProbeStatus] {
        match (&self.road, &self.fallback) {
            (Road::Kernel(road), _) => road.kernel().probes(),
            (Road::Proc(_), Some(fallback)) => &fallback.probes,
            (Road::Proc(_), None) => &[],
        }
    }

    /// The one line about how the totals come in.
    pub fn summary(&self) -> String {
        let why = match (&self.road, &self.fallback) {
            (Road::Kernel(road), _) => return road.kernel().summary(),
            (Road::Proc(_), Some(fallback)) => format!(" ({})", fallback.reason),
            (Road::Proc(_), None) => String::new(),
        };
        format!(
            "no eBPF{why}: totals from /proc, no operations, no off-CPU time, no waits; \
             what lives between two ticks is not seen"
        )
    }

    /// Becomes readable when there are ends to [`Collector::absorb`].
    pub fn wakeup(&self) -> Option<RawFd> {
        match &self.road {
            Road::Kernel(road) => Some(road.kernel().events_fd()),
            Road::Proc(road) => road.wakeup(),
        }
    }

    /// `procmon exec` has spawned its command: the kernel half knows it by its
    /// parent, /proc by its pid.
    pub fn watch_command(&mut self, pid: u32) {
        if let Road::Proc(road) = &mut self.road {
            road.watch(pid);
        }
    }

    /// Takes in ends, between ticks.
    pub fn absorb(&mut self) {
        match &mut self.road {
            Road::Kernel(road) => road.absorb(),
            Road::Proc(road) => road.absorb(),
        }
    }

    /// Whether every process that was asked for by its pid has ended.
    pub fn ended(&self) -> bool {
        self.selection.ends()
            && match &self.road {
                Road::Kernel(road) => road.all_ended(),
                Road::Proc(road) => road.all_ended(),
            }
    }

    /// Whether the end of a process has been seen.
    pub fn has_ended(&self, pid: u32) -> bool {
        match &self.road {
            Road::Kernel(road) => road.has_ended(pid),
            Road::Proc(_) => true,
        }
    }

    /// Reads everything and makes the tick's frame. `missed` is what has been
    /// missed up to its beginning.
    ///
    /// # Errors
    /// When the kernel half or /proc as a whole could not be read; a process or
    /// a value that could not be read is left out.
    pub fn tick(&mut self, missed: Missed) -> Result<Frame, CollectError> {
        self.health.begin_tick(missed);
        if let Road::Kernel(road) = &mut self.road {
            road.note_missed(missed);
        }
        let begin = proc::clock::now_boot_ns();
        let at_unix_ns = proc::clock::now_unix_ns();
        let seen = match &mut self.road {
            Road::Kernel(road) => road.observe(begin, &mut self.errors)?,
            Road::Proc(road) => road.observe(&self.root, begin, &mut self.errors)?,
        };
        let unix_ns = |boot_ns: u64| at_unix_ns.saturating_sub(begin.saturating_sub(boot_ns));
        let met = seen.live.len();
        self.selector.begin(begin);
        let mut live = seen.live.into_samples(|sample, facts| {
            self.complete(sample, &facts);
            self.selector.keeps(&self.root, facts.generation, sample)
        });
        if self.selection.conditions().is_some() {
            // Of those who must match, few may.
            live.shrink_to_fit();
            if self.tick == 0 && live.is_empty() {
                info!("no process matches yet; those that come will be seen");
            }
        }
        self.extras
            .fill(&self.root, &mut live, begin, &mut self.errors);
        // Not before: expressions ask for what may be switched off.
        live.iter_mut().for_each(ProcessSample::keep_wanted);
        let mut exited: Vec<ProcessSample> = Vec::with_capacity(seen.ended.len());
        for observed in seen.ended {
            let Observed { mut sample, facts } = observed;
            self.complete(&mut sample, &facts);
            sample.exit = facts.end.map(|end| end.exit(unix_ns(end.at_boot_ns)));
            if self
                .selector
                .keeps(&self.root, facts.generation, &mut sample)
            {
                sample.keep_wanted();
                exited.push(sample);
            }
        }
        for id in &seen.ending {
            self.selector.keep_in_mind(*id);
            if let Some(known) = self.known.get_mut(id) {
                known.tick = self.tick;
            }
        }
        self.selector.end();
        self.roll_up(&exited);
        let host = self.host(begin, seen.states);
        self.known.retain(|_, known| known.tick == self.tick);
        for line in self.errors.take_new() {
            warn!("{line}");
        }
        let (errors, overhead) = (&self.errors, &self.overhead);
        let agent = match &mut self.road {
            Road::Kernel(road) => self.health.with_kernel(road, met, errors, overhead),
            Road::Proc(_) => {
                let fallback = self.fallback.as_ref();
                let probes = fallback.map_or(&[][..], |fallback| &fallback.probes);
                self.health.without_kernel(probes, errors, overhead)
            }
        };
        let frame = Frame {
            tick: self.tick,
            at_unix_ns,
            at_boot_ns: begin,
            host,
            processes: live,
            exited,
            ending: seen.ending,
            agent: Arc::new(agent),
        };
        self.tick += 1;
        let took = proc::clock::now_boot_ns().saturating_sub(begin);
        self.health.end_tick(took);
        Ok(frame)
    }

    /// When [`Collector::mind_overhead`] is to be called, ticks or not.
    pub fn overhead_due(&self) -> Instant {
        self.overhead.due()
    }

    /// Measures what procmon costs, and keeps that within the contract.
    ///
    /// # Errors
    /// When the kernel half's maps cannot be read or written.
    pub fn mind_overhead(&mut self) -> Result<(), CollectError> {
        self.overhead.step(match &mut self.road {
            Road::Kernel(road) => Some(&mut **road),
            Road::Proc(_) => None,
        })
    }

    /// Lets go of the kernel half without making anyone wait.
    pub fn close(self) {
        if let Road::Kernel(road) = self.road {
            road.close();
        }
    }

    /// The host's totals: of this tick when every process is watched, else at
    /// most [`HOST_AGE_NS`] old, which is as often as they are exported.
    fn host(&mut self, now_ns: u64, states: Option<StateCounts>) -> Host {
        let due = self
            .host
            .as_ref()
            .is_none_or(|(read_ns, _)| now_ns.saturating_sub(*read_ns) >= HOST_AGE_NS);
        if due || !self.selection.chooses() {
            let states = states.or_else(|| self.host_reader.count(&self.root, &mut self.errors));
            let mut host = self.host_reader.read(&self.root, &mut self.errors);
            host.processes = states.map(StateCounts::to_vec).unwrap_or_default();
            self.host = Some((now_ns, host));
        }
        let mut host = match &self.host {
            Some((_, host)) => host.clone(),
            None => Host::default(),
        };
        host.exited = Arc::clone(&self.exited);
        host
    }

    /// Adds what has ended to the sums by executable and by parent.
    fn roll_up(&mut self, ended: &[ProcessSample]) {
        if ended.is_empty() {
            return;
        }
        // A parent is alive, or it has ended in this tick too.
        let mut names: HashMap<u32, Arc<Metadata>> = HashMap::with_capacity(self.known.len());
        for (id, known) in &self.known {
            names.insert(id.pid, Arc::clone(&known.metadata));
        }
        let sums = Arc::make_mut(&mut self.exited);
        for sample in ended {
            let parent = sample.metadata.parent_pid.and_then(|pid| names.get(&pid));
            sums.add(sample, parent.map(|parent| &*parent.executable));
        }
    }

    /// Puts all but its end into a sample, before anybody has judged it.
    fn complete(&mut self, sample: &mut ProcessSample, facts: &Facts) {
        facts.date(sample, &self.times);
        sample.metadata = self.describe(sample.id, facts);
        sample.chosen = self.selection.chooses();
        sample.wanted = self.collect.wanted;
    }

    /// A process's words: read at first sight and after each execve; its control
    /// groups after each move. Of one that has ended, what is remembered, or
    /// what the kernel half noted.
    fn describe(&mut self, id: ProcessId, facts: &Facts) -> Arc<Metadata> {
        let tick = self.tick;
        if let Some(known) = self.known.get_mut(&id)
            && facts
                .generation
                .is_none_or(|generation| generation == known.generation)
        {
            known.tick = tick;
            if facts.cgroups.is_some() && facts.cgroups != known.cgroups {
                return self.follow(id, facts);
            }
            return Arc::clone(&known.metadata);
        }
        let groups = self.groups(facts);
        let before = self.known.get(&id).map(|known| &*known.metadata);
        let metadata = match facts.end {
            // A zombie that was never seen alive, and that /proc alone tells of.
            Some(_) if facts.executable.is_none() && before.is_none() => {
                self.metadata.read(id, Told::default(), &mut self.errors)
            }
            Some(_) => facts.metadata(before, groups, &mut self.metadata, &mut self.errors),
            None => {
                let told = Told {
                    other_groups: has_other_groups(facts, groups.as_ref()),
                    executable: facts.executable.clone(),
                    user_id: facts.user_id,
                    groups,
                };
                let mut read = self.metadata.read(id, told, &mut self.errors);
                // The parent at birth; /proc shows the present one.
                let at_birth = before.map(|before| before.parent_pid);
                if let Some(parent) = at_birth.or(facts.parent_pid.map(Some)) {
                    read.parent_pid = parent;
                }
                read
            }
        };
        let metadata = self.shared.share(metadata);
        self.known.insert(
            id,
            Known {
                metadata: Arc::clone(&metadata),
                generation: facts.generation.unwrap_or_default(),
                cgroups: facts.cgroups,
                tick,
            },
        );
        metadata
    }

    /// The words of a process that has moved to another control group.
    fn follow(&mut self, id: ProcessId, facts: &Facts) -> Arc<Metadata> {
        let mut groups = self.groups(facts);
        if facts.end.is_none() && has_other_groups(facts, groups.as_ref()) {
            let asked = self.metadata.groups(id, &mut self.errors);
            groups = asked.or(groups);
        }
        let Some(known) = self.known.get_mut(&id) else {
            return Arc::default();
        };
        let mut metadata = Metadata::clone(&known.metadata);
        match groups {
            Some(groups) => metadata.move_to(groups),
            // Where it was is not where it is.
            None => (metadata.cgroup, metadata.unit) = (None, None),
        }
        known.metadata = self.shared.share(metadata);
        known.cgroups = facts.cgroups;
        Arc::clone(&known.metadata)
    }

    /// What the control groups tell that the kernel half noted.
    fn groups(&self, facts: &Facts) -> Option<Groups> {
        match (&self.road, facts.cgroups) {
            (Road::Kernel(road), Some(ids)) => road.groups(ids),
            _ => None,
        }
    }
}

/// Whether a process is in control groups that the kernel half does not note and
/// that may tell more: where version 1 is in use, each controller may have its
/// own.
fn has_other_groups(facts: &Facts, groups: Option<&Groups>) -> bool {
    let Some(groups) = groups else {
        return true;
    };
    groups.container_id.is_none() && facts.cgroups.is_some_and(|ids| ids.memory != 0)
}
