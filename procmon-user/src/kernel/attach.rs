//! Hangs the programs on their hooks: which of several ways each kernel takes,
//! and why a probe does not.

use std::path::Path;

use aya::maps::Array;
use aya::programs::{BtfTracePoint, FExit, Iter, ProgramError, TracePoint};
use aya::{Btf as AyaBtf, Ebpf};
use log::debug;
use procmon_common::Probe;
use procmon_common::config::SYSCALL_FCNTL;
use procmon_common::probes::{Family, Hook, PROBES, SYSCALL_FALLBACK};

use super::btf::Btf;
use super::load::Kernel;
use super::probe::{ProbeState, ProbeStatus, named};
use super::programs::Programs;
use super::{syscalls, tracefs};

/// The kernel's type information, for us and for aya, whose own is private.
#[derive(Clone, Copy)]
pub(super) struct Types<'a> {
    /// Ours, for what the kernel has.
    pub own: &'a Btf,
    /// aya's, for loading.
    pub aya: &'a AyaBtf,
}

impl Kernel {
    /// Attaches the chosen probes of the table, in its order.
    pub(super) fn attach(&mut self, types: Types<'_>, chosen: impl Fn(&Probe) -> bool) {
        let btf = types.aya;
        let tracefs = tracefs::find();
        let mut fallback: Option<Result<(), ProbeState>> = None;
        let bpf = &mut self.bpf;
        let cgroups = &self.offsets.cgroups;
        let programs = self.programs;
        for probe in PROBES.iter().filter(|probe| chosen(probe)) {
            if !programs.has(probe) {
                self.probes.push(ProbeStatus {
                    probe,
                    state: ProbeState::Off,
                });
                continue;
            }
            let state = match (probe.hook, &tracefs) {
                (Hook::BtfTracepoint(tracepoint), _) if probe.family == Family::Cgroup => {
                    attach_cgroup(bpf, probe, tracepoint, types, cgroups)
                        .map(|()| ProbeState::Active)
                }
                (Hook::BtfTracepoint(tracepoint), _) => {
                    attach_btf(bpf, probe, tracepoint, btf).map(|()| ProbeState::Active)
                }
                // A part does as the whole; of one that was not chosen there is none.
                (Hook::Part { of, .. }, _) => match named(&self.probes, of) {
                    Some(whole) => Ok(whole.state.clone()),
                    None => continue,
                },
                (Hook::Iterator(kind), _) => {
                    load_iterator(bpf, probe, kind, btf).map(|()| ProbeState::Active)
                }
                (Hook::BtfTracepointOr { tracepoint, exits }, _) => {
                    attach_either(bpf, probe, tracepoint, exits, types)
                }
                (Hook::Tracepoint(category, name), Ok(tracefs)) => {
                    attach_tracepoint(bpf, probe, (category, name), tracefs)
                        .map(|()| ProbeState::Active)
                }
                (Hook::Tracepoint(..), Err(absent)) => {
                    Err(ProbeState::Unsupported(absent.to_string()))
                }
                (Hook::SyscallExit(calls), Ok(tracefs)) => {
                    attach_exits(bpf, probe, calls, tracefs).map(|()| ProbeState::Active)
                }
                (Hook::SyscallExit(_), Err(absent)) => fallback
                    .get_or_insert_with(|| attach_fallback(bpf, btf, programs))
                    .clone()
                    .map(|()| {
                        ProbeState::Degraded(format!("{absent}: one program on sys_exit stands in"))
                    }),
            };
            self.probes.push(ProbeStatus {
                probe,
                state: state.unwrap_or_else(|state| state),
            });
        }
    }
}

/// Whether a probe counts what entries are there for; the others make them.
pub(super) fn counts(probe: &Probe) -> bool {
    matches!(
        probe.family,
        Family::Memory | Family::Files | Family::Network
    )
}

fn program<'a, P>(bpf: &'a mut Ebpf, probe: &Probe) -> Result<&'a mut P, ProbeState>
where
    &'a mut P: TryFrom<&'a mut aya::programs::Program, Error = ProgramError>,
{
    program_named(bpf, probe.program)
}

fn program_named<'a, P>(bpf: &'a mut Ebpf, name: &str) -> Result<&'a mut P, ProbeState>
where
    &'a mut P: TryFrom<&'a mut aya::programs::Program, Error = ProgramError>,
{
    bpf.program_mut(name)
        .ok_or_else(|| ProbeState::Failed("not in the object".to_owned()))?
        .try_into()
        .map_err(failed)
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> ProbeState {
    // One line: the verifier's log is for the debug log.
    let text = format!("{:#}", anyhow::Error::new(error));
    debug!("{text}");
    let first = text.lines().next().unwrap_or_default().trim();
    ProbeState::Failed(first.to_owned())
}

fn attach_btf(
    bpf: &mut Ebpf,
    probe: &Probe,
    tracepoint: &str,
    btf: &AyaBtf,
) -> Result<(), ProbeState> {
    let program: &mut BtfTracePoint = program(bpf, probe)?;
    program.load(tracepoint, btf).map_err(failed)?;
    program.attach().map_err(failed)?;
    Ok(())
}

/// Attaches to a tracepoint that a kernel may be built without, together with
/// what it tells of.
fn attach_cgroup(
    bpf: &mut Ebpf,
    probe: &Probe,
    tracepoint: &str,
    types: Types<'_>,
    readable: &Result<(), String>,
) -> Result<(), ProbeState> {
    readable.clone().map_err(ProbeState::Unsupported)?;
    if !types.own.has_tracepoint(tracepoint) {
        return Err(ProbeState::Unsupported(format!(
            "this kernel has no tracepoint {tracepoint} (CONFIG_CGROUPS)"
        )));
    }
    attach_btf(bpf, probe, tracepoint, types.aya)
}

/// Attaches to a tracepoint, or to the exits of functions where the kernel does
/// not have it.
fn attach_either(
    bpf: &mut Ebpf,
    probe: &Probe,
    tracepoint: &str,
    exits: &[(&str, &str)],
    types: Types<'_>,
) -> Result<ProbeState, ProbeState> {
    if types.own.has_tracepoint(tracepoint) {
        return attach_btf(bpf, probe, tracepoint, types.aya).map(|()| ProbeState::Active);
    }
    let mut attached = Vec::new();
    for (name, function) in exits {
        if !types.own.has_function(function) {
            continue;
        }
        let program: &mut FExit = program_named(bpf, name)?;
        program
            .load(function, types.aya)
            .and_then(|()| program.attach())
            .map_err(|error| {
                let hookable = !is_not_supported(&error);
                let state = failed(error);
                let reason = match state.reason() {
                    Some(reason) if hookable => reason,
                    _ => "this kernel cannot hook functions (on arm64 since Linux 6.4)",
                };
                ProbeState::Unsupported(format!(
                    "no tracepoint {tracepoint} (Linux 6.3), and fexit on {function}: {reason}"
                ))
            })?;
        attached.push(*function);
    }
    if attached.is_empty() {
        return Err(ProbeState::Unsupported(format!(
            "no tracepoint {tracepoint} (Linux 6.3), and no function to hook instead"
        )));
    }
    Ok(ProbeState::Degraded(format!(
        "no tracepoint {tracepoint}: exits of {}",
        attached.join(", ")
    )))
}

fn is_not_supported(error: &ProgramError) -> bool {
    /// Of the kernel alone (include/linux/errno.h): libc has no name for it.
    const ENOTSUPP: i32 = 524;
    matches!(error, ProgramError::SyscallError(error)
        if error.io_error.raw_os_error() == Some(ENOTSUPP))
}

fn load_iterator(
    bpf: &mut Ebpf,
    probe: &Probe,
    kind: &str,
    btf: &AyaBtf,
) -> Result<(), ProbeState> {
    let program: &mut Iter = program(bpf, probe)?;
    program.load(kind, btf).map_err(failed)
}

fn attach_tracepoint(
    bpf: &mut Ebpf,
    probe: &Probe,
    (category, name): (&str, &str),
    tracefs: &Path,
) -> Result<(), ProbeState> {
    if !tracefs.join("events").join(category).join(name).is_dir() {
        return Err(ProbeState::Unsupported(format!(
            "this kernel has no tracepoint {category}:{name}"
        )));
    }
    let program: &mut TracePoint = program(bpf, probe)?;
    program.load().map_err(failed)?;
    program.attach(category, name).map_err(failed)?;
    Ok(())
}

fn attach_exits(
    bpf: &mut Ebpf,
    probe: &Probe,
    calls: &[&str],
    tracefs: &Path,
) -> Result<(), ProbeState> {
    let exists = |call: &&&str| {
        let name = format!("sys_exit_{call}");
        tracefs.join("events/syscalls").join(name).is_dir()
    };
    // Calls this architecture does not have need no probe.
    let calls: Vec<_> = calls.iter().filter(exists).collect();
    if calls.is_empty() {
        return Err(ProbeState::Unsupported(
            "this kernel has no tracepoint for these calls (CONFIG_FTRACE_SYSCALLS)".to_owned(),
        ));
    }
    let program: &mut TracePoint = program(bpf, probe)?;
    program.load().map_err(failed)?;
    for call in calls {
        program
            .attach("syscalls", &format!("sys_exit_{call}"))
            .map_err(failed)?;
    }
    Ok(())
}

/// The one program for all system calls that are asked for, with its table of their numbers.
fn attach_fallback(bpf: &mut Ebpf, btf: &AyaBtf, programs: Programs) -> Result<(), ProbeState> {
    {
        let map = bpf
            .map_mut("SYSCALLS")
            .ok_or_else(|| ProbeState::Failed("no map SYSCALLS".to_owned()))?;
        let mut numbers: Array<_, u32> = Array::try_from(map).map_err(failed)?;
        for probe in PROBES.iter().filter(|probe| programs.has(probe)) {
            let (Hook::SyscallExit(calls), Some(operation)) = (probe.hook, probe.operation) else {
                continue;
            };
            for call in calls {
                let Some(number) = syscalls::number(call) else {
                    continue;
                };
                let value = match *call {
                    "fcntl" => SYSCALL_FCNTL,
                    _ => operation.index() as u32 + 1,
                };
                numbers.set(number, value, 0).map_err(failed)?;
            }
        }
    }
    let Hook::BtfTracepoint(tracepoint) = SYSCALL_FALLBACK.hook else {
        return Err(ProbeState::Failed("no fallback".to_owned()));
    };
    attach_btf(bpf, &SYSCALL_FALLBACK, tracepoint, btf)
}
