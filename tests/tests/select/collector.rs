//! What a collector is told of those that match.

use procmon_tests::{Collector, Point, Procmon, Protocol, need, point::Attribute, program::SOON};

use crate::support::*;

#[test]
fn what_a_named_group_matched_is_an_attribute_and_the_command_line_is_not_told() {
    let collector = need!(Collector::rotel().unwrap());
    let named = Named::new("told");
    let victim = named.held_before("name=hunter2");
    let procmon = Procmon::new("run")
        .args(["--interval", "200ms", "--otlp"])
        .arg(collector.endpoint(Protocol::Grpc))
        .arg("--match")
        .arg(format!(
            "{} and args =~ '(?P<ready>print-[a-z]+)'",
            named.is()
        ))
        .start()
        .unwrap();
    let pid = i64::from(victim.pid());
    let points = collector
        .wait_for(SOON, |points| {
            points.iter().any(|point| point.pid() == Some(pid))
        })
        .unwrap();
    let expected = Attribute::from("print-ready");
    let ours: Vec<&Point> = points
        .iter()
        .filter(|point| point.pid() == Some(pid))
        .collect();
    for point in &ours {
        assert_eq!(point.resource.get("procmon.match.ready"), Some(&expected));
        assert!(!format!("{:?}", point.resource).contains("hunter2"));
    }
    // Those that match are chosen.
    assert!(
        ours.iter()
            .any(|point| point.metric == "procmon.file_descriptor.limit")
    );
    end(procmon);
    finish(victim);
}
