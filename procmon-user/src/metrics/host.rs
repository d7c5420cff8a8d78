//! The host table of the catalogue.

use super::Instrument::{self, Counter, Gauge, UpDownCounter};
use super::Source::{self, Kernel, Snapshot};
use super::exited::EXITED;
use super::{Attribute, HostRead, Metric, Points, Switch, Value};
use crate::frame::{Host, HostMemory};

const CPU_MODE: &[Attribute] = &[Attribute {
    key: "cpu.mode",
    values: &[
        "user",
        "nice",
        "system",
        "idle",
        "iowait",
        "interrupt",
        "softirq",
        "steal",
    ],
}];
const MEMORY_STATE: &[Attribute] = &[Attribute {
    key: "system.memory.state",
    values: &["used", "free", "cached", "buffers"],
}];
const SLAB_STATE: &[Attribute] = &[Attribute {
    key: "system.memory.linux.slab.state",
    values: &["reclaimable", "unreclaimable"],
}];
const LRU: &[Attribute] = &[Attribute {
    key: "procmon.memory.lru",
    values: &["active", "inactive"],
}];
const PAGING_STATE: &[Attribute] = &[Attribute {
    key: "system.paging.state",
    values: &["used", "free"],
}];
const FILESYSTEM: &[Attribute] = &[
    Attribute {
        key: "system.device",
        values: &[],
    },
    Attribute {
        key: "system.filesystem.mountpoint",
        values: &[],
    },
    Attribute {
        key: "system.filesystem.state",
        values: &["used", "free", "reserved"],
    },
];
const PRESSURE: &[Attribute] = &[
    Attribute {
        key: "procmon.pressure.resource",
        values: &["cpu", "memory", "io"],
    },
    Attribute {
        key: "procmon.pressure.kind",
        values: &["some", "full"],
    },
];
const PROCESS_STATE: &[Attribute] = &[Attribute {
    key: "process.state",
    values: &["running", "sleeping", "stopped", "defunct"],
}];

const fn row(
    name: &'static str,
    instrument: Instrument,
    unit: &'static str,
    source: Source,
    description: &'static str,
    read: HostRead,
) -> Metric<HostRead> {
    Metric::new(
        name,
        instrument,
        unit,
        source,
        Switch::Always,
        description,
        read,
    )
}

/// Every metric of the host, in the order of the contract.
pub fn rows() -> impl Iterator<Item = &'static Metric<HostRead>> {
    HOST.iter().chain(&EXITED)
}

const HOST: &[Metric<HostRead>] = &[
    row(
        "system.memory.usage",
        UpDownCounter,
        "By",
        Kernel,
        "Memory of the host by what it is used for.",
        |host, out| {
            memory(host, |m| {
                for (state, bytes) in memory_states(m) {
                    out.point(&[("system.memory.state", state)], Value::Int(bytes));
                }
            })
        },
    )
    .by(MEMORY_STATE),
    row(
        "system.memory.limit",
        UpDownCounter,
        "By",
        Kernel,
        "Memory the host has.",
        |host, out| memory(host, |m| out.point(&[], Value::Int(m.total))),
    ),
    row(
        "system.memory.utilization",
        Gauge,
        "1",
        Snapshot,
        "Memory of the host by what it is used for, as a share of what it has.",
        |host, out| {
            memory(host, |m| {
                for (state, bytes) in memory_states(m) {
                    share(out, &[("system.memory.state", state)], bytes, m.total);
                }
            })
        },
    )
    .by(MEMORY_STATE)
    .float(),
    row(
        "system.memory.linux.available",
        UpDownCounter,
        "By",
        Kernel,
        "Memory that can be given to processes without swapping (MemAvailable).",
        |host, out| memory(host, |m| out.point(&[], Value::Int(m.available))),
    ),
    row(
        "system.memory.linux.shared",
        UpDownCounter,
        "By",
        Kernel,
        "Memory that is shared, tmpfs mostly (Shmem).",
        |host, out| memory(host, |m| out.point(&[], Value::Int(m.shared))),
    ),
    row(
        "system.memory.linux.slab.usage",
        UpDownCounter,
        "By",
        Kernel,
        "Memory of the kernel's caches of objects (Slab).",
        |host, out| {
            memory(host, |m| {
                let [reclaimable, unreclaimable] = [m.slab_reclaimable, m.slab_unreclaimable];
                out.point(
                    &[("system.memory.linux.slab.state", "reclaimable")],
                    Value::Int(reclaimable),
                );
                out.point(
                    &[("system.memory.linux.slab.state", "unreclaimable")],
                    Value::Int(unreclaimable),
                );
            })
        },
    )
    .by(SLAB_STATE),
    row(
        "procmon.system.memory.lru",
        UpDownCounter,
        "By",
        Kernel,
        "Memory by whether it was used of late.",
        |host, out| {
            memory(host, |m| {
                out.point(&[("procmon.memory.lru", "active")], Value::Int(m.active));
                out.point(
                    &[("procmon.memory.lru", "inactive")],
                    Value::Int(m.inactive),
                );
            })
        },
    )
    .by(LRU),
    row(
        "system.paging.usage",
        UpDownCounter,
        "By",
        Kernel,
        "Swap space of the host.",
        |host, out| {
            memory(host, |m| {
                for (state, bytes) in paging_states(m) {
                    out.point(&[("system.paging.state", state)], Value::Int(bytes));
                }
            })
        },
    )
    .by(PAGING_STATE),
    row(
        "system.paging.utilization",
        Gauge,
        "1",
        Snapshot,
        "Swap space of the host, as a share of what it has.",
        |host, out| {
            memory(host, |m| {
                for (state, bytes) in paging_states(m) {
                    share(out, &[("system.paging.state", state)], bytes, m.swap_total);
                }
            })
        },
    )
    .by(PAGING_STATE)
    .float(),
    row(
        "system.cpu.time",
        Counter,
        "s",
        Kernel,
        "Time of all CPUs by what they did.",
        |host, out| {
            for (mode, ns) in &host.cpu_ns {
                out.point(&[("cpu.mode", mode)], Value::Float(seconds(*ns)));
            }
        },
    )
    .by(CPU_MODE)
    .float(),
    row(
        "system.cpu.logical.count",
        UpDownCounter,
        "{cpu}",
        Kernel,
        "Logical CPUs that are online.",
        |host, out| int(out, host.cpus),
    ),
    row(
        "system.uptime",
        Gauge,
        "s",
        Snapshot,
        "Time since the host booted.",
        |host, out| {
            if let Some(ns) = host.uptime_ns {
                out.point(&[], Value::Float(seconds(ns)));
            }
        },
    )
    .float(),
    row(
        "system.filesystem.usage",
        UpDownCounter,
        "By",
        Kernel,
        "Space of the mounted file systems.",
        |host, out| {
            filesystems(host, |attributes, bytes, _| {
                out.point(attributes, Value::Int(bytes));
            })
        },
    )
    .by(FILESYSTEM),
    row(
        "system.filesystem.utilization",
        Gauge,
        "1",
        Snapshot,
        "Space of the mounted file systems, as a share of what each has.",
        |host, out| {
            filesystems(host, |attributes, bytes, whole| {
                share(out, attributes, bytes, whole);
            })
        },
    )
    .by(FILESYSTEM)
    .float(),
    row(
        "procmon.system.pressure",
        Counter,
        "s",
        Kernel,
        "Time in which some or all tasks waited for a resource (pressure stall information).",
        |host, out| {
            for (resource, kind, ns) in &host.pressure {
                out.point(
                    &[
                        ("procmon.pressure.resource", resource),
                        ("procmon.pressure.kind", kind),
                    ],
                    Value::Float(seconds(*ns)),
                );
            }
        },
    )
    .by(PRESSURE)
    .float(),
    row(
        "system.process.count",
        UpDownCounter,
        "{process}",
        Kernel,
        "Processes of the host by state, but for those that a security module hides from the task \
         iterator (--no-ebpf has them too).",
        |host, out| {
            for (state, count) in &host.processes {
                out.point(&[("process.state", state)], Value::Int(*count));
            }
        },
    )
    .by(PROCESS_STATE),
    row(
        "system.process.created",
        Counter,
        "{process}",
        Kernel,
        "Processes created since boot; the kernel counts threads among them.",
        |host, out| int(out, host.forks),
    ),
];

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

fn int(out: &mut dyn Points, value: Option<u64>) {
    if let Some(value) = value {
        out.point(&[], Value::Int(value));
    }
}

fn share(out: &mut dyn Points, attributes: &[(&'static str, &str)], part: u64, whole: u64) {
    if whole > 0 {
        out.point(attributes, Value::Float(part as f64 / whole as f64));
    }
}

fn memory(host: &Host, each: impl FnOnce(&HostMemory)) {
    if let Some(memory) = &host.memory {
        each(memory);
    }
}

/// The states add up to the whole: what is neither free nor a cache is used.
fn memory_states(memory: &HostMemory) -> [(&'static str, u64); 4] {
    let caches = memory.cached + memory.buffers;
    let used = memory.total.saturating_sub(memory.free + caches);
    [
        ("used", used),
        ("free", memory.free),
        ("cached", memory.cached),
        ("buffers", memory.buffers),
    ]
}

fn paging_states(memory: &HostMemory) -> [(&'static str, u64); 2] {
    let used = memory.swap_total.saturating_sub(memory.swap_free);
    [("used", used), ("free", memory.swap_free)]
}

fn filesystems(host: &Host, mut each: impl FnMut(&[(&'static str, &str)], u64, u64)) {
    for filesystem in &host.filesystems {
        let states = [
            ("used", filesystem.used),
            ("free", filesystem.free),
            ("reserved", filesystem.reserved),
        ];
        let whole = states.iter().map(|(_, bytes)| bytes).sum();
        for (state, bytes) in states {
            let attributes = [
                ("system.device", filesystem.device.as_str()),
                ("system.filesystem.mountpoint", &filesystem.mountpoint),
                ("system.filesystem.state", state),
            ];
            each(&attributes, bytes, whole);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Filesystem;

    fn points(name: &str, host: &Host) -> Vec<(Vec<String>, f64)> {
        let row = HOST.iter().find(|row| row.name == name).expect("a row");
        let mut points = Vec::new();
        (row.read)(host, &mut |attributes: &[(&'static str, &str)],
                               value: Value<'_>| {
            let number = match value {
                Value::Int(value) => value as f64,
                Value::Float(value) => value,
                Value::Histogram(_) => unreachable!("the host has none"),
            };
            let keys: Vec<_> = attributes.iter().map(|(key, _)| *key).collect();
            let columns: Vec<_> = row.attributes.iter().map(|a| a.key).collect();
            assert_eq!(keys, columns, "{name} has the attributes of its row");
            points.push((
                attributes.iter().map(|(_, v)| (*v).to_owned()).collect(),
                number,
            ));
        });
        points
    }

    fn one(value: &str, number: f64) -> (Vec<String>, f64) {
        (vec![value.to_owned()], number)
    }

    #[test]
    fn states_of_memory_add_up_to_what_the_host_has() {
        let host = Host {
            memory: Some(HostMemory {
                total: 1000,
                free: 100,
                cached: 250,
                buffers: 50,
                ..HostMemory::default()
            }),
            ..Host::default()
        };
        assert_eq!(
            points("system.memory.usage", &host),
            [
                one("used", 600.0),
                one("free", 100.0),
                one("cached", 250.0),
                one("buffers", 50.0)
            ]
        );
        assert_eq!(
            points("system.memory.utilization", &host),
            [
                one("used", 0.6),
                one("free", 0.1),
                one("cached", 0.25),
                one("buffers", 0.05)
            ]
        );
    }

    #[test]
    fn a_host_without_swap_has_no_share_of_it_in_use() {
        let host = Host {
            memory: Some(HostMemory::default()),
            ..Host::default()
        };
        assert_eq!(
            points("system.paging.usage", &host),
            [one("used", 0.0), one("free", 0.0)]
        );
        assert_eq!(points("system.paging.utilization", &host), []);
    }

    #[test]
    fn file_systems_are_told_apart_by_device_and_mount_point() {
        let host = Host {
            filesystems: vec![Filesystem {
                device: "/dev/vda1".to_owned(),
                mountpoint: "/".to_owned(),
                used: 60,
                free: 30,
                reserved: 10,
            }],
            ..Host::default()
        };
        let of = |state: &str, number| {
            (
                vec!["/dev/vda1".to_owned(), "/".to_owned(), state.to_owned()],
                number,
            )
        };
        assert_eq!(
            points("system.filesystem.usage", &host),
            [of("used", 60.0), of("free", 30.0), of("reserved", 10.0)]
        );
        assert_eq!(
            points("system.filesystem.utilization", &host),
            [of("used", 0.6), of("free", 0.3), of("reserved", 0.1)]
        );
    }

    #[test]
    fn what_was_not_read_is_absent() {
        for row in HOST {
            assert_eq!(points(row.name, &Host::default()), [], "{}", row.name);
        }
    }

    #[test]
    fn times_are_in_seconds() {
        let host = Host {
            cpu_ns: vec![("user", 1_500_000_000), ("idle", 2_000_000_000)],
            uptime_ns: Some(3_250_000_000),
            pressure: vec![("io", "full", 500_000_000)],
            ..Host::default()
        };
        assert_eq!(
            points("system.cpu.time", &host),
            [one("user", 1.5), one("idle", 2.0)]
        );
        assert_eq!(points("system.uptime", &host), [(vec![], 3.25)]);
        assert_eq!(
            points("procmon.system.pressure", &host),
            [(vec!["io".to_owned(), "full".to_owned()], 0.5)]
        );
    }
}
