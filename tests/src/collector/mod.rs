//! Real collectors, on loopback addresses of their own.

mod mock;
mod rotel;

use std::{
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use crate::{
    address,
    daemon::Daemon,
    environment,
    point::Point,
    program::{Program, SOON},
};

/// How long a collector's output takes to be still after the end of a procmon, with room to spare.
const NEVER_STILL: Duration = Duration::from_secs(2);

/// A road into a collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// OTLP over gRPC.
    Grpc,
    /// OTLP as protobuf over HTTP.
    Http,
}

impl Protocol {
    /// Its value of `OTEL_EXPORTER_OTLP_PROTOCOL`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::Http => "http/protobuf",
        }
    }
}

/// A collector that shows the points it received.
pub struct Collector {
    daemon: Daemon,
    /// Where it keeps its own files.
    _folder: Option<TempDir>,
    grpc: String,
    http: String,
    parse: fn(&str) -> Vec<Point>,
    whole: fn(&str) -> &str,
}

impl Collector {
    /// Starts rotel, a collector in Rust, which shows the type of each attribute. The inner error
    /// is a reason to skip.
    pub fn rotel() -> Result<Result<Self, String>> {
        Self::rotel_showing("metrics")
    }

    /// The same showing another signal: metrics, logs or traces.
    pub fn rotel_showing(signal: &str) -> Result<Result<Self, String>> {
        let agent = match environment::tool(environment::ROTEL) {
            Ok(agent) => agent,
            Err(reason) => return Ok(Err(reason)),
        };
        let [grpc, http] = [address::free(), address::free()];
        let folder = tempfile::tempdir().context("no temporary folder")?;
        let mut command = Command::new(agent);
        command
            .args(["start", "--exporter", "blackhole", "--debug-log", signal])
            .args([
                "--debug-log-verbosity",
                "detailed",
                "--batch-max-size",
                "1000000",
            ])
            .args(["--otlp-grpc-endpoint", &grpc, "--otlp-http-endpoint", &http])
            .arg("--pid-file")
            .arg(folder.path().join("pid"))
            .arg("--log-file")
            .arg(folder.path().join("log"));
        Ok(Ok(Self {
            daemon: Daemon::start(command, &[&grpc, &http])?,
            _folder: Some(folder),
            grpc,
            http,
            parse: rotel::parse,
            whole: rotel::whole,
        }))
    }

    /// Starts mockotlpserver, a receiver in JavaScript, which shows flags. The inner error is a
    /// reason to skip.
    pub fn mock() -> Result<Result<Self, String>> {
        Self::mock_showing("metrics-json2")
    }

    /// The same with these forms of output.
    pub fn mock_showing(forms: &str) -> Result<Result<Self, String>> {
        let server = match environment::tool(environment::MOCK) {
            Ok(server) => server,
            Err(reason) => return Ok(Err(reason)),
        };
        let host = address::host();
        let mut command = Command::new(server);
        command
            .args(["-o", forms, "-l", "warn"])
            .arg(format!("--hostname={host}"));
        // Its ports are fixed.
        let [grpc, http] = [4317, 4318].map(|port| format!("{host}:{port}"));
        Ok(Ok(Self {
            daemon: Daemon::start(command, &[&grpc, &http])?,
            _folder: None,
            grpc,
            http,
            parse: mock::parse,
            // Of half a request nothing is read.
            whole: |text| text,
        }))
    }

    /// Its URL for this protocol.
    pub fn endpoint(&self, protocol: Protocol) -> String {
        match protocol {
            Protocol::Grpc => format!("http://{}", self.grpc),
            Protocol::Http => format!("http://{}", self.http),
        }
    }

    /// Kills it. What it has received is forgotten with [`Collector::start_again`].
    pub fn stop(&mut self) -> Result<()> {
        self.daemon.stop(libc::SIGKILL)
    }

    /// Starts it again at the same addresses.
    pub fn start_again(&mut self) -> Result<()> {
        self.daemon.start_again()
    }

    /// Waits until this holds of what it has printed, and returns that.
    pub fn wait_printed(&self, limit: Duration, holds: impl Fn(&str) -> bool) -> Result<String> {
        self.program().wait_for_stdout(limit, holds)
    }

    /// All points that have arrived, once no more come.
    pub fn points(&self) -> Result<Vec<Point>> {
        self.read(SOON, SOON, |_| true)
    }

    /// Its process, to be stopped or killed.
    pub fn program(&self) -> &Program {
        self.daemon.program()
    }

    /// Waits until this holds of all points that have arrived, and returns them.
    ///
    /// After the end of a procmon these are all of them.
    pub fn wait_for(
        &self,
        limit: Duration,
        holds: impl Fn(&[Point]) -> bool,
    ) -> Result<Vec<Point>> {
        self.read(limit, NEVER_STILL, holds)
    }

    /// The output is read when it has been still for a moment: half a point looks like one without
    /// a value. Where a procmon goes on many times a second it never is: after `patience` it is read
    /// as far as it is whole requests.
    fn read(
        &self,
        limit: Duration,
        patience: Duration,
        holds: impl Fn(&[Point]) -> bool,
    ) -> Result<Vec<Point>> {
        let begin = Instant::now();
        let until = begin + limit;
        let mut before = self.daemon.program().stdout();
        loop {
            thread::sleep(Duration::from_millis(150));
            let text = self.daemon.program().stdout();
            let late = Instant::now() > until;
            let still = text == before;
            if still || late || begin.elapsed() > patience {
                let points = (self.parse)(if still { &text } else { (self.whole)(&text) });
                if holds(&points) {
                    return Ok(points);
                }
                if late {
                    bail!(
                        "what was awaited did not arrive within {limit:?}; {} points did:\n{}",
                        points.len(),
                        points
                            .iter()
                            .map(|point| format!("{point:?}\n"))
                            .collect::<String>()
                    );
                }
            }
            before = text;
        }
    }
}
