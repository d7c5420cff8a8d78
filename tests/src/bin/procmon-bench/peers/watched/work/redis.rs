//! redis-benchmark and its server, over loopback.

use anyhow::Result;

use super::{Work, command, free_port, place, serve};
use crate::peers::tool::Tool;

/// A server that keeps everything in memory; a portion sets and gets.
pub fn set_up() -> Result<Work> {
    let (cgroup, folder) = place("redis")?;
    let root = Tool::Redis.root()?;
    let port = free_port()?;
    let program = |name: &str| root.join("usr/bin").join(name).display().to_string();
    let server = [program("redis-server"), "--port".into(), port.clone()];
    let settings = ["--bind 127.0.0.1", "--appendonly no"].map(|words| words.split(' '));
    let mut words: Vec<&str> = server.iter().map(String::as_str).collect();
    words.extend(settings.into_iter().flatten());
    // No snapshots: they would fork at times of their own.
    words.extend(["--save", ""]);
    let mut command = command(&cgroup, Some(&root), &words)?;
    let server = serve(command.current_dir(&folder), &port)?;
    let portion = [
        &program("redis-benchmark"),
        "-p",
        &port,
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
