//! How procmon does, for those who watch over it.

use http::StatusCode;
use serde_json::{Value, json};

use super::latest::Latest;
use crate::heartbeat::LONGEST;
use crate::metrics::ExporterHealth;

/// Since when each loop has not shown that it lives.
pub type Ages = [(&'static str, std::time::Duration)];

/// An answer: the status, and what is said.
#[derive(Debug, PartialEq)]
pub struct Answer {
    /// 200, or 503.
    pub status: StatusCode,
    /// An object.
    pub body: Value,
}

impl Answer {
    fn new(is_well: bool, body: Value) -> Self {
        let status = match is_well {
            true => StatusCode::OK,
            false => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self { status, body }
    }
}

/// `/healthz`: whether every loop has shown lately that it lives.
pub fn health(ages: &Ages) -> Answer {
    let reasons = late(ages);
    let loops = ages.iter();
    let loops: Vec<_> = loops
        .map(|(name, age)| json!({"loop": name, "age": age.as_secs_f64()}))
        .collect();
    Answer::new(
        reasons.is_empty(),
        json!({"healthy": reasons.is_empty(), "reasons": reasons, "loops": loops}),
    )
}

/// `/readyz`: whether procmon does what it was asked to. Probes that do not work
/// here are told, and are no reason; `exporters` are those that were asked for.
pub fn readiness(latest: Option<&Latest>, ages: &Ages, exporters: &[ExporterHealth]) -> Answer {
    let mut reasons = late(ages);
    if latest.is_none() {
        reasons.push("there is no frame yet".to_owned());
    }
    let failing = exporters.iter().filter(|exporter| exporter.failing);
    reasons.extend(failing.map(|exporter| {
        format!(
            "{}: the receiver does not take what is sent",
            exporter.exporter
        )
    }));
    let probes = latest.map_or(&[][..], |latest| &latest.view.frame.agent.probes);
    let probes = probes.iter().map(|probe| {
        let mut object = json!({"probe": probe.probe, "state": probe.state});
        if let Some(reason) = &probe.reason {
            object["reason"] = reason.as_str().into();
        }
        object
    });
    let exporters = exporters.iter().map(|exporter| {
        json!({
            "exporter": exporter.exporter,
            "failing": exporter.failing,
            "frames_dropped": exporter.frames_dropped,
        })
    });
    Answer::new(
        reasons.is_empty(),
        json!({
            "ready": reasons.is_empty(),
            "reasons": reasons,
            "exporters": exporters.collect::<Vec<_>>(),
            "probes": probes.collect::<Vec<_>>(),
        }),
    )
}

/// `/readyz` of a procmon that was asked to do nothing: it is ready, or nobody
/// could roll out the configuration that switches it off; `why` tells of it.
pub fn idleness(why: &str) -> Answer {
    Answer::new(
        true,
        json!({"ready": true, "reasons": [], "idle": why, "exporters": [], "probes": []}),
    )
}

fn late(ages: &Ages) -> Vec<String> {
    let late = ages.iter().filter(|(_, age)| *age > LONGEST);
    let words = |(name, age): &(&str, std::time::Duration)| {
        format!("the loop {name} has not moved for {} s", age.as_secs())
    };
    late.map(words).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn health_names_the_loop_that_hangs() {
        let well = [("collect", Duration::from_secs(1)), ("otlp", LONGEST)];
        assert_eq!(health(&well).status, StatusCode::OK);
        let hangs = [
            ("collect", Duration::from_secs(1)),
            ("report", Duration::from_secs(31)),
        ];
        let answer = health(&hangs);
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        let reasons = json!(["the loop report has not moved for 31 s"]);
        assert_eq!(answer.body["reasons"], reasons);
    }

    #[test]
    fn readiness_waits_for_a_frame_and_names_the_exporter_that_fails() {
        let exporters = [
            ExporterHealth {
                exporter: "otlp",
                failing: true,
                ..ExporterHealth::default()
            },
            ExporterHealth {
                exporter: "jsonl",
                ..ExporterHealth::default()
            },
        ];
        let answer = readiness(None, &[], &exporters);
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        let reasons = json!([
            "there is no frame yet",
            "otlp: the receiver does not take what is sent"
        ]);
        assert_eq!(answer.body["reasons"], reasons);
    }
}
