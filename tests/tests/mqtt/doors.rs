//! Whom the broker lets in, and how sure delivery is.

use procmon_tests::{
    Output, Procmon, Victim,
    broker::{Broker, Doors},
    need,
};

use crate::support::*;

/// One frame to this broker by these keys of `export.mqtt`.
fn once(broker: &Broker, victim: &Victim, mqtt: &str) -> Output {
    let folder = configuration(broker.address(), mqtt, "");
    output(&configured(&folder, &["--count", "1"]).pid(victim.pid()))
}

#[test]
fn a_user_is_let_in_with_the_right_password_only() {
    let doors = Doors {
        user: Some(("procmon", "geheim")),
        ..Doors::default()
    };
    let broker = need!(Broker::start(&doors).unwrap());
    let victim = Victim::held_before("").unwrap();
    let listener = broker
        .listen_as(TOPIC, &["-u", "procmon", "-P", "geheim"])
        .unwrap();
    at_once(["", ", username: procmon, password: falsch"], |wrong| {
        let ended = once(&broker, &victim, wrong);
        assert!(ended.status.success(), "{ended:?}");
        assert!(ended.stderr.contains("refuses the connection"), "{ended:?}");
        assert!(
            ended.stderr.contains("1 messages were not delivered"),
            "{ended:?}"
        );
        assert!(!ended.stderr.contains("falsch"), "{ended:?}");
    });
    assert_eq!(listener.messages().unwrap(), []);
    let ended = once(&broker, &victim, ", username: procmon, password: geheim");
    assert!(!ended.stderr.contains("warning"), "{ended:?}");
    listener.wait_for(|messages| messages.len() == 1).unwrap();
    // The names of Propeller's variables.
    let folder = configuration(broker.address(), "", "");
    let run = configured(&folder, &["--count", "1"]).pid(victim.pid());
    let ended = output(&run.env("CLIENT_ID", "procmon").env("CLIENT_KEY", "geheim"));
    assert!(!ended.stderr.contains("warning"), "{ended:?}");
    listener.wait_for(|messages| messages.len() == 2).unwrap();
}

#[test]
fn the_password_is_shown_to_nobody() {
    let folder = configuration("127.0.0.1:1", ", username: procmon, password: geheim", "");
    let path = folder.path().join("procmon.yaml");
    let print = Procmon::new("config").arg("print").arg(path);
    let shown = output(&print);
    assert!(shown.status.success(), "{shown:?}");
    assert!(shown.stdout.contains("username: procmon"), "{shown:?}");
    assert!(!shown.stdout.contains("geheim"), "{shown:?}");
}

#[test]
fn tls_trusts_the_authority_given_and_shows_its_own_certificate() {
    let mut brokers = Vec::new();
    for known_only in [false, true] {
        let doors = Doors {
            tls: true,
            known_only,
            ..Doors::default()
        };
        brokers.push((known_only, need!(Broker::start(&doors).unwrap())));
    }
    at_once(brokers, |(known_only, broker)| {
        let victim = Victim::held_before("").unwrap();
        let authority = broker.authority().display().to_string();
        let [certificate, key] = broker.client_pair().map(|path| path.display().to_string());
        let options = [
            "--cafile",
            &authority,
            "--cert",
            &certificate,
            "--key",
            &key,
        ];
        let listener = broker.listen_as(TOPIC, &options).unwrap();
        let secure = format!(", url: 'mqtts://{}'", broker.address());
        let trusting = format!(", certificate: {authority}");
        let known = format!(", client_certificate: {certificate}, client_key: {key}");
        let run = |keys: &str| {
            let folder = configuration("", "", "");
            let text = format!(
                "export: {{mqtt: {{domain_id: domain-123, channel_id: channel-456{secure}{keys}}}}}"
            );
            std::fs::write(folder.path().join("procmon.yaml"), text).unwrap();
            output(&configured(&folder, &["--count", "1"]).pid(victim.pid()))
        };
        // Nobody knows that authority.
        let ended = run("");
        assert!(ended.stderr.contains("certificate"), "{ended:?}");
        assert!(
            ended.stderr.contains("1 messages were not delivered"),
            "{ended:?}"
        );
        assert_eq!(listener.messages().unwrap(), []);
        if known_only {
            let ended = run(&trusting);
            assert!(
                ended.stderr.contains("1 messages were not delivered"),
                "{ended:?}"
            );
        }
        let ended = run(&format!(
            "{trusting}{}",
            if known_only { &known } else { "" }
        ));
        assert!(!ended.stderr.contains("warning"), "{ended:?}");
        listener.wait_for(|messages| messages.len() == 1).unwrap();
    });
}

#[test]
fn messages_go_out_with_the_quality_of_service_and_retention_asked_for() {
    let broker = need!(Broker::open().unwrap());
    let victim = Victim::held_before("").unwrap();
    let listener = broker
        .listen_as(TOPIC, &["-F", "message %t {\"qos\":%q,\"json\":%p}"])
        .unwrap();
    let mut count = 0;
    for (keys, qos) in [("", 1), (", qos: 0", 0), (", qos: 1, retain: true", 1)] {
        let ended = once(&broker, &victim, keys);
        assert!(ended.status.success(), "{ended:?}");
        assert!(!ended.stderr.contains("warning"), "{ended:?}");
        count += 1;
        let messages = listener
            .wait_for(|messages| messages.len() >= count)
            .unwrap();
        assert_eq!(messages[count - 1].json["qos"], qos, "{keys}");
    }
    // The last was kept for those who come later, and it alone.
    let late = broker.listen(TOPIC).unwrap();
    let kept = late.wait_for(|messages| !messages.is_empty()).unwrap();
    let sent = listener.messages().unwrap();
    assert_eq!(kept[0].json, sent[2].json["json"]);
}
