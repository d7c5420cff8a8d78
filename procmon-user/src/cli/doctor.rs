//! `procmon doctor`: what works here, and what to do about the rest.

use std::fmt::Write as _;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::arguments::sizes;
use super::failure::Failure;
use crate::kernel::{Finding, Kernel, KernelError, Losses, Options, Prerequisites, Scope};
use procmon_common::Loss;

/// Say which probes work here, and why others do not
///
/// Looks at privileges, BTF, tracefs, lockdown and the PID namespace, then loads and attaches
/// every probe, and takes them off again. Ends with 3 when nothing can be counted.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn doctor(args: &Args) -> Result<ExitCode, Failure> {
    let prerequisites = Prerequisites::look();
    let kernel = Kernel::load(Options {
        scope: Scope::Chosen,
        children: false,
        sizes: sizes()?,
    });
    let text = if args.json {
        format!("{:#}", as_json(&prerequisites, &kernel))
    } else {
        as_text(&prerequisites, &kernel)
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

fn as_text(prerequisites: &Prerequisites, kernel: &Result<Kernel, KernelError>) -> String {
    let mut text = format!("kernel {}\n\nHost\n", prerequisites.release);
    for finding in prerequisites.findings() {
        let mark = if finding.ok { "ok" } else { "--" };
        let _ = writeln!(text, "  {mark}  {:<14} {}", finding.name, finding.found);
        if let Some(advice) = finding.advice {
            let _ = writeln!(text, "      {:<14} {advice}", "");
        }
    }
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
            let _ = write!(text, "\n{}", kernel.summary());
        }
        Err(error) => {
            let _ = write!(text, "\nNothing can be counted: {error}");
        }
    }
    text
}

fn as_json(prerequisites: &Prerequisites, kernel: &Result<Kernel, KernelError>) -> Value {
    let finding = |finding: &Finding| {
        json!({
            "name": finding.name,
            "ok": finding.ok,
            "found": finding.found,
            "advice": finding.advice,
        })
    };
    let mut value = json!({
        "kernel": prerequisites.release,
        "host": prerequisites.findings().map(finding),
    });
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
            value["maps"] = maps.to_vec().into();
            value["losses"] = losses(kernel.losses());
            value["summary"] = kernel.summary().into();
        }
        Err(error) => value["error"] = error.to_string().into(),
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
