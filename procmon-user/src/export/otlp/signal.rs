//! What OTLP carries, and what each of it is called.

/// A kind of telemetry: each has requests, a queue and a spool of its own, so
/// that a collector that does not take one does not keep the others waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Numbers.
    Metrics,
    /// Events, and what procmon says of itself.
    Logs,
    /// Lives of processes, as spans.
    Traces,
}

impl Signal {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Metrics, Self::Logs, Self::Traces];

    /// What stands behind `OTEL_EXPORTER_OTLP_` in the names of its variables.
    pub const fn variable(self) -> &'static str {
        match self {
            Self::Metrics => "METRICS",
            Self::Logs => "LOGS",
            Self::Traces => "TRACES",
        }
    }

    /// The variable that names its exporters.
    pub const fn exporters(self) -> &'static str {
        match self {
            Self::Metrics => "OTEL_METRICS_EXPORTER",
            Self::Logs => "OTEL_LOGS_EXPORTER",
            Self::Traces => "OTEL_TRACES_EXPORTER",
        }
    }

    /// Words that the variable may have beside `otlp`: other exporters, which
    /// procmon is not.
    pub const fn other_exporters(self) -> &'static [&'static str] {
        match self {
            Self::Metrics => &["none", "prometheus", "console"],
            Self::Logs => &["none", "console"],
            Self::Traces => &["none", "zipkin", "console"],
        }
    }

    /// Where it is posted, below the URL for all signals.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Metrics => "/v1/metrics",
            Self::Logs => "/v1/logs",
            Self::Traces => "/v1/traces",
        }
    }

    /// The gRPC method that takes it.
    pub const fn method(self) -> &'static str {
        match self {
            Self::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
            Self::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
            Self::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        }
    }

    /// What its requests hold many of.
    pub const fn items(self) -> &'static str {
        match self {
            Self::Metrics => "points",
            Self::Logs => "log records",
            Self::Traces => "spans",
        }
    }

    /// What its exporter is called in procmon's own metrics.
    pub const fn exporter(self) -> &'static str {
        match self {
            Self::Metrics => "otlp",
            Self::Logs => "otlp_logs",
            Self::Traces => "otlp_traces",
        }
    }

    /// The log's name for a collector of it at this address.
    pub fn name_of(self, endpoint: impl std::fmt::Display) -> String {
        match self {
            Self::Metrics => endpoint.to_string(),
            Self::Logs => format!("{endpoint} (logs)"),
            Self::Traces => format!("{endpoint} (traces)"),
        }
    }

    /// Its spool's folder in `state_dir`.
    pub const fn spool(self) -> &'static str {
        match self {
            Self::Metrics => "spool",
            Self::Logs => "spool-logs",
            Self::Traces => "spool-traces",
        }
    }
}
