//! Profiles and switches: what is exported, and what is loaded for it.

use std::{collections::BTreeSet, fs, path::Path};

use procmon::{
    collector::Collect,
    config::{self, PRESETS},
    metrics::process::named,
};
use procmon_common::probes::{Hook, PROBES};
use procmon_tests::{
    Collector, Procmon, Protocol, Victim, jsonl::Object, loaded, need, program::SOON,
};

use crate::support::*;

/// Everything off.
const NOTHING: &str = "{collect_cpu: false, collect_memory: false, collect_disk_io: false, \
                       collect_network_io: false, collect_threads: false, \
                       collect_file_descriptors: false}";

type Names = BTreeSet<String>;

/// What a run had.
#[derive(Debug, PartialEq, Eq)]
struct Had {
    /// Names of the metrics that the collector has of the victim.
    exported: Names,
    /// Those in its JSON lines.
    written: Names,
    /// The programs it had loaded.
    loaded: BTreeSet<String>,
}

/// Runs for three ticks.
fn run(collector: &Collector, profile: &str, file: Option<&Path>) -> (Had, String) {
    let victim = Victim::held_before("").unwrap();
    let mut procmon = Procmon::new("run")
        .pid(victim.pid())
        .args(["--interval", "300ms", "--jsonl", "-", "--otlp"])
        .arg(collector.endpoint(Protocol::Grpc))
        .env("PROCMON_PROFILE", profile);
    if let Some(file) = file {
        procmon = procmon.arg("--config").arg(file);
    }
    let procmon = procmon.start().unwrap();
    wait_objects(&procmon, 3);
    let loaded = loaded::programs(procmon.pid()).unwrap();
    let pid = Some(i64::from(victim.pid()));
    let times = |points: &[procmon_tests::Point]| {
        let ours = points.iter().filter(|point| point.pid() == pid);
        ours.map(|point| point.time).collect::<BTreeSet<_>>().len()
    };
    let points = collector
        .wait_for(SOON, |points| times(points) >= 3)
        .unwrap();
    let output = end(procmon);
    let ours = points.iter().filter(|point| point.pid() == pid);
    let had = Had {
        exported: ours.map(|point| point.metric.clone()).collect(),
        written: objects(&output.stdout).iter().flat_map(names).collect(),
        loaded,
    };
    (had, output.stderr)
}

/// The metrics of an object, histograms too.
fn names(object: &Object) -> Names {
    let keys = object.json["metrics"].as_object().unwrap().keys();
    let name = |key: &String| key.split('{').next().unwrap_or(key).to_owned();
    keys.map(name).collect()
}

/// What there is to be collected with a profile, as the library says it.
fn collected(profile: &str) -> Collect {
    let profile = |name: &str| (name == "PROCMON_PROFILE").then(|| profile.into());
    config::load(None, &profile).unwrap().config.collect()
}

impl Had {
    /// What is left of it with the switches and the programs of a profile.
    fn with(&self, collect: Collect) -> Self {
        let on = |name: &&String| {
            let row = named(name).unwrap_or_else(|| panic!("{name} is not in the catalogue"));
            collect.wanted.switches.has(row.switch)
        };
        let off = |program: &str| {
            let of = |probe: &&procmon_common::Probe| {
                !matches!(probe.hook, Hook::Part { .. }) && loaded::kept(probe.program) == program
            };
            let mut probes = PROBES.iter().filter(of);
            probes.any(|probe| !collect.programs.has(probe))
        };
        let loaded = self.loaded.iter().filter(|program| !off(program));
        Self {
            exported: self.exported.iter().filter(on).cloned().collect(),
            written: self.written.iter().filter(on).cloned().collect(),
            loaded: loaded.cloned().collect(),
        }
    }
}

#[test]
fn each_profile_run_for_three_ticks_exports_exactly_the_names_of_its_switches_and_loads_no_program_for_what_is_off()
 {
    let collector = need!(Collector::rotel().unwrap());
    let (all, said) = run(&collector, "intensive", None);
    assert!(said.contains("all 26 probes active"), "{said}");
    assert_eq!(all.exported, all.written);
    for probe in PROBES {
        assert!(
            all.loaded.contains(loaded::kept(probe.program)),
            "{probe:?}"
        );
    }
    let presets = PRESETS.iter().map(|(name, _)| *name);
    for profile in presets.chain([NOTHING]) {
        let collect = collected(profile);
        let (had, said) = run(&collector, profile, None);
        assert_eq!(had, all.with(collect), "{profile}");
        for probe in PROBES.iter().filter(|probe| !collect.programs.has(probe)) {
            let off = said.split("switched off: ").nth(1).unwrap_or_default();
            let off = off.lines().next().unwrap_or_default();
            let mut words = off.split([',', ' ', ';']);
            assert!(words.any(|word| word == probe.name), "{profile}: {said}");
        }
    }
}

#[test]
fn metrics_by_name_are_exported_alone_and_only_their_programs_are_loaded() {
    let collector = need!(Collector::rotel().unwrap());
    let folder = Folder::with("metrics: [process.memory.usage, procmon.process.forks]\n");
    let file = folder.path("procmon.yaml");
    let (had, said) = run(&collector, "standard", Some(&file));
    let wanted: Names = ["process.memory.usage", "procmon.process.forks"]
        .map(str::to_owned)
        .into();
    assert_eq!((&had.exported, &had.written), (&wanted, &wanted), "{said}");
    assert!(
        !had.loaded.iter().any(|name| name.starts_with("exit_")),
        "{had:?}"
    );
    fs::write(&file, "metrics: all\n").unwrap();
    let (all, _) = run(&collector, "standard", Some(&file));
    assert!(all.exported.contains("procmon.memory.uss"), "{all:?}");
}

#[test]
fn a_misspelt_metric_or_profile_is_answered_with_the_right_one() {
    let folder = Folder::with("metrics: [process.memory.usege]\nprofile: minimla\n");
    let said = [
        "procmon.yaml:1:11: metrics: \"process.memory.usege\" is no metric of processes: did you \
         mean `process.memory.usage`?",
        "procmon.yaml:2:10: profile: there is no profile \"minimla\": did you mean `minimal`?",
    ];
    assert_refused(&folder.config(&["check", "procmon.yaml"]), &said);
    let folder = Folder::with("");
    let run = folder.run(folder.once().args(["--profile", "real-time"]));
    assert_refused(
        &run,
        &["--profile: profile: there is no profile \"real-time\""],
    );
}

#[test]
fn the_profile_of_a_rule_says_what_is_collected_of_those_it_matches() {
    let [ruled, other] = [(); 2].map(|()| Victim::held_before("").unwrap());
    let folder = Folder::with(format!(
        "profile: intensive\nselect: {{rules: [{{match: pid == {}, profile: minimal}}]}}\n",
        ruled.pid()
    ));
    for road in ROADS {
        let run = watch(&[ruled.pid(), other.pid()], "100ms")
            .args(["--count", "3", "--config", "procmon.yaml"])
            .args(road);
        let output = folder.run(run);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let objects = objects(&output.stdout);
        let of = |pid| -> Names { of(&objects, pid).iter().flat_map(names).collect() };
        let (ruled, other) = (of(ruled.pid()), of(other.pid()));
        let minimal = collected("minimal").wanted.switches;
        let left = other
            .iter()
            .filter(|name| minimal.has(named(name).unwrap().switch));
        assert_eq!(ruled, left.cloned().collect::<Names>());
        assert!(other.contains("process.thread.count"), "{other:?}");
    }
}

#[test]
fn doctor_shows_probes_that_are_switched_off() {
    let folder = Folder::with("profile: minimal\n");
    let doctor = |road: &[&str]| {
        let doctor = Procmon::new("doctor").args(["--config", "procmon.yaml"]);
        folder.run(doctor.args(road))
    };
    let text = doctor(&[]);
    assert!(
        text.stdout
            .contains("switched off: send, receive, open, close"),
        "{text:?}"
    );
    let json: serde_json::Value = serde_json::from_str(&doctor(&["--json"]).stdout).unwrap();
    let probes = json["probes"].as_array().unwrap();
    let state = |name: &str| {
        let probe = probes.iter().find(|probe| probe["probe"] == name).unwrap();
        probe["state"].as_str().unwrap().to_owned()
    };
    assert_eq!([state("mmap"), state("open")], ["active", "off"]);
}
