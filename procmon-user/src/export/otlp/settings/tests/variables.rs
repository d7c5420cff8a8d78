//! Each variable of the table, one by one.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::super::variables::{Use, variables};
use super::*;

/// What a variable changes, told of the settings with and without it.
struct Case {
    variable: &'static str,
    /// What makes it matter, beside an endpoint.
    given: &'static [(&'static str, &'static str)],
    /// `FILE` stands for the path of a file.
    value: &'static str,
    /// What it is about.
    of: fn(&Settings) -> String,
    expected: &'static str,
}

const fn case(
    variable: &'static str,
    value: &'static str,
    of: fn(&Settings) -> String,
    expected: &'static str,
) -> Case {
    Case {
        variable,
        given: &[LOCAL],
        value,
        of,
        expected,
    }
}

const fn with(case: Case, given: &'static [(&'static str, &'static str)]) -> Case {
    Case { given, ..case }
}

/// What is read of the settings where nothing goes out.
const OFF: &str = "off";
const HTTP: (&str, &str) = (ENDPOINT, "http://collector:4317");
const HTTPS: (&str, &str) = (ENDPOINT, "https://collector:4317");
const BARE: (&str, &str) = (ENDPOINT, "collector:4317");
const CERTIFICATE: (&str, &str) = ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "FILE");
const KEY: (&str, &str) = ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "FILE");

fn endpoint(settings: &Settings) -> String {
    settings.endpoint.to_string()
}

fn protocol(settings: &Settings) -> String {
    format!("{:?}", settings.protocol)
}

fn headers(settings: &Settings) -> String {
    let header = |(name, value): &(HeaderName, HeaderValue)| format!("{name}={value:?}");
    let secret = |(_, value): &(_, HeaderValue)| value.to_str().expect("text").to_owned();
    let headers: Vec<_> = settings.headers.iter().map(header).collect();
    let secrets: Vec<_> = settings.headers.iter().map(secret).collect();
    format!("{} {}", headers.join(","), secrets.join(","))
}

fn timeout(settings: &Settings) -> String {
    format!("{:?}", settings.timeout)
}

fn compression(settings: &Settings) -> String {
    format!("{:?}", settings.compression)
}

fn authority(settings: &Settings) -> String {
    format!(
        "{:?}",
        settings.tls.authority.as_ref().map(|pem| &pem.content)
    )
}

fn identity(settings: &Settings) -> String {
    let identity = settings.tls.identity.as_ref();
    format!("{:?}", identity.map(|(_, key)| key.content.len()))
}

fn temporality(settings: &Settings) -> String {
    format!("{:?}", settings.temporality)
}

fn histograms(settings: &Settings) -> String {
    format!("{:?}", settings.histograms)
}

fn resource(settings: &Settings) -> String {
    let Settings {
        service_name,
        resource_attributes,
        ..
    } = settings;
    format!("{service_name:?} {resource_attributes:?}")
}

fn proxy(settings: &Settings) -> String {
    format!("{:?}", settings.proxy)
}

fn cases() -> Vec<Case> {
    let mut cases = vec![
        with(case(ENDPOINT, "http://h:9", endpoint, "http://h:9/"), &[]),
        case(METRICS_ENDPOINT, "http://h:9", endpoint, "http://h:9/"),
        case(
            "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
            "Delta",
            temporality,
            "Delta",
        ),
        case(
            "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
            "Explicit_Bucket_Histogram",
            histograms,
            "Explicit",
        ),
        case(
            "OTEL_SERVICE_NAME",
            "watcher",
            resource,
            r#"Some("watcher") []"#,
        ),
        case(
            "OTEL_RESOURCE_ATTRIBUTES",
            "a=b%20c",
            resource,
            r#"None [("a", "b c")]"#,
        ),
        case("OTEL_SDK_DISABLED", "TRUE", endpoint, OFF),
        case("OTEL_METRICS_EXPORTER", "none", endpoint, OFF),
        case("OTEL_LOGS_EXPORTER", "console", endpoint, OFF),
        case("OTEL_TRACES_EXPORTER", "zipkin", endpoint, OFF),
        case(
            "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
            "http://h:9",
            endpoint,
            "http://h:9/",
        ),
        case(
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "http://h:9",
            endpoint,
            "http://h:9/",
        ),
        with(
            case(
                "HTTP_PROXY",
                "http://p:3128",
                proxy,
                "Some(Proxy(http://p:3128/))",
            ),
            &[HTTP],
        ),
        with(
            case(
                "HTTPS_PROXY",
                "p:3128",
                proxy,
                "Some(Proxy(http://p:3128/))",
            ),
            &[HTTPS],
        ),
        with(
            case(
                "ALL_PROXY",
                "http://p:3128",
                proxy,
                "Some(Proxy(http://p:3128/))",
            ),
            &[HTTPS],
        ),
        with(
            case("NO_PROXY", "collector", proxy, "None"),
            &[HTTP, ("HTTP_PROXY", "http://p:3128")],
        ),
    ];
    // The forms for all signals and for each.
    for option in [
        "PROTOCOL",
        "INSECURE",
        "CERTIFICATE",
        "CLIENT_CERTIFICATE",
        "CLIENT_KEY",
        "HEADERS",
        "COMPRESSION",
        "TIMEOUT",
    ] {
        let of = Signal::ALL.map(|signal| format!("{}_", signal.variable()));
        for signal in of.into_iter().chain([String::new()]) {
            let name = format!("OTEL_EXPORTER_OTLP_{signal}{option}").leak();
            cases.push(match option {
                "PROTOCOL" => case(name, "http/protobuf", protocol, "HttpProtobuf"),
                "INSECURE" => with(
                    case(name, "true", endpoint, "http://collector:4317/"),
                    &[BARE],
                ),
                "CERTIFICATE" => case(name, "FILE", authority, "Some([112, 101, 109])"),
                "CLIENT_CERTIFICATE" => {
                    with(case(name, "FILE", identity, "Some(3)"), &[LOCAL, KEY])
                }
                "CLIENT_KEY" => with(
                    case(name, "FILE", identity, "Some(3)"),
                    &[LOCAL, CERTIFICATE],
                ),
                "HEADERS" => case(name, "k=v%2C1", headers, "k=Sensitive v,1"),
                "COMPRESSION" => case(name, "zstd", compression, "Some(Zstd)"),
                "TIMEOUT" => case(name, "250", timeout, "250ms"),
                other => unreachable!("{other} has no case"),
            });
        }
    }
    cases
}

/// For which signal a variable matters.
fn signal_of(variable: &str) -> Signal {
    let has = |signal: &Signal| variable.split('_').any(|word| word == signal.variable());
    Signal::ALL.into_iter().find(has).unwrap_or(Signal::Metrics)
}

/// What a resolution comes to, and which variables it asked for.
fn told(
    signal: Signal,
    variables: &[(&str, &str)],
    file: &str,
    of: fn(&Settings) -> String,
    asked: &RefCell<BTreeSet<String>>,
) -> String {
    let env = |name: &str| {
        asked.borrow_mut().insert(name.to_ascii_uppercase());
        let variable = variables.iter().find(|(key, _)| *key == name);
        variable.map(|(_, value)| value.replace("FILE", file).into())
    };
    match Settings::resolve(signal, None, &FileSettings::default(), &env) {
        Ok(Some(settings)) => of(&settings),
        Ok(None) => OFF.to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn each_variable_of_the_specification_has_a_test_or_a_line_that_it_is_not_supported() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a.pem");
    std::fs::write(&file, "pem").expect("a file");
    let file = file.to_str().expect("text");
    let asked = RefCell::default();

    let cases = cases();
    for case in &cases {
        let signal = signal_of(case.variable);
        let without = told(signal, case.given, file, case.of, &asked);
        assert_ne!(without, case.expected, "without {}", case.variable);
        let mut given = case.given.to_vec();
        given.push((case.variable, case.value));
        let with = told(signal, &given, file, case.of, &asked);
        assert_eq!(with, case.expected, "{}={}", case.variable, case.value);
    }

    let tested: BTreeSet<String> = cases.iter().map(|case| case.variable.to_owned()).collect();
    assert_eq!(tested.len(), cases.len(), "one case each");
    let is_used = |used| !matches!(used, Use::Not(_));
    let used = variables().into_iter().filter(|v| is_used(v.used));
    let used: BTreeSet<String> = used.map(|variable| variable.name).collect();
    assert_eq!(tested, used);
    // What the table does not say is used is not even asked for.
    assert_eq!(asked.into_inner(), used);
}

#[test]
fn no_variable_is_in_the_table_twice() {
    let names: Vec<_> = variables().into_iter().map(|v| v.name).collect();
    let distinct: BTreeSet<_> = names.iter().collect();
    assert_eq!(distinct.len(), names.len());
}
