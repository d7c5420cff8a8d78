//! `cargo xtask bench --peers`: procmon on whole hosts, beside what others use
//! there, and what the watched work feels of it.

pub mod arrivals;
pub mod crowd;
mod scale;
mod tool;
mod watched;

use std::time::Instant;

use anyhow::Result;

use self::scale::Cost;
use crate::{Effort, document, grid::Grid, interrupt, table::Table};

/// All that is measured.
pub struct Report {
    /// What telling of so many processes takes.
    costs: Grid,
    /// What the watched work feels.
    feels: Grid,
    /// What is limited.
    pub limits: Table,
}

type Section = fn(Effort, &mut Report) -> Result<()>;

const SECTIONS: [(&str, Section); 2] = [("scale", scale::measure), ("work", watched::measure)];

/// Measures the sections of these names, or all.
pub fn measure(effort: Effort, only: &[String]) -> Result<Report> {
    interrupt::catch();
    let mut report = Report {
        costs: Grid::new(&[
            "processes",
            "who",
            "CPU",
            "in the kernel",
            "wall",
            "RSS",
            "on the wire",
        ]),
        feels: Grid::new(&[
            "work",
            "with",
            "CPU",
            "CPU more",
            "wall more",
            "in the programs",
        ]),
        limits: Table::default(),
    };
    for (name, section) in SECTIONS {
        if only.is_empty() || only.iter().any(|only| only == name) {
            eprintln!("procmon-bench: {name}");
            let begin = Instant::now();
            section(effort, &mut report)?;
            eprintln!(
                "procmon-bench: {name} took {:.0} s",
                begin.elapsed().as_secs_f64()
            );
        }
    }
    Ok(report)
}

impl Report {
    /// What one of `processes` processes' tellers took, or why it did not run.
    fn cost(&mut self, processes: usize, who: &str, cost: Result<&Cost, &anyhow::Error>) {
        let none = || "-".to_owned();
        let mut cells = vec![processes.to_string(), who.to_owned()];
        match cost {
            Ok(cost) => {
                eprintln!("  {processes} processes, {who}: {:.2} ms", cost.cpu_ms);
                let percent = |part: f64| format!("{:.0} %", part * 100.0);
                let ms = |wall: std::time::Duration| format!("{:.1} ms", wall.as_secs_f64() * 1e3);
                let mib = |rss: f64| format!("{rss:.1} MiB");
                let kib = |bytes: usize| format!("{:.1} KiB", bytes as f64 / 1024.0);
                cells.push(format!("{:.2} ms", cost.cpu_ms));
                cells.push(cost.system.map_or_else(none, percent));
                cells.push(cost.wall.map_or_else(none, ms));
                cells.push(cost.rss_mib.map_or_else(none, mib));
                cells.push(cost.wire.map_or_else(none, kib));
            }
            Err(error) => {
                let why = document::cell(error);
                eprintln!("  {processes} processes, {who}: not measured: {why}");
                cells.push(format!("not measured: {why}"));
                cells.extend((0..4).map(|_| none()));
            }
        }
        self.costs.row(cells);
    }

    /// The tables as docs/benchmarks.md has them.
    pub fn document(&self) -> String {
        include_str!("document.md")
            .replace("{machine}", &document::machine())
            .replace("{costs}\n", &self.costs.to_string())
            .replace("{feels}\n", &self.feels.to_string())
            .replace("{limits}\n", &self.limits.to_string())
    }

    /// The tables alone, those of the sections that were measured.
    pub fn tables(&self) -> String {
        let measured = [&self.costs, &self.feels]
            .into_iter()
            .filter(|grid| !grid.is_empty());
        let measured: String = measured.map(|grid| format!("{grid}\n")).collect();
        format!("{measured}{}", self.limits)
    }
}
