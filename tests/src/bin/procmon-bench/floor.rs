//! The floors: a clock read at every switch and every wakeup, and nothing at
//! the end of a system call, or at every hook of procmon.

use std::path::Path;

use anyhow::{Context as _, Result};
use aya::{
    Btf, Ebpf, EbpfLoader,
    programs::{BtfTracePoint, TracePoint, tp_btf::BtfTracePointLink, trace_point::TracePointLink},
};
use procmon::kernel::OBJECT;
use procmon_common::probes::{Hook, PROBES};

const SWITCHES: [(&str, &str); 2] = [
    ("bench_switch", "sched_switch"),
    ("bench_wakeup", "sched_wakeup"),
];
const CALL: &str = "bench_call";
/// The category of their tracepoints.
const SYSCALLS: &str = "syscalls";

/// A clock read at every switch and every wakeup, until it is dropped.
pub fn switches() -> Result<Ebpf> {
    let btf = Btf::from_sys_fs()?;
    let mut bpf = object(&btf)?;
    for (name, tracepoint) in SWITCHES {
        let program: &mut BtfTracePoint = bpf.program_mut(name).context(name)?.try_into()?;
        program.load(tracepoint, &btf)?;
        program.attach()?;
    }
    Ok(bpf)
}

/// An empty program at the end of each of `calls`, until it is dropped.
pub fn calls(calls: &[&str]) -> Result<Ebpf> {
    let mut bpf = object(&Btf::from_sys_fs()?)?;
    let program: &mut TracePoint = bpf.program_mut(CALL).context(CALL)?.try_into()?;
    program.load()?;
    for call in calls {
        program.attach(SYSCALLS, &exit_of(call))?;
    }
    Ok(bpf)
}

/// Empty programs for every hook of procmon, to be hung there.
pub struct Empty(Ebpf);

/// A hook.
#[derive(PartialEq, Eq)]
pub enum Place {
    /// By name, with a program of its own.
    Btf(&'static str),
    /// By category and name.
    Tracepoint(&'static str, String),
}

impl Place {
    /// Whether it is at the end of a system call.
    pub fn is_call(&self) -> bool {
        matches!(self, Self::Tracepoint(SYSCALLS, _))
    }
}

/// A program on a hook, until this is dropped.
pub enum Hung {
    /// On one that is found by BTF.
    Btf(#[expect(dead_code, reason = "for its drop")] BtfTracePointLink),
    /// On any other.
    Tracepoint(#[expect(dead_code, reason = "for its drop")] TracePointLink),
}

impl Empty {
    /// Loads them, with where they can hang.
    ///
    /// # Errors
    /// Where the kernel lacks a tracepoint for which procmon takes another road.
    pub fn load() -> Result<(Self, Vec<Place>)> {
        let btf = Btf::from_sys_fs()?;
        let mut bpf = object(&btf)?;
        let mut hooks = Vec::new();
        for probe in PROBES {
            match probe.hook {
                Hook::BtfTracepoint(tracepoint) | Hook::BtfTracepointOr { tracepoint, .. } => {
                    let name = empty(tracepoint);
                    let program = bpf.program_mut(&name).context(name)?;
                    let program: &mut BtfTracePoint = program.try_into()?;
                    program.load(tracepoint, &btf)?;
                    hooks.push(Place::Btf(tracepoint));
                }
                Hook::Tracepoint(category, name) => {
                    hooks.push(Place::Tracepoint(category, name.to_owned()));
                }
                Hook::SyscallExit(calls) => {
                    let calls = calls.iter().filter(|call| has_exit(call));
                    hooks.extend(calls.map(|call| Place::Tracepoint(SYSCALLS, exit_of(call))));
                }
                // Neither slows anybody down.
                Hook::Iterator(_) | Hook::Part { .. } => {}
            }
        }
        let program: &mut TracePoint = bpf.program_mut(CALL).context(CALL)?.try_into()?;
        program.load()?;
        Ok((Self(bpf), hooks))
    }

    /// Hangs one on each of these.
    pub fn hang<'a>(&mut self, places: impl IntoIterator<Item = &'a Place>) -> Result<Vec<Hung>> {
        let places = places.into_iter();
        places.map(|place| self.hang_one(place)).collect()
    }

    fn hang_one(&mut self, place: &Place) -> Result<Hung> {
        Ok(match place {
            Place::Btf(tracepoint) => {
                let name = empty(tracepoint);
                let program = self.0.program_mut(&name).context(name)?;
                let program: &mut BtfTracePoint = program.try_into()?;
                let link = program.attach()?;
                Hung::Btf(program.take_link(link)?)
            }
            Place::Tracepoint(category, name) => {
                let program = self.0.program_mut(CALL).context(CALL)?;
                let program: &mut TracePoint = program.try_into()?;
                let link = program.attach(category, name)?;
                Hung::Tracepoint(program.take_link(link)?)
            }
        })
    }
}

fn empty(tracepoint: &str) -> String {
    format!("empty_{tracepoint}")
}

/// The tracepoint at the end of a call.
fn exit_of(call: &str) -> String {
    format!("sys_exit_{call}")
}

/// Whether this architecture has the call, and the kernel a tracepoint at its end.
pub fn has_exit(call: &str) -> bool {
    let events = Path::new("/sys/kernel/tracing/events/syscalls");
    events.join(exit_of(call)).is_dir()
}

/// The kernel programs, loaded by nobody yet.
pub fn object(btf: &Btf) -> Result<Ebpf> {
    let mut loader = EbpfLoader::new();
    loader.btf(Some(btf)).allow_unsupported_maps();
    Ok(loader.load(OBJECT)?)
}
