//! Debian's Prometheus and its promtool.

use std::{
    fs,
    io::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use crate::{
    address, environment,
    program::Program,
    promql::{self, Sample},
};

/// What `promtool check metrics` says of a page, line by line.
pub fn check(page: &str) -> Result<Result<Vec<String>, String>> {
    let promtool = match binary("promtool") {
        Ok(promtool) => promtool,
        Err(reason) => return Ok(Err(reason)),
    };
    let mut child = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start promtool")?;
    let mut stdin = child.stdin.take().context("no stdin")?;
    stdin.write_all(page.as_bytes())?;
    drop(stdin);
    let output = child.wait_with_output()?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said)?;
    Ok(Ok(said.lines().map(str::to_owned).collect()))
}

/// A Prometheus that scrapes one page a second.
pub struct Prometheus {
    program: Program,
    address: String,
    _folder: TempDir,
}

impl Prometheus {
    /// One that scrapes `address`, with this parameter `target`. The inner error
    /// is a reason to skip.
    pub fn scraping(address: &str, target: Option<u32>) -> Result<Result<Self, String>> {
        let params = target.map_or(String::new(), |pid| {
            format!("    params: {{target: ['{pid}']}}\n")
        });
        Self::configured(&format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\n\
             scrape_configs:\n  - job_name: procmon\n{params}    \
             static_configs: [{{targets: ['{address}']}}]\n"
        ))
    }

    /// One with this configuration. The inner error is a reason to skip.
    pub fn configured(text: &str) -> Result<Result<Self, String>> {
        let prometheus = match binary("prometheus") {
            Ok(prometheus) => prometheus,
            Err(reason) => return Ok(Err(reason)),
        };
        let own = address::free();
        let folder = tempfile::tempdir().context("no temporary folder")?;
        let file = folder.path().join("prometheus.yml");
        fs::write(&file, text)?;
        let mut command = Command::new(prometheus);
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.path().join("data").display()
            ))
            .arg(format!("--web.listen-address={own}"));
        let program = Program::start(&mut command)?;
        Ok(Ok(Self {
            program,
            address: own,
            _folder: folder,
        }))
    }

    /// The values of a query: labels and value.
    pub fn query(&self, query: &str) -> Result<Vec<Sample>> {
        promql::query(&self.address, query)
    }

    /// Waits until a query has this number of values.
    pub fn wait_for(&self, query: &str, count: usize) -> Result<Vec<Sample>> {
        promql::wait_for(|| self.query(query), |values| values.len() == count)
            .with_context(|| format!("{query}\n{}", self.program.stderr()))
    }
}

fn binary(name: &str) -> Result<PathBuf, String> {
    let root = environment::tool(environment::PROMETHEUS)?;
    Ok(root.join("usr/bin").join(name))
}
