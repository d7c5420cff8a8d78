//! `procmon doctor`: what works here, and what to do about the rest.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::config::environment;
use super::failure::Failure;
use crate::capabilities::{KEPT, Kept};
use crate::config;
use crate::frame::losses_in_words;
use crate::kernel::{
    self, Finding, Kernel, KernelError, Losses, Options, Prerequisites, ProbeStatus, Roads,
    Running, Scope, running,
};
use procmon_common::Loss;

/// Say which probes work here, and why others do not
///
/// Looks at privileges, BTF, tracefs, lockdown and the PID namespace, then loads and attaches
/// every probe, and takes them off again. Says what the procmons that run here have lost so
/// far. Ends with 3 when nothing can be counted.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// As JSON
    #[arg(long)]
    json: bool,
    /// As this configuration file has it: what it switches off is not loaded
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Runs the command.
pub fn doctor(args: &Args) -> Result<ExitCode, Failure> {
    let config = config::load(args.config.as_deref(), &environment)?.config;
    let prerequisites = Prerequisites::look();
    let kernel = Kernel::load(Options {
        scope: Scope::Chosen,
        children: false,
        sizes: config.sizes(),
        programs: config.collect().programs,
    });
    let running = running();
    let text = if args.json {
        format!("{:#}", as_json(&prerequisites, &kernel, &running))
    } else {
        as_text(&prerequisites, &kernel, &running)
    };
    super::stdout(&text)?;
    Ok(match kernel {
        Ok(kernel) => {
            kernel.detach_in_background();
            ExitCode::SUCCESS
        }
        Err(_) => ExitCode::from(3),
    })
}

fn as_text(
    prerequisites: &Prerequisites,
    kernel: &Result<Kernel, KernelError>,
    running: &Result<Vec<Running>, String>,
) -> String {
    let mut text = format!("kernel {}\n\nHost\n", prerequisites.release);
    for finding in prerequisites.findings() {
        let mark = if finding.ok { "ok" } else { "--" };
        let _ = writeln!(text, "  {mark}  {:<14} {}", finding.name, finding.found);
        if let Some(advice) = finding.advice {
            let _ = writeln!(text, "      {:<14} {advice}", "");
        }
    }
    capabilities_as_text(&mut text);
    match kernel {
        Ok(kernel) => {
            text.push_str("\nProbes\n");
            for status in kernel.probes() {
                let mark = if status.state.works() { "ok" } else { "--" };
                let _ = write!(
                    text,
                    "  {mark}  {:<10} {:<13} {}",
                    status.family(),
                    status.probe.name,
                    status.state.name()
                );
                let _ = match status.state.reason() {
                    Some(reason) => writeln!(text, ": {reason}"),
                    None => writeln!(text),
                };
            }
            roads_as_text(&mut text, kernel.probes());
            text.push_str("\nMaps\n");
            for map in kernel.maps() {
                let memory = map.memory.map_or("unknown".to_owned(), |bytes| {
                    format!("{} KiB of kernel memory", bytes / 1024)
                });
                let _ = writeln!(
                    text,
                    "      {:<10} room for {:>8}, {memory}",
                    map.name, map.limit
                );
            }
            lost_as_text(&mut text, kernel.losses(), running);
            let _ = write!(text, "\n{}", kernel.summary());
        }
        Err(error) => {
            roads_as_text(&mut text, &[]);
            let _ = write!(text, "\nNothing can be counted: {error}");
        }
    }
    text
}

/// What `run` and `exec` keep of their capabilities, and whether it is there.
fn capabilities_as_text(text: &mut String) {
    text.push_str("\nCapabilities, kept once it is attached\n");
    for kept in KEPT {
        let mark = if kept.is_held() { "ok" } else { "--" };
        let (name, when, what_for) = (kept.name, kept.when, kept.what_for);
        let _ = writeln!(text, "  {mark}  {name:<20} {when}, {what_for}");
    }
}

/// The roads to each kind of number, the best first; the one taken has a mark.
fn roads_as_text(text: &mut String, probes: &[ProbeStatus]) {
    text.push_str("\nRoads, in order of preference; > is taken\n");
    for Roads { to, roads, reason } in kernel::roads(probes) {
        let roads: Vec<String> = roads
            .iter()
            .map(|road| format!("{}{}", if road.taken { "> " } else { "" }, road.name))
            .collect();
        let why = reason.map_or(String::new(), |reason| format!(" ({reason})"));
        let _ = writeln!(text, "      {to:<14} {}{why}", roads.join(" | "));
    }
}

fn roads_as_json(probes: &[ProbeStatus]) -> Value {
    kernel::roads(probes)
        .into_iter()
        .map(|Roads { to, roads, reason }| {
            let roads: Vec<Value> = roads
                .iter()
                .map(|road| json!({"road": road.name, "taken": road.taken}))
                .collect();
            json!({"to": to, "roads": roads, "reason": reason})
        })
        .collect()
}

/// What was lost: in this short run, and by each procmon that runs.
fn lost_as_text(text: &mut String, own: Losses, running: &Result<Vec<Running>, String>) {
    let words = |losses: Losses| match losses.told() {
        lost if lost.is_empty() => "nothing".to_owned(),
        lost => losses_in_words(&lost),
    };
    text.push_str("\nLost\n");
    let _ = writeln!(text, "      {:<10} {}", "just now", words(own));
    match running {
        Ok(running) => {
            for other in running {
                let whose = format!("pid {}", other.pid);
                let _ = writeln!(text, "      {whose:<10} {}", words(other.losses));
            }
        }
        Err(reason) => {
            let _ = writeln!(text, "      {:<10} unknown: {reason}", "others");
        }
    }
}

fn as_json(
    prerequisites: &Prerequisites,
    kernel: &Result<Kernel, KernelError>,
    running: &Result<Vec<Running>, String>,
) -> Value {
    let finding = |finding: &Finding| {
        json!({
            "name": finding.name,
            "ok": finding.ok,
            "found": finding.found,
            "advice": finding.advice,
        })
    };
    let capability = |kept: &Kept| {
        json!({
            "name": kept.name,
            "held": kept.is_held(),
            "kept": kept.when,
            "what_for": kept.what_for,
        })
    };
    let mut value = json!({
        "kernel": prerequisites.release,
        "host": prerequisites.findings().map(finding),
        "capabilities": KEPT.iter().map(capability).collect::<Vec<_>>(),
    });
    value["running"] = match running {
        Ok(running) => running
            .iter()
            .map(|other| json!({"pid": other.pid, "losses": losses(other.losses)}))
            .collect(),
        Err(_) => Value::Null,
    };
    match kernel {
        Ok(kernel) => {
            let probes: Vec<Value> = kernel
                .probes()
                .iter()
                .map(|status| {
                    json!({
                        "probe": status.probe.name,
                        "family": status.family(),
                        "state": status.state.name(),
                        "reason": status.state.reason(),
                    })
                })
                .collect();
            let maps = kernel
                .maps()
                .map(|map| json!({"map": map.name, "limit": map.limit, "memory": map.memory}));
            value["probes"] = probes.into();
            value["roads"] = roads_as_json(kernel.probes());
            value["maps"] = maps.to_vec().into();
            value["losses"] = losses(kernel.losses());
            value["summary"] = kernel.summary().into();
        }
        Err(error) => {
            value["roads"] = roads_as_json(&[]);
            value["error"] = error.to_string().into();
        }
    }
    value
}

fn losses(losses: Losses) -> Value {
    Loss::ALL
        .iter()
        .map(|loss| (format!("{loss:?}"), losses.get(*loss).into()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}
