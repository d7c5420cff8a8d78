//! VictoriaMetrics: a store that takes OTLP over HTTP and answers PromQL.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    address,
    daemon::Daemon,
    environment, http,
    promql::{self, Sample},
};

/// A started VictoriaMetrics.
pub struct VictoriaMetrics {
    daemon: Daemon,
    address: String,
    _folder: TempDir,
}

impl VictoriaMetrics {
    /// Starts an empty one that gives metrics the names Prometheus would, and answers with what it
    /// has at once. The inner error is a reason to skip.
    pub fn start() -> Result<Result<Self, String>> {
        let program = match environment::tool(environment::VICTORIA_METRICS) {
            Ok(program) => program,
            Err(reason) => return Ok(Err(reason)),
        };
        let address = address::free();
        let folder = tempfile::tempdir().context("no temporary folder")?;
        let mut command = Command::new(program);
        command
            .arg(format!("-storageDataPath={}", folder.path().display()))
            .arg(format!("-httpListenAddr={address}"))
            .args([
                "-opentelemetry.usePrometheusNaming",
                "-search.latencyOffset=0s",
                "-search.disableCache",
            ]);
        let daemon = Daemon::start(command, &[&address])?;
        Ok(Ok(Self {
            daemon,
            address,
            _folder: folder,
        }))
    }

    /// Where it takes OTLP, of all signals.
    pub fn endpoint(&self) -> String {
        format!("http://{}/opentelemetry", self.address)
    }

    /// What it answers now, with all that it was sent.
    pub fn query(&self, query: &str) -> Result<Vec<Sample>> {
        self.flush()?;
        promql::query(&self.address, query)
    }

    /// Asks until this holds of the answer.
    pub fn wait_for(&self, query: &str, holds: impl Fn(&[Sample]) -> bool) -> Result<Vec<Sample>> {
        promql::wait_for(|| self.query(query), holds).with_context(|| query.to_owned())
    }

    /// All points of the one series that this selects, as they were sent: times in milliseconds
    /// since 1970, in order. One that ends the series has no value.
    pub fn points(&self, selector: &str) -> Result<Vec<(u64, Option<f64>)>> {
        self.flush()?;
        let path = format!("/api/v1/export?match[]={}", promql::escaped(selector));
        let answer = http::get(&self.address, &path, &[])?;
        ensure!(answer.status == 200, "{selector}: {answer:?}");
        let series: Value = serde_json::from_slice(&answer.body)
            .with_context(|| format!("{selector}: not one series"))?;
        let times = series["timestamps"].as_array().context("no times")?;
        let values = series["values"].as_array().context("no values")?;
        ensure!(times.len() == values.len(), "{series}");
        let point = |(time, value): (&Value, &Value)| {
            let time = time.as_u64().context("a time is no number")?;
            Ok((time, value.as_f64()))
        };
        times.iter().zip(values).map(point).collect()
    }

    /// Ends it, as a service manager would.
    pub fn stop(&mut self) -> Result<()> {
        self.daemon.stop(libc::SIGTERM)
    }

    /// Starts it again, with what it had.
    pub fn start_again(&mut self) -> Result<()> {
        self.daemon.start_again()
    }

    /// Makes what it was sent be seen by queries.
    fn flush(&self) -> Result<()> {
        let answer = http::get(&self.address, "/internal/force_flush", &[])?;
        ensure!(answer.status == 200, "{answer:?}");
        Ok(())
    }
}
