//! What becomes of every variable that OpenTelemetry's specification has for an
//! exporter of metrics, logs and traces.
//!
//! The names are those of the specification's pages "OpenTelemetry Protocol
//! Exporter", "Metrics Exporter - OTLP" and "Environment Variable
//! Specification" (version 1.60, August 2026). docs/otlp.md is written from this
//! table; `Source` reads what is used in it, and nothing else.

/// What becomes of a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// It beats the key of the configuration at this path.
    Key(&'static str),
    /// There is no key for it; this is what it does.
    Alone(&'static str),
    /// It is not read, for this reason.
    Not(&'static str),
}

/// A variable, and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// What becomes of it.
    pub used: Use,
}

/// What the exporter's options are called behind `OTEL_EXPORTER_OTLP_`, and the
/// signal's name in between; with their keys.
const OPTIONS: &[(&str, &str)] = &[
    ("ENDPOINT", "export.otlp.endpoint"),
    ("PROTOCOL", "export.otlp.protocol"),
    ("INSECURE", "export.otlp.insecure"),
    ("CERTIFICATE", "export.otlp.certificate"),
    ("CLIENT_CERTIFICATE", "export.otlp.client_certificate"),
    ("CLIENT_KEY", "export.otlp.client_key"),
    ("HEADERS", "export.otlp.headers"),
    ("COMPRESSION", "export.otlp.compression"),
    ("TIMEOUT", "export.otlp.timeout"),
];

const OF_LOGS: &str = "the same for logs alone, before the key and the one for all signals";
const OF_TRACES: &str = "the same for traces alone, before the key and the one for all signals";
const OBSOLETE: &str = "obsolete: the name is `OTEL_EXPORTER_OTLP_METRICS_INSECURE`";
const OWN_FILE: &str = "procmon has a file of its own: `--config`";
const NO_LIMIT: &str = "procmon cuts what it sends by limits of its own, and says where";
const OBSOLETE_OF_SPANS: &str = "obsolete: the name is `OTEL_EXPORTER_OTLP_TRACES_INSECURE`";
const NO_SAMPLE: &str =
    "procmon samples nothing: every life that `export.otlp.traces` asks for is told";
const NO_BATCHER: &str =
    "what a tick has is sent at once, and waits in a queue that is bounded by bytes";

/// Those that have no form for each signal.
const OTHERS: &[(&str, Use)] = &[
    (
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
        Use::Key("export.otlp.temporality"),
    ),
    (
        "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
        Use::Key("export.otlp.histogram_aggregation"),
    ),
    ("OTEL_EXPORTER_OTLP_METRIC_INSECURE", Use::Not(OBSOLETE)),
    (
        "OTEL_EXPORTER_OTLP_SPAN_INSECURE",
        Use::Not(OBSOLETE_OF_SPANS),
    ),
    ("OTEL_SERVICE_NAME", Use::Key("export.otlp.service_name")),
    (
        "OTEL_RESOURCE_ATTRIBUTES",
        Use::Key("export.otlp.resource_attributes"),
    ),
    (
        "OTEL_SDK_DISABLED",
        Use::Alone("with `true` no OTLP goes out, unless `--otlp` asks for it"),
    ),
    (
        "OTEL_METRICS_EXPORTER",
        Use::Alone(
            "a list without `otlp` among its words (`none`, `console`, `prometheus`) switches \
             metrics by OTLP off, unless `--otlp` asks for it; it switches nothing on",
        ),
    ),
    (
        "OTEL_METRIC_EXPORT_INTERVAL",
        Use::Not(
            "`interval` says how often there are values, and each is sent; procmon's own and the \
             host's metrics go out as often, but not more than every 10 s",
        ),
    ),
    (
        "OTEL_METRIC_EXPORT_TIMEOUT",
        Use::Not("`OTEL_EXPORTER_OTLP_TIMEOUT` limits each try, and values are kept for the next"),
    ),
    (
        "OTEL_METRICS_EXEMPLAR_FILTER",
        Use::Not("procmon counts in the kernel, where there are no traces to be an example of"),
    ),
    (
        "OTEL_TRACES_EXPORTER",
        Use::Alone("the same for traces, with `zipkin` for `prometheus`"),
    ),
    (
        "OTEL_LOGS_EXPORTER",
        Use::Alone("the same for logs, without `prometheus`"),
    ),
    (
        "OTEL_ENTITIES",
        Use::Not("in development, and nothing to name: procmon finds its host out itself"),
    ),
    (
        "OTEL_LOG_LEVEL",
        Use::Not("`logging.levels` and `PROCMON_LOG` are for all that procmon says"),
    ),
    (
        "OTEL_PROPAGATORS",
        Use::Not("procmon passes no requests on that could carry a context"),
    ),
    ("OTEL_TRACES_SAMPLER", Use::Not(NO_SAMPLE)),
    ("OTEL_TRACES_SAMPLER_ARG", Use::Not(NO_SAMPLE)),
    ("OTEL_BSP_SCHEDULE_DELAY", Use::Not(NO_BATCHER)),
    ("OTEL_BSP_EXPORT_TIMEOUT", Use::Not(NO_BATCHER)),
    ("OTEL_BSP_MAX_QUEUE_SIZE", Use::Not(NO_BATCHER)),
    ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", Use::Not(NO_BATCHER)),
    ("OTEL_BLRP_SCHEDULE_DELAY", Use::Not(NO_BATCHER)),
    ("OTEL_BLRP_EXPORT_TIMEOUT", Use::Not(NO_BATCHER)),
    ("OTEL_BLRP_MAX_QUEUE_SIZE", Use::Not(NO_BATCHER)),
    ("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", Use::Not(NO_BATCHER)),
    ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", Use::Not(NO_LIMIT)),
    ("OTEL_ATTRIBUTE_COUNT_LIMIT", Use::Not(NO_LIMIT)),
    ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", Use::Not(NO_LIMIT)),
    ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", Use::Not(NO_LIMIT)),
    ("OTEL_SPAN_EVENT_COUNT_LIMIT", Use::Not(NO_LIMIT)),
    ("OTEL_SPAN_LINK_COUNT_LIMIT", Use::Not(NO_LIMIT)),
    ("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", Use::Not(NO_LIMIT)),
    ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", Use::Not(NO_LIMIT)),
    (
        "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT",
        Use::Not(NO_LIMIT),
    ),
    ("OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", Use::Not(NO_LIMIT)),
    (
        "OTEL_EXPORTER_ZIPKIN_ENDPOINT",
        Use::Not("procmon speaks no Zipkin"),
    ),
    (
        "OTEL_EXPORTER_ZIPKIN_TIMEOUT",
        Use::Not("procmon speaks no Zipkin"),
    ),
    (
        "OTEL_EXPORTER_PROMETHEUS_HOST",
        Use::Not("`http.listen` says where /metrics is served"),
    ),
    (
        "OTEL_EXPORTER_PROMETHEUS_PORT",
        Use::Not("`http.listen` says where /metrics is served"),
    ),
    ("OTEL_CONFIG_FILE", Use::Not(OWN_FILE)),
    ("OTEL_EXPERIMENTAL_CONFIG_FILE", Use::Not(OWN_FILE)),
];

/// Those that are not OpenTelemetry's, but of all programs; in capitals or in
/// small letters.
const OF_PROXIES: &[(&str, Use)] = &[
    (
        "HTTP_PROXY",
        Use::Alone("the proxy to a collector at `http://`, over gRPC too"),
    ),
    (
        "HTTPS_PROXY",
        Use::Alone("the proxy to a collector at `https://`, over gRPC too"),
    ),
    (
        "ALL_PROXY",
        Use::Alone("the same for both, where the others say nothing"),
    ),
    (
        "NO_PROXY",
        Use::Alone(
            "hosts, domains, addresses and networks, with commas between, that are reached without \
             a proxy; `*` are all",
        ),
    ),
];

/// Every variable there is.
pub fn variables() -> Vec<Variable> {
    let signals = [
        ("", None),
        ("METRICS_", None),
        ("TRACES_", Some(OF_TRACES)),
        ("LOGS_", Some(OF_LOGS)),
    ];
    let of_options = OPTIONS.iter().flat_map(|(option, key)| {
        signals.iter().map(move |(signal, alone)| Variable {
            name: format!("OTEL_EXPORTER_OTLP_{signal}{option}"),
            used: alone.map_or(Use::Key(key), Use::Alone),
        })
    });
    let others = OTHERS.iter().chain(OF_PROXIES);
    let others = others.map(|(name, used)| Variable {
        name: (*name).to_owned(),
        used: *used,
    });
    of_options.chain(others).collect()
}
