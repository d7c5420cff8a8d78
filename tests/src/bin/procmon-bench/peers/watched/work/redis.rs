//! redis-benchmark and its server, over loopback.

use anyhow::Result;
use procmon_tests::address;

use super::{Work, command, place, serve};
use crate::peers::tool::Tool;

/// A server that keeps everything in memory; a portion sets and gets.
pub fn set_up() -> Result<Work> {
    let (cgroup, folder) = place("redis")?;
    let root = Tool::Redis.root()?;
    let address = address::free();
    let (host, port) = address::parts(&address)?;
    let program = |name: &str| root.join("usr/bin").join(name).display().to_string();
    let server = program("redis-server");
    let words = [
        &server,
        "--port",
        port,
        "--bind",
        host,
        "--appendonly",
        "no",
        // No snapshots: they would fork at times of their own.
        "--save",
        "",
    ];
    let mut command = command(&cgroup, Some(&root), &words)?;
    let server = serve(command.current_dir(&folder), &address)?;
    let portion = [
        &program("redis-benchmark"),
        "-h",
        host,
        "-p",
        port,
        "-t",
        "set,get",
        "-c",
        "20",
        "-n",
        "2000",
        "-q",
    ];
    Ok(Work {
        name: "redis-benchmark",
        every: 4,
        server: Some(server),
        portion: portion.map(str::to_owned).to_vec(),
        libraries: Some(root),
        cgroup,
        _folder: folder,
    })
}
