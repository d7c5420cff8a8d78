//! A procmon that loses something, and the three that tell.

use std::time::Duration;

use procmon_tests::{
    Attribute, Collector, Point, Procmon, Program, Protocol, program::SOON, watching::*,
};
use serde_json::Value;
use tempfile::TempDir;

/// What a metric of losses is called, and its attributes but for the number.
pub struct Metric {
    pub name: &'static str,
    pub attributes: &'static [(&'static str, &'static str)],
}

/// The metric of what the kernel half lost.
macro_rules! lost {
    ($event:literal, $reason:literal) => {
        $crate::scene::Metric {
            name: "procmon.agent.events.lost",
            attributes: &[("procmon.event", $event), ("procmon.loss.reason", $reason)],
        }
    };
}
pub(crate) use lost;

/// A procmon under way, with a report and a collector.
pub struct Scene {
    pub procmon: Program,
    collector: Collector,
    folder: TempDir,
}

/// What was told at the end.
pub struct Told {
    report: String,
    points: Vec<Point>,
}

impl Scene {
    /// Starts it with these options; the inner error is a reason to skip.
    pub fn start(run: impl FnOnce(Procmon) -> Procmon) -> Result<Self, String> {
        let collector = Collector::rotel().unwrap()?;
        let folder = tempfile::tempdir().unwrap();
        let options = Procmon::new("run")
            .args(["--otlp", &collector.endpoint(Protocol::Grpc), "--report"])
            .arg(folder.path().join("report"));
        let procmon = run(options).start_watching(SOON).unwrap();
        let scene = Self {
            procmon,
            collector,
            folder,
        };
        wait_until("the first report", || !scene.report().is_empty());
        Ok(scene)
    }

    /// The report so far.
    pub fn report(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("report")).unwrap_or_default()
    }

    /// Lets it stand still while something is done.
    pub fn while_stopped(&self, action: impl FnOnce()) {
        self.procmon.signal(libc::SIGSTOP).unwrap();
        wait_until("stopped", || {
            let stat = format!("/proc/{}/stat", self.procmon.pid());
            std::fs::read_to_string(stat).unwrap().contains(") T ")
        });
        action();
        self.procmon.signal(libc::SIGCONT).unwrap();
    }

    /// Waits until the report tells this loss.
    pub fn wait_told(&self, words: &str) {
        wait_until(words, || number_in(&self.report(), words).is_some());
    }

    /// What `doctor` says of this procmon: its line, and the number behind this loss in JSON.
    pub fn doctor(&self, key: &str) -> (String, u64) {
        let pid = self.procmon.pid();
        let text = output(&Procmon::new("doctor")).stdout;
        let line = text
            .lines()
            .find(|line| line.trim_start().starts_with(&format!("pid {pid} ")));
        let line = line.unwrap_or_else(|| panic!("nothing of {pid} in {text}"));
        let json = output(&Procmon::new("doctor").arg("--json")).stdout;
        let json: Value = serde_json::from_str(&json).unwrap();
        let running = json["running"].as_array().unwrap();
        let own = running.iter().find(|one| one["pid"] == pid).unwrap();
        (line.to_owned(), own["losses"][key].as_u64().unwrap())
    }

    /// Ends it.
    pub fn end(self) -> Told {
        self.procmon.signal(libc::SIGINT).unwrap();
        let output = self.procmon.wait(LIMIT).unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let report = self.folder.path().join("report");
        // Procmon's own metrics come with its end.
        let points = self.collector.wait_for(Duration::from_secs(20), |points| {
            points
                .iter()
                .any(|point| point.metric == "procmon.agent.tick.late")
        });
        Told {
            report: std::fs::read_to_string(report).unwrap(),
            points: points.unwrap(),
        }
    }
}

impl Told {
    /// The last number the report has behind these words, and that of the metric.
    pub fn numbers(&self, words: &str, metric: &Metric) -> [Option<u64>; 2] {
        let has = |point: &&Point| {
            let attributes = metric.attributes.iter();
            let same = attributes
                .clone()
                .all(|(name, value)| point.attributes.get(*name) == Some(&Attribute::from(*value)));
            point.metric == metric.name && same
        };
        let last = self
            .points
            .iter()
            .filter(has)
            .max_by_key(|point| point.time);
        let exported = last.and_then(|point| point.value).map(|value| value as u64);
        [number_in(&self.report, words), exported]
    }

    /// Asserts that report and metric tell the same, at least what `doctor` told before.
    pub fn assert_told(&self, words: &str, metric: &Metric, (line, earlier): (String, u64)) {
        assert!(earlier > 0, "doctor: {line}");
        assert!(line.contains(words), "doctor: {line}");
        let [report, exported] = self.numbers(words, metric);
        assert_eq!(report, exported, "report left, metric right");
        assert!(report >= Some(earlier), "{report:?} after {earlier}");
    }
}

/// The number behind these words in the last line of losses.
fn number_in(report: &str, words: &str) -> Option<u64> {
    let line = report
        .lines()
        .rfind(|line| line.contains(" lost so far: "))?;
    let (_, rest) = line.split_once(words)?;
    rest.trim_start().split(',').next()?.parse().ok()
}
