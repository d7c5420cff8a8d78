//! Loads the kernel programs, hangs them on their hooks, and holds what must
//! stay alive while they count.

use std::os::fd::{AsRawFd, RawFd};
use std::path::Path;

use aya::maps::{Array, HashMap, MapData, RingBuf};
use aya::{Btf as AyaBtf, Ebpf, EbpfLoader, include_bytes_aligned};
use aya_log::EbpfLogger;
use log::{Log, debug};
use procmon_common::config::{self, ABSENT, FEWEST_PLACES, MOST_PLACES};
use procmon_common::probes::PROBES;
use procmon_common::{Config, Features, Loss, Probe};

use super::attach::{Types, counts};
use super::btf::Btf;
use super::counters::descriptor;
use super::error::KernelError;
use super::offsets::Offsets;
use super::pod::{Entry, Settings};
use super::prerequisites::{BTF_PATH, Prerequisites};
use super::probe::{ProbeStatus, summary};
use super::programs::Programs;
use crate::proc::cgroup;
use crate::process::Seen;

/// The kernel programs, built by build.rs. Public for `procmon-bench`, which
/// loads the floor it measures against.
#[doc(hidden)]
pub static OBJECT: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/procmon-kernel"));

/// Least number of processes the COUNTERS map has room for.
const LEAST_PROCESSES: u32 = 65_536;
/// Default size of the ring buffer, bytes. Twice the buffer is mapped, and so
/// resident, from the start. Ends that come faster than it is read wait in the
/// map for the tick.
const EVENTS_BUFFER: u32 = 1 << 20;

/// Whom the kernel half counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Those that [`Kernel::want`] names.
    Chosen,
    /// The children of this process, each from its first execve on.
    Exec,
    /// Every process.
    All {
        /// Kernel threads too.
        kernel_threads: bool,
    },
}

/// What the kernel half is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Whom it counts.
    pub scope: Scope,
    /// Count the children of the counted too.
    pub children: bool,
    /// How much room it takes.
    pub sizes: Sizes,
    /// Which programs are asked for.
    pub programs: Programs,
}

/// How much room the kernel half takes: the keys below `kernel` in the
/// configuration, `PROCMON_KERNEL_...` in the environment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Room in the COUNTERS map, processes; `None`: four times the live tasks,
    /// at least 65,536.
    pub max_processes: Option<u32>,
    /// Bytes of the ring buffer, a power of two of at least a page.
    pub events_buffer: Option<u32>,
}

/// The loaded and attached kernel half.
pub struct Kernel {
    pub(super) bpf: Ebpf,
    pub(super) counters: HashMap<MapData, u32, Entry>,
    pub(super) front: Array<MapData, Entry>,
    pub(super) losses: Array<MapData, u64>,
    pub(super) events: RingBuf<MapData>,
    pub(super) max_processes: u32,
    pub(super) events_buffer: u32,
    pub(super) offsets: Offsets,
    pub(super) map_fds: [Option<RawFd>; 4],
    pub(super) without_room_at_first: u64,
    logger: Option<EbpfLogger<&'static dyn Log>>,
    pub(super) probes: Vec<ProbeStatus>,
    pub(super) features: Features,
    pub(super) programs: Programs,
    pub(super) seen: Seen,
}

impl Kernel {
    /// Loads and attaches everything; a probe that cannot be attached says why
    /// in [`Kernel::probes`].
    ///
    /// # Errors
    /// When nothing could be counted at all: no privilege, no BTF, a foreign
    /// PID namespace, or no lifecycle probe or task iterator.
    pub fn load(options: Options) -> Result<Self, KernelError> {
        Self::load_chosen(options, |_| true)
    }

    /// [`Kernel::load`] with only some of the probes, for `procmon-bench`.
    ///
    /// # Errors
    /// As [`Kernel::load`].
    #[doc(hidden)]
    pub fn load_chosen(
        options: Options,
        chosen: impl Fn(&Probe) -> bool,
    ) -> Result<Self, KernelError> {
        let prerequisites = Prerequisites::look();
        if let Some(finding) = prerequisites.obstacle() {
            return Err(KernelError::Prerequisite(finding.clone()));
        }
        let btf = Btf::read(Path::new(BTF_PATH))?;
        let offsets = Offsets::find(&btf)?;
        let aya_btf = AyaBtf::from_sys_fs().map_err(|e| KernelError::Load(e.to_string()))?;
        let max_processes = options
            .sizes
            .max_processes
            .unwrap_or_else(default_processes);
        let events_buffer = options.sizes.events_buffer.unwrap_or(EVENTS_BUFFER);
        let settings = Settings(settings(&options, &offsets, max_processes, events_buffer));
        let mut loader = EbpfLoader::new();
        loader
            .btf(Some(&aya_btf))
            // Task storage has no type in aya; the kernel half alone uses it.
            .allow_unsupported_maps()
            .override_global(config::CONFIG, &settings, true)
            .override_global(config::OFFSETS, &offsets.fields[..], true)
            .override_global(config::TASK_STATS, &offsets.task_stats[..], true)
            .override_global(config::SIGNAL_STATS, &offsets.signal_stats[..], true)
            .override_global(config::OOM_STATS, &offsets.oom_stats[..], true)
            .map_max_entries("COUNTERS", max_processes)
            .map_max_entries("FRONT", places(settings.0.front_mask))
            .map_max_entries("THREAD_FRONT", places(settings.0.front_mask))
            .map_max_entries("EVENTS", events_buffer);
        let mut bpf = loader
            .load(OBJECT)
            .map_err(|error| KernelError::Load(format!("{:#}", anyhow::Error::new(error))))?;
        let logger = EbpfLogger::init(&mut bpf)
            .inspect_err(|error| debug!("no log from the kernel programs: {error}"))
            .ok();
        let map_fds =
            ["COUNTERS", "FRONT", "THREAD_FRONT", "EVENTS"].map(|name| descriptor(&bpf, name));
        let mut kernel = Self {
            map_fds,
            counters: take(&mut bpf, "COUNTERS")?,
            front: take(&mut bpf, "FRONT")?,
            losses: take(&mut bpf, "LOSSES")?,
            events: take(&mut bpf, "EVENTS")?,
            bpf,
            max_processes,
            events_buffer,
            offsets,
            without_room_at_first: 0,
            logger,
            probes: Vec::with_capacity(PROBES.len()),
            features: Features::default(),
            programs: options.programs,
            seen: Seen::default(),
        };
        kernel.leave_out_parts()?;
        let types = Types {
            own: &btf,
            aya: &aya_btf,
        };
        kernel.attach(types, |probe| chosen(probe) && !counts(probe));
        kernel.check_essential()?;
        if settings.0.all != 0 {
            // Every process gets its entry before the calls are counted.
            kernel.meet_all()?;
            let losses = kernel.raw_losses();
            kernel.without_room_at_first = losses.get(Loss::NoRoomAtSnapshot);
        }
        kernel.attach(types, |probe| chosen(probe) && counts(probe));
        kernel.seen = kernel.what_is_seen();
        drop((btf, aya_btf));
        crate::heap::trim();
        Ok(kernel)
    }

    /// How each probe does.
    pub fn probes(&self) -> &[ProbeStatus] {
        &self.probes
    }

    /// The one line about all probes that is said at start.
    pub fn summary(&self) -> String {
        summary(&self.probes)
    }

    /// Becomes readable when exit records wait in number.
    pub fn events_fd(&self) -> RawFd {
        self.events.as_raw_fd()
    }

    /// Passes on what the kernel programs logged.
    pub fn flush_log(&mut self) {
        if let Some(logger) = &mut self.logger {
            logger.flush();
        }
    }

    /// Without these there is nothing to show or no end to anything.
    fn check_essential(&mut self) -> Result<(), KernelError> {
        let broken = self.probes.iter().find(|status| {
            matches!(status.probe.name, "fork" | "exec" | "switch" | "snapshot")
                && !status.state.works()
        });
        match broken {
            Some(status) => Err(KernelError::Probe(status.to_string())),
            None => Ok(()),
        }
    }
}

fn settings(
    options: &Options,
    offsets: &Offsets,
    max_processes: u32,
    events_buffer: u32,
) -> Config {
    let all = matches!(options.scope, Scope::All { .. });
    // SAFETY: sysconf(3) and getpid(2) cannot fail here.
    let (page, pid) = unsafe { (libc::sysconf(libc::_SC_PAGESIZE), libc::getpid()) };
    let memory_hierarchy = memory_hierarchy();
    Config {
        all: u32::from(all),
        children: u32::from(options.children),
        kernel_threads: u32::from(matches!(
            options.scope,
            Scope::All {
                kernel_threads: true
            }
        )),
        exec_parent: match options.scope {
            Scope::Exec => pid.cast_unsigned(),
            _ => 0,
        },
        page_shift: page.trailing_zeros(),
        rss_offset: offsets.rss_offset,
        rss_stride: offsets.rss_stride,
        // With every process an exit is nothing to wake up for; else it may
        // be the one that is waited for.
        wakeup_bytes: if all { events_buffer / 8 } else { 0 },
        cgroups: u32::from(offsets.cgroups.is_ok()),
        memory_state: memory_hierarchy.map_or(ABSENT, |_| offsets.memory_state),
        memory_hierarchy: memory_hierarchy.unwrap_or(0),
        front_mask: front_mask(all, max_processes),
    }
}

/// The number of the version 1 hierarchy that has the memory controller, as
/// /proc/PID/cgroup of any process tells it (cgroups(7)).
fn memory_hierarchy() -> Option<u32> {
    let text = std::fs::read("/proc/self/cgroup").ok()?;
    let memory = cgroup::entries(&text).find(|entry| entry.has("memory"))?;
    u32::try_from(memory.hierarchy).ok()
}

/// Four times the tasks that live now, at least [`LEAST_PROCESSES`].
fn default_processes() -> u32 {
    live_tasks().saturating_mul(4).max(LEAST_PROCESSES)
}

/// The bits of the places in front of the maps; of every process, twice the tasks
/// that live now. Who finds none is counted all the same, more slowly. They are no
/// more than there is to be room for processes; where that is for few, there are none.
fn front_mask(all: bool, max_processes: u32) -> u32 {
    let wanted = if all {
        live_tasks().saturating_mul(2).min(MOST_PLACES)
    } else {
        0
    };
    let places = wanted.max(FEWEST_PLACES).next_power_of_two();
    let most = max_processes.checked_ilog2().map_or(0, |bits| 1 << bits);
    if most < FEWEST_PLACES {
        return ABSENT;
    }
    places.min(most) - 1
}

/// How many places a mask is of; a map has one at least.
fn places(mask: u32) -> u32 {
    match mask {
        ABSENT => 1,
        mask => mask + 1,
    }
}

/// Threads of the host.
fn live_tasks() -> u32 {
    // The fourth field of /proc/loadavg is running/all tasks (proc_loadavg(5)).
    std::fs::read_to_string("/proc/loadavg")
        .ok()
        .and_then(|text| {
            let field = text.split_whitespace().nth(3)?;
            field.split_once('/')?.1.parse::<u32>().ok()
        })
        .unwrap_or(0)
}

fn take<T>(bpf: &mut Ebpf, name: &'static str) -> Result<T, KernelError>
where
    T: TryFrom<aya::maps::Map, Error = aya::maps::MapError>,
{
    let map = bpf
        .take_map(name)
        .ok_or_else(|| KernelError::map(name, "not in the object"))?;
    T::try_from(map).map_err(|error| KernelError::map(name, error))
}
