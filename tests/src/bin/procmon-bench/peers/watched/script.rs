//! The bpftrace script that counts what procmon counts, at the same hooks, as
//! bpftrace counts: by process, in its maps.

use procmon_common::probes::{Hook, PROBES};

/// What it says once everything is attached: what programs print is read only
/// then.
pub const ATTACHED: &str = "attached";

/// The script. `exists` says which system calls have an exit tracepoint here.
pub fn script(exists: impl Fn(&str) -> bool) -> String {
    let mut script = format!("interval:s:1 {{ printf(\"{ATTACHED}\\n\"); }}\n");
    for probe in PROBES {
        match probe.hook {
            Hook::BtfTracepoint(tracepoint) => script += &by_name(tracepoint),
            Hook::BtfTracepointOr { tracepoint, .. } => {
                script += &format!(
                    "tracepoint:sock:{tracepoint} /args->ret >= 0/ {{ @{tracepoint}[pid] = sum(args->ret); \
                     @{tracepoint}_calls[pid, args->protocol] = count(); }}\n"
                );
            }
            Hook::Tracepoint(category, name) => {
                script +=
                    &format!("tracepoint:{category}:{name} {{ @{name}[args->pid] = count(); }}\n");
            }
            Hook::SyscallExit(calls) => {
                let calls = calls.iter().filter(|call| exists(call));
                let hooks: Vec<String> = calls
                    .map(|call| format!("tracepoint:syscalls:sys_exit_{call}"))
                    .collect();
                if !hooks.is_empty() {
                    let (hooks, name) = (hooks.join(",\n"), probe.name);
                    script += &format!(
                        "{hooks} {{ if (args->ret < 0) {{ @{name}_failed[pid, args->ret] = count(); }} \
                         else {{ @{name}[pid] = count(); }} }}\n"
                    );
                }
            }
            // Of the kernel's own sums bpftrace knows nothing.
            Hook::Iterator(_) | Hook::Part { .. } => {}
        }
    }
    script
}

/// Off-CPU time by reason at a switch, births and execs, and what becomes of
/// control groups.
fn by_name(tracepoint: &str) -> String {
    if tracepoint.starts_with("cgroup_") {
        return format!("tracepoint:cgroup:{tracepoint} {{ @{tracepoint} = count(); }}\n");
    }
    let line = match tracepoint {
        "sched_switch" => {
            "tracepoint:sched:sched_switch {
    @switches[args->prev_pid, args->prev_state] = count();
    @left[args->prev_pid] = nsecs;
    $left = @left[args->next_pid];
    if ($left != 0) { @off_cpu[args->next_pid] = sum(nsecs - $left); }
}
"
        }
        "sched_process_fork" => {
            "tracepoint:sched:sched_process_fork { @forks[args->parent_pid] = count(); }\n"
        }
        "sched_process_exec" => "tracepoint:sched:sched_process_exec { @execs[pid] = count(); }\n",
        _ => "",
    };
    line.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hook_of_procmon_has_its_line() {
        let script = script(|call| call != "epoll_create");
        for probe in PROBES {
            let hooks = match probe.hook {
                Hook::BtfTracepoint(name) => vec![format!(":{name} ")],
                Hook::BtfTracepointOr { tracepoint, .. } => vec![format!(":{tracepoint} ")],
                Hook::Tracepoint(category, name) => vec![format!(":{category}:{name} ")],
                Hook::SyscallExit(calls) => calls
                    .iter()
                    .filter(|call| **call != "epoll_create")
                    .map(|call| format!(":sys_exit_{call}"))
                    .collect(),
                Hook::Iterator(_) | Hook::Part { .. } => vec![],
            };
            for hook in hooks {
                assert!(script.contains(&hook), "{hook} is not in\n{script}");
            }
        }
        assert!(!script.contains("sys_exit_epoll_create,"));
    }
}
