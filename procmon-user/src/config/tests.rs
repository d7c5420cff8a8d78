use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use log::LevelFilter;

use super::keys::{KEYS, LATER};
use super::*;
use crate::export::mqtt::Qos;
use crate::export::mqtt::settings::Waiting;
use crate::export::otlp::Traced;
use crate::export::otlp::spool::{SpoolKeys, SpoolSize};
use crate::http::page::Part;
use crate::metrics::compat::Compat;
use crate::metrics::prometheus::Naming;
use crate::process::Switch;
use crate::process::select::RuleSpec;
use crate::shape::{GroupBy, Key};

type Variables<'a> = &'a [(&'a str, &'a str)];

/// A file with this text in a folder of its own.
fn file(text: impl AsRef<[u8]>) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("procmon.yaml");
    fs::write(&path, text).unwrap();
    (folder, path)
}

fn load_with(text: &str, variables: Variables<'_>) -> Result<Loaded, ConfigError> {
    let (_folder, path) = file(text);
    load(Some(&path), &|name| {
        let variable = variables.iter().find(|(key, _)| *key == name);
        variable.map(|(_, value)| value.into())
    })
}

fn good(text: &str) -> Config {
    load_with(text, &[])
        .unwrap_or_else(|error| panic!("{error}"))
        .config
}

/// All mistakes, without the folder of the file.
fn mistakes(text: &str) -> Vec<String> {
    let ConfigError(mistakes) = load_with(text, &[]).expect_err("a mistake");
    let shown = |mistake: &Mistake| {
        let text = mistake.to_string();
        text[text.find("procmon.yaml").unwrap()..].to_owned()
    };
    mistakes.iter().map(shown).collect()
}

fn seconds(n: u64) -> Interval {
    Interval(std::time::Duration::from_secs(n))
}

#[test]
fn an_empty_file_means_the_defaults() {
    for text in [
        "",
        "\n\n",
        "# words\n",
        "---\n",
        "kernel:\nexport: {otlp: ~}\ninterval:\n",
    ] {
        assert_eq!(good(text), Config::default(), "{text:?}");
    }
    assert_eq!(load(None, &|_| None).unwrap(), Loaded::default());
}

#[test]
fn every_key_of_a_file_is_taken_over() {
    let config = good(
        "interval: 10s\n\
         enabled: false\n\
         profile: night\n\
         profiles: {night: {interval: 5m}}\n\
         metrics: all\n\
         command_args: true\n\
         compat: [vertex_ar]\n\
         overhead_budget: off\n\
         overhead_period: 1m\n\
         select: {top: 20, by: [io], sticky: 3, group_by: container, max_series: 100,\
        \x20 rules: [{match: pid == 1}]}\n\
         kernel: {max_processes: 1000, events_buffer: 64KiB}\n\
         http:\n\
        \x20 listen: 0.0.0.0:9641\n\
        \x20 allow_remote: true\n\
        \x20 hosts: [node1]\n\
        \x20 token_file: token\n\
        \x20 tls: {certificate: s.pem, key: s.key}\n\
        \x20 metrics: {naming: plain, parts: [host]}\n\
         export:\n\
        \x20 otlp:\n\
        \x20   endpoint: http://127.0.0.1:4318\n\
        \x20   protocol: http/protobuf\n\
        \x20   headers: 'a=b'\n\
        \x20   timeout: 500\n\
        \x20   compression: none\n\
        \x20   certificate: ca.pem\n\
        \x20   client_certificate: c.pem\n\
        \x20   client_key: c.key\n\
        \x20   insecure: true\n\
        \x20   temporality: delta\n\
        \x20   histogram_aggregation: explicit_bucket_histogram\n\
        \x20   service_name: watcher\n\
        \x20   resource_attributes: 'team=a'\n\
        \x20   service_instance: false\n\
        \x20   events: false\n\
        \x20   traces: [processes, agent]\n\
        \x20   spool: {max_size: 1GiB}\n\
        \x20 report: {file: r.log, max_size: 1MiB, max_age: 24h, max_files: 3}\n\
        \x20 jsonl: {file: '-', max_size: off}\n\
        \x20 mqtt: {url: 'mqtts://b', topic: 't/{client_id}', domain_id: d, channel_id: c,\n\
        \x20   client_id: p, username: u, password: w, qos: 0, retain: true, queue: 5,\n\
        \x20   certificate: ca, client_certificate: cc, client_key: ck}\n\
         logging: {file: p.log, max_size: off, max_files: 0, otlp: true, otlp_only: true, \
         levels: {default: DEBUG, kernel: trace}}\n\
         history: {retain: false, size: 1000, max_memory: 1MiB}\n\
         state_dir: /var/lib/procmon\n",
    );
    let text = |text: &str| Some(text.to_owned());
    let night = Profile {
        interval: seconds(300),
        ..Profiles::default().find("standard").unwrap()
    };
    let wanted = Config {
        enabled: false,
        profile: Some(ProfileChoice::Named("night".to_owned())),
        profiles: Profiles([("night".to_owned(), night)].into()),
        in_force: night,
        interval: seconds(10),
        metrics: Metrics(crate::metrics::Choice::All),
        command_args: true,
        compat: vec![Compat::VertexAr],
        overhead_budget: Budget(None),
        overhead_period: Period(seconds(60).0),
        select: Select {
            top: Top(20),
            by: By(vec![Key::Io]),
            sticky: Sticky(3),
            group_by: Some(GroupBy::Container),
            max_series: Some(MaxSeries(100)),
            rules: RuleList(vec![RuleSpec {
                condition: "pid == 1".to_owned(),
                ..RuleSpec::default()
            }]),
        },
        kernel: Kernel {
            max_processes: Auto(Some(Processes(1000))),
            events_buffer: Auto(Some(RingBytes(65536))),
        },
        http: Http {
            listen: "0.0.0.0:9641".parse().unwrap(),
            allow_remote: true,
            hosts: vec!["node1".to_owned()],
            token_file: Some(FilePath("token".into())),
            tls: Tls {
                certificate: Some(FilePath("s.pem".into())),
                key: Some(FilePath("s.key".into())),
            },
            metrics: HttpMetrics {
                naming: NamingWord(Naming::Plain),
                parts: vec![Part::Host],
            },
        },
        export: Export {
            otlp: FileSettings {
                endpoint: text("http://127.0.0.1:4318"),
                protocol: text("http/protobuf"),
                headers: text("a=b"),
                timeout: text("500"),
                compression: text("none"),
                certificate: text("ca.pem"),
                client_certificate: text("c.pem"),
                client_key: text("c.key"),
                insecure: text("true"),
                temporality: text("delta"),
                histogram_aggregation: text("explicit_bucket_histogram"),
                service_name: text("watcher"),
                resource_attributes: text("team=a"),
                service_instance: Some(false),
                events: Some(false),
                traces: Traced::ALL.to_vec(),
                spool: SpoolKeys {
                    max_size: SpoolSize(1 << 30),
                },
            },
            report: Output {
                file: Some(FilePath("r.log".into())),
                max_size: Limit(Some(FileSize(1 << 20))),
                max_age: Limit(Some(FileAge(seconds(24 * 60 * 60).0))),
                max_files: FilesKept(3),
            },
            jsonl: Output {
                file: Some(FilePath("-".into())),
                ..Output::default()
            },
            mqtt: MqttSettings {
                url: "mqtts://b".parse().ok(),
                topic: "t/{client_id}".parse().unwrap(),
                domain_id: text("d"),
                channel_id: text("c"),
                client_id: text("p"),
                username: text("u"),
                password: text("w"),
                qos: Qos::AtMostOnce,
                retain: true,
                queue: Waiting(5),
                certificate: text("ca"),
                client_certificate: text("cc"),
                client_key: text("ck"),
            },
        },
        logging: Logging {
            file: Some(FilePath("p.log".into())),
            max_size: Limit(None),
            max_files: FilesKept(0),
            otlp: true,
            otlp_only: true,
            levels: Levels {
                default: Level(LevelFilter::Debug),
                modules: [("kernel", Level(LevelFilter::Trace))].into(),
            },
        },
        history: History {
            retain: Some(false),
            size: Samples(1000),
            max_memory: Memory(1 << 20),
        },
        state_dir: Some(FolderPath("/var/lib/procmon".into())),
    };
    assert_eq!(config, wanted);
}

#[test]
fn flags_beat_the_environment_which_beats_the_file_which_beats_the_defaults() {
    let interval = |loaded: &Loaded| (loaded.config.interval, loaded.origin("interval").clone());
    let variables: Variables<'_> = &[("PROCMON_INTERVAL", "3s")];

    let default = load_with("", &[]).unwrap();
    assert_eq!(interval(&default), (seconds(1), Origin::Default));
    let file = load_with("interval: 2s", &[]).unwrap();
    assert_eq!(file.config.interval, seconds(2));
    assert!(
        file.origin("interval")
            .to_string()
            .ends_with("procmon.yaml:1:11")
    );
    let mut environment = load_with("interval: 2s", variables).unwrap();
    let variable = Origin::Variable("PROCMON_INTERVAL".into());
    assert_eq!(interval(&environment), (seconds(3), variable));
    environment.flag("interval", None, |c, value| c.interval = value);
    assert_eq!(environment.config.interval, seconds(3));
    environment.flag("interval", Some(seconds(4)), |c, value| c.interval = value);
    assert_eq!(
        interval(&environment),
        (seconds(4), Origin::Flag("--interval"))
    );
}

#[test]
fn every_key_has_a_variable_of_its_own_name() {
    let variables: Variables<'_> = &[
        ("PROCMON_KERNEL_MAX_PROCESSES", "7"),
        ("PROCMON_EXPORT_OTLP_SERVICE_INSTANCE", "false"),
        ("PROCMON_EXPORT_JSONL_FILE", "lines"),
        ("PROCMON_OVERHEAD_BUDGET", ""),
    ];
    let config = load_with("kernel: {max_processes: 8}", variables)
        .unwrap()
        .config;
    assert_eq!(config.kernel.max_processes, Auto(Some(Processes(7))));
    assert_eq!(config.export.otlp.service_instance, Some(false));
    assert_eq!(config.export.jsonl.file, Some(FilePath("lines".into())));
    assert_eq!(config.overhead_budget, Config::default().overhead_budget);
}

#[test]
fn a_bad_variable_is_named() {
    let error = load_with("", &[("PROCMON_INTERVAL", "soon")])
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("PROCMON_INTERVAL: interval: "), "{error}");
    let env = |name: &str| {
        let bytes = OsString::from_vec(vec![0xff]);
        (name == "PROCMON_INTERVAL").then_some(bytes)
    };
    let error = load(None, &env).unwrap_err().to_string();
    assert!(
        error.starts_with("PROCMON_INTERVAL: ") && error.ends_with("is not UTF-8"),
        "{error}"
    );
}

#[test]
fn a_misspelt_key_is_answered_with_the_right_one() {
    for (text, said) in [
        (
            "intervall: 1s",
            r#"procmon.yaml:1:1: unknown key "intervall": did you mean `interval`?"#,
        ),
        (
            "\nkernel: {max_process: 1}",
            r#"procmon.yaml:2:10: unknown key "max_process": did you mean `max_processes`?"#,
        ),
        (
            "max_processes: 1",
            r#"procmon.yaml:1:1: unknown key "max_processes": did you mean `max_processes` below `kernel`?"#,
        ),
        (
            "kernel: {interval: 1s}",
            r#"procmon.yaml:1:10: unknown key "interval": `interval` stands at the top"#,
        ),
    ] {
        assert_eq!(mistakes(text), [said]);
    }
    let said = &mistakes("export: {carrier: pigeon}")[0];
    assert!(
        said.ends_with("here may stand otlp, report, jsonl, mqtt"),
        "{said}"
    );
}

#[test]
fn all_mistakes_are_told_together_each_with_its_line() {
    let found = mistakes(
        "intervall: 1s\n\
         overhead_budget: 2\n\
         kernel:\n\
        \x20 max_processes: many\n\
        \x20 events_buffer: [1]\n\
         export:\n\
        \x20 otlp: {protocol: pigeon, timeout: 0}\n\
        \x20 report: out.log\n",
    );
    let wanted = [
        ("1:1", "did you mean `interval`?"),
        ("2:18", "overhead_budget: write a share of one core above 0"),
        (
            "4:18",
            "kernel.max_processes: \"many\" is not a number of processes",
        ),
        (
            "5:18",
            "kernel.events_buffer: a list is not bytes, a power of two",
        ),
        (
            "8:11",
            "export.report is made of keys and values (file, max_size, max_age, max_files), not a single value",
        ),
        ("7:20", "export.otlp.protocol: \"pigeon\" is none of: grpc"),
        (
            "7:37",
            "export.otlp.timeout: \"0\" is none of: whole numbers",
        ),
    ];
    assert_eq!(found.len(), wanted.len(), "{found:#?}");
    for (found, (place, said)) in found.iter().zip(wanted) {
        assert!(
            found.starts_with(&format!("procmon.yaml:{place}: ")),
            "{found}"
        );
        assert!(found.contains(said), "{found}");
    }
}

#[test]
fn a_thousand_mistakes_are_not_all_told() {
    let text: String = (0..1000).map(|n| format!("nothing{n}: 1\n")).collect();
    let error = load_with(&text, &[]).unwrap_err().to_string();
    assert!(error.starts_with("1000 mistakes"), "{error}");
    assert!(
        error.ends_with("and 975 more") && error.lines().count() == 27,
        "{error}"
    );
}

#[test]
fn keys_of_later_versions_are_refused_as_such() {
    for path in LATER {
        let names: Vec<_> = path.split('.').collect();
        let open: String = names.iter().map(|name| format!("{{{name}: ")).collect();
        let text = format!("{open}1{}", "}".repeat(names.len()));
        let said = &mistakes(&text)[0];
        let wanted = format!("`{path}` is not in this version of procmon: leave it out");
        assert!(said.ends_with(&wanted), "{said}");
    }
}

#[test]
fn a_file_that_is_not_there_is_said_with_what_writes_one() {
    let error = load(Some(Path::new("/nonexistent/p.yaml")), &|_| None).unwrap_err();
    let error = error.to_string();
    assert!(
        error.starts_with("/nonexistent/p.yaml: there is no such file"),
        "{error}"
    );
    assert!(
        error.contains("procmon config reference --format yaml"),
        "{error}"
    );
}

#[test]
fn a_directory_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let error = load(Some(folder.path()), &|_| None)
        .unwrap_err()
        .to_string();
    assert!(
        error.ends_with("it is a directory: name the file in it"),
        "{error}"
    );
}

#[test]
fn a_huge_file_is_refused_without_reading_it_whole() {
    let error = load(Some(Path::new("/dev/zero")), &|_| None)
        .unwrap_err()
        .to_string();
    assert!(error.contains("larger than 1024 KiB"), "{error}");
    let comment = |bytes: u64| format!("#{}\n", "x".repeat(bytes as usize - 2));
    assert_eq!(good(&comment(read::MOST_BYTES)), Config::default());
    assert!(mistakes(&comment(read::MOST_BYTES + 1))[0].contains("larger than"));
}

#[test]
fn what_is_not_utf_8_is_refused_with_its_place() {
    let (_folder, path) = file(b"interval: 1s\n# caf\xe9\n");
    let error = load(Some(&path), &|_| None).unwrap_err().to_string();
    assert!(
        error.ends_with(":2:6: byte 0xe9 is not UTF-8: save the file as UTF-8"),
        "{error}"
    );
}

#[test]
fn keys_that_are_there_twice_are_refused() {
    assert_eq!(mistakes("interval: 1s\ninterval: 2s\n").len(), 1);
}

#[test]
fn aliases_that_explode_are_refused() {
    let mut text = "a: &a0 [x, x]\n".to_owned();
    for level in 1..64 {
        let before = level - 1;
        text += &format!("k{level}: &a{level} [*a{before}, *a{before}]\n");
    }
    let mistakes = mistakes(&text);
    assert!(
        mistakes.len() == 1 && mistakes[0].contains("aliases stand for"),
        "{mistakes:?}"
    );
}

#[test]
fn the_names_of_other_monitors_are_understood() {
    let theirs = "general:\n  monitoring:\n    process_metrics:\n      enabled: true\n";
    let config = good(&format!("{theirs}      interval_seconds: 15\n"));
    assert_eq!(config.interval, seconds(15));
    let variables: Variables<'_> = &[("PROPLET_METRICS_INTERVAL", "10")];
    assert_eq!(
        load_with("", variables).unwrap().config.interval,
        seconds(10)
    );
    let both = &[variables[0], ("PROCMON_INTERVAL", "3s")];
    assert_eq!(load_with("", both).unwrap().config.interval, seconds(3));

    let twice = mistakes(&format!(
        "interval: 1s\n{theirs}      interval_seconds: 15\n"
    ));
    assert!(
        twice[0].contains("`interval` is said twice, first at"),
        "{twice:?}"
    );
    assert!(good("general: {monitoring: {process_metrics: {enabled: true}}}").is_enabled());
    assert!(!good("general: {monitoring: {process_metrics: {enabled: false}}}").is_enabled());
    let off = &[("PROPLET_ENABLE_MONITORING", "false")];
    assert!(!load_with("", off).unwrap().config.is_enabled());
    let said = &mistakes("general: {monitoring: {process_metrics: {enabled: 0}}}")[0];
    assert!(
        said.contains("enabled: \"0\" is neither true nor false"),
        "{said}"
    );
    let range = &mistakes("general: {monitoring: {process_metrics: {interval_seconds: 0}}}")[0];
    assert!(range.contains("from 10ms to 24h"), "{range}");
}

#[test]
fn a_profile_brings_its_interval_unless_one_was_given_in_as_strong_a_place() {
    let interval = |text: &str, variables| {
        let loaded = load_with(text, variables).unwrap();
        let origin = loaded.origin("interval").to_string();
        (loaded.config.interval, origin)
    };
    let minimal = (seconds(60), "profile minimal".to_owned());
    assert_eq!(interval("profile: minimal", &[]), minimal);
    let (beats, _) = interval("profile: minimal\ninterval: 7s", &[]);
    assert_eq!(beats, seconds(7));
    let variable: Variables<'_> = &[("PROCMON_PROFILE", "minimal")];
    assert_eq!(interval("interval: 7s", variable), minimal);
    assert_eq!(interval("profile: batch", variable), minimal);
    let (beats, _) = interval("profile: minimal", &[("PROPLET_METRICS_INTERVAL", "3")]);
    assert_eq!(beats, seconds(3));

    let mut loaded = load_with("interval: 7s", variable).unwrap();
    let intensive = Some(ProfileChoice::Named("intensive".to_owned()));
    loaded.flag("profile", intensive, |c, profile| c.profile = Some(profile));
    loaded.settle(false).unwrap();
    assert_eq!(loaded.config.interval, seconds(1));
    assert_eq!(loaded.config.in_force.history_size.0, 1000);
}

#[test]
fn auto_is_standard_for_a_run_that_ends_and_daemon_for_one_that_does_not() {
    let mut loaded = load_with("profile: auto", &[]).unwrap();
    assert_eq!(loaded.config.interval, seconds(120));
    loaded.settle(true).unwrap();
    assert_eq!(loaded.config.interval, seconds(10));
    assert_eq!(loaded.config.in_force.history_size.0, 100);
}

#[test]
fn a_profile_as_another_monitor_writes_it_is_taken_as_it_stands() {
    let object =
        r#"{"enabled": true, "interval": 30, "collect_cpu": true, "collect_memory": false}"#;
    for text in [
        format!("profile: {object}"),
        format!("{{\"monitoringProfile\": {object}}}"),
    ] {
        let config = good(&text);
        assert_eq!(config.interval, seconds(30), "{text}");
        assert!(!config.in_force.switches.has(Switch::Memory), "{text}");
    }
    let variable = [("PROCMON_PROFILE", object)];
    let config = load_with("", &variable).unwrap().config;
    assert_eq!(config.interval, seconds(30));
    assert!(!good("profile: {enabled: false}").is_enabled());
}

#[test]
fn profiles_that_are_not_there_are_told_with_the_nearest() {
    let found = mistakes(
        "profile: minimla\n\
         select: {rules: [{match: pid == 1, profile: batch}, {match: pid == 2, profile: btach}]}\n",
    );
    assert_eq!(
        found,
        [
            "procmon.yaml:1:10: profile: there is no profile \"minimla\": did you mean `minimal`?",
            "procmon.yaml:2:17: select.rules: rule 2: profile: there is no profile \"btach\": \
             did you mean `batch`?",
        ]
    );
}

#[test]
fn what_is_collected_is_what_the_profile_or_that_of_a_rule_asks_for() {
    use procmon_common::probes::Family;
    let minimal = good("profile: minimal").collect();
    assert!(!minimal.wanted.switches.has(Switch::NetworkIo));
    assert!(minimal.programs.has_family(Family::Memory));
    assert!(!minimal.programs.has_family(Family::Network));
    let text = "profile: minimal\n\
                select: {rules: [{match: pid == 1, profile: realtime-api}, {match: pid == 2}]}";
    let config = good(text);
    let with_rule = config.collect();
    assert_eq!(with_rule.wanted, minimal.wanted);
    assert!(with_rule.any.has(Switch::NetworkIo) && !with_rule.any.has(Switch::DiskIo));
    assert!(with_rule.programs.has_family(Family::Network));
    let rules = config.rules();
    let wanted = rules.wanted(0).unwrap();
    assert!(wanted.switches.has(Switch::Threads) && !wanted.switches.has(Switch::DiskIo));
    assert_eq!(rules.wanted(1), None);
    let all = good("").collect();
    let probes = procmon_common::probes::PROBES.iter();
    assert!(probes.into_iter().all(|probe| all.programs.has(probe)));
    assert_eq!(all.any, crate::process::Switches::ALL);
}

#[test]
fn of_a_new_configuration_what_can_change_does_and_the_rest_stays() {
    let mut running = load_with("interval: 1s\nkernel: {max_processes: 9}", &[]).unwrap();
    let text = "interval: 2s\nkernel: {max_processes: 7}\nselect: {top: 3}\n";
    let changes = running.take_over(load_with(text, &[]).unwrap());
    assert_eq!(changes.applied, ["interval", "select.top"]);
    assert_eq!(changes.kept, ["kernel.max_processes"]);
    assert_eq!(running.config.interval, seconds(2));
    let processes = running.config.kernel.max_processes;
    assert_eq!(processes, Auto(Some(Processes(9))));
    // It is told each time, until it is as it was.
    let changes = running.take_over(load_with(text, &[]).unwrap());
    assert_eq!((changes.applied.len(), changes.kept.len()), (0, 1));
    let again = load_with(
        "interval: 2s\nkernel: {max_processes: 9}\nselect: {top: 3}",
        &[],
    );
    assert_eq!(running.take_over(again.unwrap()), Changes::default());
}

#[test]
fn a_change_of_profile_is_a_change_of_its_interval_too() {
    let mut running = load_with("profile: standard", &[]).unwrap();
    let changes = running.take_over(load_with("profile: minimal", &[]).unwrap());
    assert_eq!(changes.applied, ["profile", "interval"]);
    assert_eq!(running.config.interval, seconds(60));
}

#[test]
fn what_is_printed_is_a_file_that_means_the_same() {
    let text = "interval: 10s\nkernel: {max_processes: 9}\nexport: {jsonl: {file: 'a b: c'}}\n";
    let loaded = load_with(text, &[("PROCMON_OVERHEAD_BUDGET", "0.7%")]).unwrap();
    let printed = print(&loaded, &|_| None);
    assert_eq!(good(&printed), loaded.config, "{printed}");
    for (key, whose) in [
        ("interval: 10s ", "procmon.yaml:1:11"),
        ("overhead_budget: 0.7% ", "PROCMON_OVERHEAD_BUDGET"),
        ("  max_processes: 9 ", "procmon.yaml:2:25"),
        ("  events_buffer: auto ", "# default"),
        ("    file: \"a b: c\" ", "procmon.yaml:3:24"),
    ] {
        let line = printed.lines().find(|line| line.starts_with(key));
        assert!(
            line.is_some_and(|line| line.ends_with(whose)),
            "{key}: {printed}"
        );
    }
}

#[test]
fn opentelemetry_s_variables_are_printed_as_what_holds() {
    let loaded = load_with(
        "export: {otlp: {endpoint: 'http://file:1', headers: 'a=hush'}}",
        &[],
    );
    let printed = print(&loaded.unwrap(), &|name| {
        (name == "OTEL_EXPORTER_OTLP_ENDPOINT").then(|| "http://variable:1".into())
    });
    assert!(!printed.contains("file:1 "), "{printed}");
    assert!(printed.contains("endpoint: http://variable:1"), "{printed}");
    assert!(
        printed.contains("# OTEL_EXPORTER_OTLP_ENDPOINT"),
        "{printed}"
    );
    assert!(!printed.contains("hush"), "{printed}");
}

#[test]
fn the_file_to_begin_with_is_good_with_and_without_its_comment_marks() {
    let yaml = reference::yaml();
    assert_eq!(good(&yaml), Config::default());
    let bare: String = yaml
        .lines()
        .map(|line| format!("{}\n", line.strip_prefix('#').unwrap_or(line)))
        .collect();
    let (_folder, path) = file(&bare);
    let loaded = load(Some(&path), &|_| None).unwrap_or_else(|error| panic!("{error}\n{bare}"));
    for key in KEYS {
        assert_ne!(*loaded.origin(key.path), Origin::Default, "{}", key.path);
    }
}

#[test]
fn every_key_is_in_every_reference() {
    let markdown = reference::markdown();
    let schema: serde_json::Value = serde_json::from_str(&reference::schema()).unwrap();
    for key in KEYS {
        assert!(
            markdown.contains(&format!("| `{}` |", key.path)),
            "{}",
            key.path
        );
        assert!(
            markdown.contains(&format!("`{}`", key.variable())),
            "{}",
            key.path
        );
        let at = key.path.replace('.', "/properties/");
        let found = schema.pointer(&format!("/properties/{at}/description"));
        assert!(found.is_some(), "{}", key.path);
    }
    for line in markdown.lines().filter(|line| line.starts_with("| `")) {
        assert!(matches!(line.matches('|').count(), 4 | 8), "{line}");
    }
}
