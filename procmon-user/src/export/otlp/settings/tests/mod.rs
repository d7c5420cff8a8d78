use std::os::unix::ffi::OsStringExt;

use super::*;

mod proxies;
mod variables;

type Variables<'a> = &'a [(&'a str, &'a str)];

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const METRICS_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT";
const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
const LOCAL: (&str, &str) = (ENDPOINT, "http://127.0.0.1:4317");

fn resolve(
    flag: Option<Option<&str>>,
    file: &FileSettings,
    variables: Variables<'_>,
) -> Result<Option<Settings>, SettingsError> {
    Settings::resolve(Signal::Metrics, flag, file, &|name| {
        let variable = variables.iter().find(|(key, _)| *key == name);
        variable.map(|(_, value)| value.into())
    })
}

fn of(variables: Variables<'_>) -> Settings {
    resolve(None, &FileSettings::default(), variables)
        .expect("good settings")
        .expect("an endpoint")
}

fn error(variables: Variables<'_>) -> String {
    let error = resolve(None, &FileSettings::default(), variables);
    error.expect_err("bad settings").to_string()
}

fn file(endpoint: &str) -> FileSettings {
    FileSettings {
        endpoint: Some(endpoint.to_owned()),
        ..FileSettings::default()
    }
}

/// Where a flag, a file's endpoint and variables send to, and how.
fn target(
    flag: Option<Option<&str>>,
    file: &FileSettings,
    variables: Variables<'_>,
) -> Option<(String, Protocol)> {
    let settings = resolve(flag, file, variables).expect("good settings");
    settings.map(|settings| (settings.endpoint.to_string(), settings.protocol))
}

#[test]
fn the_endpoint_comes_from_the_flag_then_the_signal_then_the_generic_variable_then_the_file() {
    use Protocol::{Grpc, HttpProtobuf};

    let none = FileSettings::default();
    let in_file = file("http://file:4317");
    let generic = (ENDPOINT, "http://generic:4317");
    let signal = (METRICS_ENDPOINT, "http://signal:4317");
    let goes = |url: &str, protocol| Some((url.to_owned(), protocol));
    type Case<'a> = (
        Option<(String, Protocol)>,
        Option<Option<&'a str>>,
        &'a FileSettings,
        Vec<(&'a str, &'a str)>,
    );
    let cases: Vec<Case<'_>> = vec![
        (None, None, &none, vec![]),
        (
            None,
            None,
            &none,
            vec![(ENDPOINT, ""), (METRICS_ENDPOINT, " ")],
        ),
        (
            goes("http://127.0.0.1:4317/", Grpc),
            Some(None),
            &none,
            vec![],
        ),
        (
            goes("http://127.0.0.1:4317/", Grpc),
            Some(None),
            &in_file,
            vec![generic, signal],
        ),
        (
            goes("http://flag:1/", Grpc),
            Some(Some("http://flag:1")),
            &in_file,
            vec![generic, signal],
        ),
        (
            goes("http://signal:4317/", Grpc),
            None,
            &in_file,
            vec![generic, signal],
        ),
        (
            goes("http://generic:4317/", Grpc),
            None,
            &in_file,
            vec![generic],
        ),
        (
            goes("http://generic:4317/", Grpc),
            None,
            &in_file,
            vec![generic, (METRICS_ENDPOINT, "")],
        ),
        (
            goes("http://file:4317/", Grpc),
            None,
            &in_file,
            vec![(ENDPOINT, "")],
        ),
        (
            goes("http://127.0.0.1:4318/v1/metrics", HttpProtobuf),
            Some(None),
            &none,
            vec![(PROTOCOL, "http/protobuf")],
        ),
    ];
    for (expected, flag, file, variables) in cases {
        assert_eq!(
            target(flag, file, &variables),
            expected,
            "{flag:?} {:?} {variables:?}",
            file.endpoint
        );
    }
}

#[test]
fn the_protocol_is_the_one_given_else_that_of_the_port() {
    let http = |url: &str| (url.to_owned(), Protocol::HttpProtobuf);
    let grpc = |url: &str| (url.to_owned(), Protocol::Grpc);
    let signal = "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL";
    let cases: Vec<(_, Vec<(&str, &str)>)> = vec![
        (grpc("http://h:4317/"), vec![(ENDPOINT, "http://h:4317")]),
        (grpc("http://h:9/"), vec![(ENDPOINT, "http://h:9")]),
        (
            http("http://h:4318/v1/metrics"),
            vec![(ENDPOINT, "http://h:4318")],
        ),
        (
            http("http://[::1]:4318/v1/metrics"),
            vec![(ENDPOINT, "http://[::1]:4318")],
        ),
        (
            grpc("http://h:4318/"),
            vec![(ENDPOINT, "http://h:4318"), (PROTOCOL, "grpc")],
        ),
        (
            http("http://h:4317/v1/metrics"),
            vec![(ENDPOINT, "http://h:4317"), (PROTOCOL, "HTTP/Protobuf")],
        ),
        (
            grpc("http://h:4317/"),
            vec![
                (ENDPOINT, "http://h:4317"),
                (PROTOCOL, "http/protobuf"),
                (signal, "grpc"),
            ],
        ),
    ];
    for (expected, variables) in cases {
        let settings = of(&variables);
        let found = (settings.endpoint.to_string(), settings.protocol);
        assert_eq!(found, expected, "{variables:?}");
    }
}

#[test]
fn a_generic_http_endpoint_gets_the_path_of_metrics_and_the_signals_is_used_as_it_is() {
    let http = (PROTOCOL, "http/protobuf");
    for (endpoint, expected) in [
        ("http://h:8428", "http://h:8428/v1/metrics"),
        ("http://h:8428/", "http://h:8428/v1/metrics"),
        (
            "https://h/opentelemetry/",
            "https://h/opentelemetry/v1/metrics",
        ),
        ("http://h/p?tenant=a", "http://h/p/v1/metrics?tenant=a"),
    ] {
        let settings = of(&[(ENDPOINT, endpoint), http]);
        assert_eq!(settings.endpoint.to_string(), expected, "{endpoint}");
        let flag = target(Some(Some(endpoint)), &FileSettings::default(), &[http]);
        assert_eq!(flag.expect("an endpoint").0, expected, "--otlp {endpoint}");
    }
    for (endpoint, expected) in [
        ("http://h:8428", "http://h:8428/"),
        ("http://h:9/api/v1/otlp/", "http://h:9/api/v1/otlp/"),
        ("http://h:9/a?b=c", "http://h:9/a?b=c"),
    ] {
        let settings = of(&[(METRICS_ENDPOINT, endpoint), http]);
        assert_eq!(settings.endpoint.to_string(), expected, "{endpoint}");
    }
}

#[test]
fn only_an_endpoint_without_a_scheme_asks_whether_it_is_insecure() {
    let insecure = "OTEL_EXPORTER_OTLP_INSECURE";
    let signal = "OTEL_EXPORTER_OTLP_METRICS_INSECURE";
    let cases: Vec<(&str, Vec<(&str, &str)>)> = vec![
        ("https://h:4317/", vec![(ENDPOINT, "h:4317")]),
        (
            "https://h:4317/",
            vec![(ENDPOINT, "h:4317"), (insecure, "false")],
        ),
        (
            "http://h:4317/",
            vec![(ENDPOINT, "h:4317"), (insecure, "TRUE")],
        ),
        (
            "https://h:4317/",
            vec![(ENDPOINT, "h:4317"), (insecure, "true"), (signal, "false")],
        ),
        (
            "https://h:4317/",
            vec![(ENDPOINT, "https://h:4317"), (insecure, "true")],
        ),
        (
            "http://h:4317/",
            vec![(ENDPOINT, "http://h:4317"), (insecure, "false")],
        ),
    ];
    for (expected, variables) in cases {
        assert_eq!(
            of(&variables).endpoint.to_string(),
            expected,
            "{variables:?}"
        );
    }
}

/// Where a signal goes; `None` where it goes nowhere.
fn goes(signal: Signal, flag: Option<Option<&str>>, variables: Variables<'_>) -> Option<String> {
    let env = |name: &str| {
        let variable = variables.iter().find(|(key, _)| *key == name);
        variable.map(|(_, value)| value.into())
    };
    let resolved = Settings::resolve(signal, flag, &FileSettings::default(), &env);
    let settings = resolved.expect("good settings")?;
    assert_eq!(settings.signal, signal);
    Some(settings.endpoint.to_string())
}

#[test]
fn each_signal_has_its_path_behind_the_endpoint_for_all_and_its_own_endpoint_as_it_is() {
    let http = (PROTOCOL, "http/protobuf");
    let all = [(ENDPOINT, "http://h:9/base"), http];
    let logs = ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://logs:8/take");
    let both = [all[0], http, logs];
    let alone = [logs, http];
    let flag = Some(Some("http://flag:7"));
    for (signal, path) in [
        (Signal::Metrics, "/v1/metrics"),
        (Signal::Logs, "/v1/logs"),
        (Signal::Traces, "/v1/traces"),
    ] {
        let of_all = Some(format!("http://h:9/base{path}"));
        assert_eq!(goes(signal, None, &all), of_all);
        let own = Some("http://logs:8/take".to_owned());
        let (beside, lone) = match signal {
            Signal::Logs => (own.clone(), own),
            _ => (of_all, None),
        };
        assert_eq!(goes(signal, None, &both), beside);
        assert_eq!(goes(signal, None, &alone), lone);
        let flagged = Some(format!("http://flag:7{path}"));
        assert_eq!(goes(signal, flag, &both), flagged);
    }
}

#[test]
fn a_word_that_names_no_exporter_of_a_signal_is_an_error_that_names_those_there_are() {
    let variables = [LOCAL, ("OTEL_LOGS_EXPORTER", "prometheus")];
    let env = |name: &str| {
        let variable = variables.iter().find(|(key, _)| *key == name);
        variable.map(|(_, value)| value.into())
    };
    let error = Settings::resolve(Signal::Logs, None, &FileSettings::default(), &env);
    let said = "OTEL_LOGS_EXPORTER: \"prometheus\" is none of: otlp, none, console";
    assert_eq!(error.expect_err("no exporter of logs").to_string(), said);
}

#[test]
fn the_environment_switches_off_but_not_what_the_flag_asks_for() {
    for (variable, value, off) in [
        ("OTEL_SDK_DISABLED", "true", true),
        ("OTEL_SDK_DISABLED", "TRUE", true),
        ("OTEL_SDK_DISABLED", "false", false),
        ("OTEL_SDK_DISABLED", "", false),
        ("OTEL_METRICS_EXPORTER", "none", true),
        ("OTEL_METRICS_EXPORTER", "prometheus", true),
        ("OTEL_METRICS_EXPORTER", "otlp", false),
        ("OTEL_METRICS_EXPORTER", "prometheus, otlp", false),
        ("OTEL_METRICS_EXPORTER", "", false),
    ] {
        let variables = [LOCAL, (variable, value)];
        let none = FileSettings::default();
        let found = resolve(None, &none, &variables).expect("good settings");
        assert_eq!(found.is_none(), off, "{variable}={value}");
        let flag = resolve(Some(None), &none, &variables).expect("good settings");
        assert!(flag.is_some(), "--otlp {variable}={value}");
    }
}

#[test]
fn what_is_not_given_has_its_default() {
    let settings = of(&[LOCAL]);
    assert_eq!(settings.timeout, Duration::from_secs(10));
    assert_eq!(settings.compression, None);
    assert_eq!(settings.temporality, Temporality::Cumulative);
    assert_eq!(settings.tls, Tls::default());
    assert_eq!(settings.headers, []);
    assert_eq!(settings.service_name, None);
    assert_eq!(settings.resource_attributes, []);
    assert!(settings.service_instance);
    assert_eq!(settings.queue_bytes, 16 * 1024 * 1024);
    assert_eq!(settings.batch_bytes, 1024 * 1024);
}

#[test]
fn a_variable_of_the_signal_beats_the_generic_one_which_beats_the_file() {
    let in_file = FileSettings {
        timeout: Some("1".to_owned()),
        compression: Some("zstd".to_owned()),
        headers: Some("a=file".to_owned()),
        service_instance: Some(false),
        ..file("http://file:4317")
    };
    let get = |variables: Variables<'_>| {
        let settings = resolve(None, &in_file, variables).expect("good settings");
        settings.expect("an endpoint")
    };
    let generic = [
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "2"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=generic"),
    ];
    let signal = [
        ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "3"),
        ("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "none"),
        ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "b=signal"),
    ];
    let both: Vec<_> = generic.into_iter().chain(signal).collect();
    let header = |settings: &Settings| {
        let text = |value: &HeaderValue| value.to_str().expect("text").to_owned();
        let headers = settings.headers.iter();
        headers
            .map(|(name, value)| format!("{name}={}", text(value)))
            .collect::<Vec<_>>()
    };
    for (variables, timeout, compression, headers) in [
        (&[][..], 1, Some(Compression::Zstd), "a=file"),
        (&generic[..], 2, Some(Compression::Gzip), "a=generic"),
        (&both[..], 3, None, "b=signal"),
    ] {
        let settings = get(variables);
        assert_eq!(settings.timeout, Duration::from_millis(timeout));
        assert_eq!(settings.compression, compression);
        assert_eq!(header(&settings), [headers]);
        assert!(!settings.service_instance);
    }
}

#[test]
fn headers_are_percent_decoded_and_kept_out_of_logs() {
    let settings = of(&[
        LOCAL,
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "Authorization=Basic%20c2VjcmV0, x-scope=a=b,",
        ),
    ]);
    let headers: Vec<_> = settings
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().expect("text")))
        .collect();
    assert_eq!(
        headers,
        [("authorization", "Basic c2VjcmV0"), ("x-scope", "a=b")]
    );
    assert!(!format!("{settings:?}").contains("c2VjcmV0"));
}

#[test]
fn temporality_and_resource_have_variables_of_their_own() {
    let preference = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
    for (value, expected) in [
        ("cumulative", Temporality::Cumulative),
        ("Delta", Temporality::Delta),
        ("lowmemory", Temporality::LowMemory),
        ("", Temporality::Cumulative),
    ] {
        assert_eq!(of(&[LOCAL, (preference, value)]).temporality, expected);
    }
    let settings = of(&[
        LOCAL,
        ("OTEL_SERVICE_NAME", "watcher"),
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "deployment.environment.name=test, k=a%2Cb",
        ),
    ]);
    assert_eq!(settings.service_name.as_deref(), Some("watcher"));
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(
        settings.resource_attributes,
        [
            pair("deployment.environment.name", "test"),
            pair("k", "a,b")
        ]
    );
}

#[test]
fn certificates_are_read_and_a_certificate_needs_its_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.pem");
    std::fs::write(&path, "pem").expect("a file");
    let path = path.to_str().expect("text");
    let pem = Pem {
        path: path.to_owned(),
        content: b"pem".to_vec(),
    };
    let settings = of(&[
        LOCAL,
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", path),
        ("OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE", path),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", path),
    ]);
    assert_eq!(settings.tls.authority, Some(pem.clone()));
    assert_eq!(settings.tls.identity, Some((pem.clone(), pem)));
    assert_eq!(
        error(&[LOCAL, ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", path)]),
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: OTEL_EXPORTER_OTLP_CLIENT_KEY must be given with it"
    );
    assert_eq!(
        error(&[LOCAL, ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/no/such")]),
        "OTEL_EXPORTER_OTLP_CERTIFICATE: cannot read /no/such: No such file or directory (os error 2)"
    );
}

#[test]
fn a_bad_value_is_told_with_the_variable_and_what_it_takes() {
    for (variable, value, expected) in [
        (
            PROTOCOL,
            "thrift",
            "\"thrift\" is none of: grpc, http/protobuf",
        ),
        (
            PROTOCOL,
            "http/json",
            "http/json is not supported; accepted: grpc, http/protobuf",
        ),
        (
            "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT",
            "10s",
            "\"10s\" is none of: whole numbers of milliseconds above 0",
        ),
        (
            "OTEL_EXPORTER_OTLP_TIMEOUT",
            "0",
            "\"0\" is none of: whole numbers of milliseconds above 0",
        ),
        (
            "OTEL_EXPORTER_OTLP_COMPRESSION",
            "br",
            "\"br\" is none of: none, gzip, zstd",
        ),
        (
            "OTEL_EXPORTER_OTLP_INSECURE",
            "yes",
            "\"yes\" is none of: true, false",
        ),
        ("OTEL_SDK_DISABLED", "1", "\"1\" is none of: true, false"),
        (
            "OTEL_METRICS_EXPORTER",
            "zipkin",
            "\"zipkin\" is none of: otlp, none, prometheus, console",
        ),
        (
            "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
            "both",
            "\"both\" is none of: cumulative, delta, lowmemory",
        ),
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "secret",
            "it must be key=value pairs, separated by commas, the values percent-encoded",
        ),
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "a=%zz",
            "the value of \"a\" is badly percent-encoded",
        ),
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "a b=c",
            "\"a b\" is no header name",
        ),
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "=v",
            "it must be key=value pairs, separated by commas, the values percent-encoded",
        ),
    ] {
        let found = error(&[LOCAL, (variable, value)]);
        assert_eq!(found, format!("{variable}: {expected}"));
    }
}

#[test]
fn a_bad_endpoint_is_told_with_where_it_was_given() {
    let grpc = "http://host:port, https://host:port, host:port";
    let http = "http://host:port[/path], https://host:port[/path]";
    for (endpoint, accepted) in [
        ("ftp://h:4317", grpc),
        ("http://", grpc),
        ("http://h:99999", grpc),
        ("http://h:", grpc),
        ("http://a b:4317", grpc),
        ("h:4318", http),
        ("ftp://h:4318", http),
    ] {
        let none = FileSettings::default();
        let flag = resolve(Some(Some(endpoint)), &none, &[]).expect_err("bad settings");
        assert_eq!(
            flag.to_string(),
            format!("--otlp: {endpoint:?} is none of: {accepted}")
        );
        let in_file = resolve(None, &file(endpoint), &[]).expect_err("bad settings");
        assert_eq!(in_file.setting, "export.otlp.endpoint");
    }
    assert_eq!(
        error(&[(METRICS_ENDPOINT, "http://h:9090/api/v1/otlp/v1/metrics")]),
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: a path (/api/v1/otlp/v1/metrics) needs \
         OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf; the protocol here is grpc"
    );
    let secret = error(&[(ENDPOINT, "http://user:secret@h:4317")]);
    assert_eq!(
        secret,
        "OTEL_EXPORTER_OTLP_ENDPOINT: credentials belong into OTEL_EXPORTER_OTLP_HEADERS, not into the URL"
    );
}

#[test]
fn a_variable_that_is_no_text_is_told() {
    let bytes = OsString::from_vec(b"http://\xff".to_vec());
    let env = |name: &str| (name == ENDPOINT).then(|| bytes.clone());
    let error = Settings::resolve(Signal::Metrics, None, &FileSettings::default(), &env)
        .expect_err("bad settings");
    assert_eq!(
        error.to_string(),
        "OTEL_EXPORTER_OTLP_ENDPOINT: \"http://\u{fffd}\" is none of: valid UTF-8"
    );
}

#[test]
fn bad_values_do_not_matter_when_nothing_is_exported() {
    let none = FileSettings::default();
    let bad = [(PROTOCOL, "thrift")];
    assert_eq!(resolve(None, &none, &bad), Ok(None));
}
