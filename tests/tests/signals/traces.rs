//! Lives of processes as spans.

use procmon_tests::{
    Procmon, Protocol,
    receiver::{Manner, Receiver},
    watching::{LIMIT, wait_until},
};

use crate::support::*;

const TRACES: &str = "PROCMON_EXPORT_OTLP_TRACES";

#[test]
fn a_tree_of_three_processes_is_three_spans_with_the_right_parents_and_times() {
    let receiver = Receiver::start().unwrap();
    // Shells that are no shell's last command are forked.
    let inner = "\"$0\" open=5 exit=4; exit 0";
    let script = format!("sh -c '{inner}' \"$0\"; sleep 0.5; exit 0");
    let begun = now();
    let victim = procmon_tests::victim::path().unwrap();
    let exec = Procmon::new("exec")
        .args(["--interval", "200ms"])
        .otlp(&receiver.url(), Protocol::Http)
        .env(TRACES, "processes")
        .args(["--", "sh", "-c", &script])
        .arg(victim);
    let output = procmon_tests::watching::output(&exec);
    assert!(output.status.success(), "{output:?}");
    let ended = now();
    let spans = receiver.spans();
    let names: Vec<_> = spans.iter().map(|span| span.name.as_str()).collect();
    let shell = &spans[names.len() - 1].name;
    assert_eq!(names, ["victim", shell, "sleep", shell], "{spans:#?}");
    let [victim, inner, sleep, outer] = [&spans[0], &spans[1], &spans[2], &spans[3]];
    assert_eq!(victim.parent, inner.id);
    assert_eq!(inner.parent, outer.id);
    assert_eq!(sleep.parent, outer.id);
    assert_eq!(outer.parent, Vec::<u8>::new());
    for span in &spans {
        assert_eq!((span.trace.len(), span.id.len()), (16, 8));
        assert_eq!(span.trace, outer.trace);
        assert!(
            begun < span.start + ACCURACY && span.start < span.end,
            "{span:?}"
        );
        assert!(span.end < ended + ACCURACY, "{span:?}");
    }
    // Each within its parent; two frames are not of one reading of the clock.
    for (child, parent) in [(victim, inner), (inner, outer), (sleep, outer)] {
        assert!(parent.start <= child.start + ACCURACY, "{spans:#?}");
        assert!(child.end <= parent.end + ACCURACY, "{spans:#?}");
    }
    let slept = sleep.end - sleep.start;
    assert!((500_000_000..5_000_000_000).contains(&slept), "{slept}");
    // A failed exit is an error.
    assert_eq!(victim.error.as_deref(), Some("exit code 4"));
    assert_eq!(victim.attributes.get("process.exit.code").cloned(), int(4));
    let errors = [inner, sleep, outer].map(|span| span.error.clone());
    assert_eq!(errors, [None, None, None]);
}

#[test]
fn no_span_is_sent_unless_asked_for() {
    let receiver = Receiver::start().unwrap();
    finish(Held::before("exec \"$0\"").watched_by(sending(&receiver)));
    assert!(!receiver.bodies().is_empty());
    assert_eq!(receiver.spans(), []);
}

#[test]
fn ticks_and_tries_again_are_spans_of_procmon_itself() {
    let receiver = Receiver::start().unwrap();
    let held = Held::before("exec \"$0\"");
    let procmon = sending(&receiver)
        .pid(held.pid())
        .env(TRACES, "agent")
        .start_watching(LIMIT)
        .unwrap();
    receiver.behave(Manner::Refuse("503 Service Unavailable", ""));
    procmon
        .wait_for_stderr(LIMIT, |text| text.contains("trying again"))
        .unwrap();
    receiver.behave(Manner::Take);
    let named = |name: &str| {
        let spans = receiver.spans().into_iter();
        spans.filter(|span| span.name == name).collect::<Vec<_>>()
    };
    wait_until("a tick and a retry", || {
        !named("procmon.tick").is_empty() && !named("procmon.export.retry").is_empty()
    });
    stop(procmon);
    for span in receiver.spans() {
        assert_eq!(span.resource["service.name"], "procmon".into());
        assert!(span.start <= span.end && span.end - span.start < 60_000_000_000);
    }
    let retry = &named("procmon.export.retry")[0];
    assert_eq!(retry.attributes["procmon.exporter"], "otlp".into());
    assert_eq!(retry.error, None);
}
