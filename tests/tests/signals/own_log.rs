//! What procmon says of itself.

use procmon_tests::{
    receiver::{Manner, Receiver},
    watching::{LIMIT, wait_until},
};

use crate::support::*;

#[test]
fn the_log_arrives_with_levels_and_parts_and_otlp_only_writes_no_file() {
    let receiver = Receiver::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("own.log");
    let held = Held::before("exec \"$0\"");
    let pid = held.pid();
    let procmon = sending(&receiver)
        .env("PROCMON_LOGGING_FILE", &file)
        .env("PROCMON_LOGGING_OTLP_ONLY", "true");
    let output = finish(held.watched_by(procmon));
    assert!(!file.exists());
    let logs = receiver.logs();
    let said: Vec<_> = logs
        .iter()
        .filter(|record| record.event.is_empty())
        .collect();
    let lines = output
        .stderr
        .lines()
        .filter_map(|line| line.strip_prefix("procmon: "));
    let bodies: Vec<_> = said.iter().map(|record| record.body.as_str()).collect();
    assert_eq!(bodies, lines.collect::<Vec<_>>());
    assert!(bodies[0].starts_with("watching pid "), "{bodies:?}");
    assert_eq!(said[0].severity, "INFO");
    assert_eq!(said[0].attributes["procmon.log.part"], "cli".into());
    assert_eq!(said[0].resource["service.name"], "procmon".into());
    // Events of processes are beside it.
    assert_eq!(events(&logs, pid), [EXEC, EXIT]);
}

#[test]
fn a_collector_that_fails_makes_no_logs_about_its_failures() {
    let receiver = Receiver::start().unwrap();
    let mut held = Held::before("exec \"$0\"");
    receiver.behave(Manner::Refuse(
        "503 Service Unavailable",
        "retry-after: 0\r\n",
    ));
    let procmon = sending(&receiver)
        .pid(held.pid())
        .env("PROCMON_LOGGING_OTLP", "true")
        .env("PROCMON_LOG", "trace")
        .start_watching(LIMIT)
        .unwrap();
    procmon
        .wait_for_stderr(LIMIT, |text| text.contains("trying again until it works"))
        .unwrap();
    wait_until("many tries", || receiver.asked() > 20);
    receiver.behave(Manner::Take);
    procmon
        .wait_for_stderr(LIMIT, |text| text.contains("it answers again"))
        .unwrap();
    held.go();
    held.end();
    finish(procmon);
    let logs = receiver.logs();
    assert!(
        logs.iter()
            .any(|record| record.body.starts_with("watching pid"))
    );
    let told = |word: &str| logs.iter().any(|record| record.body.contains(word));
    assert!(!told("trying again") && !told("answers again"), "{logs:#?}");
}
