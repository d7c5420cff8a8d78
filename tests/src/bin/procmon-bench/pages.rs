//! What a scrape of a whole host costs procmon.

use anyhow::{Result, ensure};
use procmon_tests::{Procmon, http};

use crate::{
    Effort,
    host::Sleepers,
    stats,
    table::{Table, Value},
    usage,
};

/// The rows of `/metrics`.
pub fn measure(effort: Effort, table: &mut Table) -> Result<()> {
    let sleepers = Sleepers::start(effort.pick(2000, 100))?;
    // No tick comes between the pages.
    let procmon = Procmon::new("run")
        .args(["--all", "--interval", "24h", "--listen", "127.0.0.1:0"])
        .start()?;
    let address = http::address(&procmon)?;
    http::wait_for_page(&address, "/metrics", |answer| answer.status == 200)?;
    for (how, headers, limit) in [
        ("a page", &[][..], Some(20e-3)),
        ("a page, gzip", &[("Accept-Encoding", "gzip")][..], None),
    ] {
        let mut costs = Vec::new();
        let mut size = 0;
        for _ in 0..effort.pick(20, 3) {
            let before = usage::cpu_ns(procmon.pid())?;
            let answer = http::get(&address, "/metrics", headers)?;
            ensure!(answer.status == 200, "no page: {answer:?}");
            costs.push((usage::cpu_ns(procmon.pid())? - before) as f64 / 1e9);
            size = answer.body.len();
        }
        let what = format!("every process, {} sleeping: {how}", sleepers.number());
        let with = format!("{:.1} MiB", size as f64 / f64::from(1 << 20));
        let cost = Value::Seconds(stats::median(&costs));
        match limit {
            Some(limit) => table.limit(&what, String::new(), with, cost, Value::Seconds(limit)),
            None => table.tell(&what, String::new(), with, cost),
        }
    }
    Ok(())
}
