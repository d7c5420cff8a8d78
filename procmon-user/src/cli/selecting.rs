//! Options that say whom to watch.

use std::sync::Arc;

use clap::Args;

use super::failure::Failure;
use crate::collector::Selection;
use crate::process::select::{Expression, Rules};

/// How much of what was asked for is said again, in characters.
const LONGEST: usize = 120;

/// Whom to watch: one of these ways.
#[derive(Debug, Args)]
pub struct Selecting {
    /// Watch this process; may be given more than once
    #[arg(long, value_name = "PID")]
    pid: Vec<u32>,
    /// Watch what they fork, too
    #[arg(long, requires = "pid", conflicts_with_all = ["all", "matching", "unit", "container"])]
    children: bool,
    /// Watch every process
    #[arg(long, conflicts_with = "pid")]
    all: bool,
    /// With --all: kernel threads too
    #[arg(long, requires = "all", conflicts_with_all = ["pid", "matching", "unit", "container"])]
    kernel_threads: bool,
    /// Watch the processes of which this holds, whenever they come; given more
    /// than once, of which any holds
    ///
    /// As in 'executable == "postgres" and not user == "root"'. Fields: executable, path,
    /// command, args, user, cgroup, unit, container, age, rss, cpu, pid, parent. Operators: ==,
    /// !=, =~, !~ (regular expressions), <, >, in ("a", "b"); and, or, not, parentheses.
    #[arg(long = "match", value_name = "EXPR", conflicts_with_all = ["pid", "all"])]
    matching: Vec<String>,
    /// Watch the processes of this systemd unit, as in nginx or session-1.scope
    #[arg(long, value_name = "UNIT", conflicts_with_all = ["pid", "all", "matching"])]
    unit: Vec<String>,
    /// Watch the processes of this container, by at least 12 digits of its id
    #[arg(long, value_name = "ID", conflicts_with_all = ["pid", "all", "matching", "unit"])]
    container: Vec<String>,
}

impl Selecting {
    /// Every process is watched.
    pub fn all(&self) -> bool {
        self.all
    }

    /// No option says whom: rules do.
    pub fn is_by_rules(&self) -> bool {
        let named = [&self.matching, &self.unit, &self.container];
        !self.all && self.pid.is_empty() && named.iter().all(|words| words.is_empty())
    }

    /// Watching ends by itself, with those who are watched.
    pub fn ends(&self) -> bool {
        !self.pid.is_empty()
    }

    /// Who was asked for; when no option says so, whom the rules match.
    pub fn selection(&self, rules: &Rules) -> Result<Selection, Failure> {
        if self.all {
            return Ok(Selection::All {
                kernel_threads: self.kernel_threads,
            });
        }
        let conditions = self.conditions()?;
        if !conditions.is_empty() {
            return Ok(Selection::Matching(Arc::new(Rules::of(conditions))));
        }
        if self.pid.is_empty() && !rules.is_empty() {
            return Ok(Selection::Matching(Arc::new(rules.clone())));
        }
        if self.pid.is_empty() {
            return Err(Failure::Usage(
                "nothing to watch: name processes by --pid PID, again for each, by --match EXPR, \
                 --unit UNIT or --container ID, by select.rules in --config FILE, or all by --all"
                    .to_owned(),
            ));
        }
        Ok(Selection::Processes {
            pids: self.pids(),
            children: self.children,
        })
    }

    /// The pids that were given, each once.
    fn pids(&self) -> Vec<u32> {
        let mut pids = self.pid.clone();
        pids.sort_unstable();
        pids.dedup();
        pids
    }

    fn conditions(&self) -> Result<Vec<Expression>, Failure> {
        let matching = self.matching.iter().map(|text| {
            let condition = text.parse::<Expression>();
            condition.map_err(|error| Failure::Usage(format!("--match: {error}")))
        });
        let units = self.unit.iter().map(|name| {
            Expression::of_unit(name).map_err(|why| Failure::Usage(format!("--unit: {why}")))
        });
        let containers = self.container.iter().map(|id| {
            Expression::of_container(id)
                .map_err(|why| Failure::Usage(format!("--container: {why}")))
        });
        matching.chain(units).chain(containers).collect()
    }

    /// The same in words.
    pub fn whom(&self) -> String {
        let or = |words: &[String]| shortened(&words.join(" or "));
        if self.all {
            return "every process".to_owned();
        }
        if !self.matching.is_empty() {
            return format!("processes that match {}", or(&self.matching));
        }
        if !self.unit.is_empty() {
            return format!("processes of unit {}", or(&self.unit));
        }
        if !self.container.is_empty() {
            return format!("processes of container {}", or(&self.container));
        }
        if self.pid.is_empty() {
            return "processes that select.rules match".to_owned();
        }
        let pids: Vec<String> = self.pids().iter().map(u32::to_string).collect();
        let children = if self.children { " and children" } else { "" };
        format!("pid {}{children}", pids.join(", "))
    }
}

/// What was asked for, in one line of a log.
fn shortened(text: &str) -> String {
    let mut line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(LONGEST)
        .collect();
    if text.chars().nth(LONGEST).is_some() {
        line.push_str("...");
    }
    line
}
