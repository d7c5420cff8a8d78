//! The table of keys.

use super::Config;
use super::mistake::Mistake;
use super::tree::Node;
use super::value::{Form, Value};
use crate::export::otlp::settings::HistogramAggregation;

/// What the names of procmon's own variables begin with.
pub const PREFIX: &str = "PROCMON_";

/// A key of the configuration.
pub struct Key {
    /// Its place in the file: `kernel.max_processes`.
    pub path: &'static str,
    /// What it does, in a sentence or two.
    pub about: &'static str,
    /// A value for the file to begin with, where the default is none.
    pub example: Option<&'static str>,
    /// The option that beats it.
    pub flag: Option<&'static str>,
    /// Variables of a standard that beat procmon's own, the strongest last.
    pub standard: &'static [&'static str],
    /// Its value is shown to nobody.
    pub secret: bool,
    /// The words it may be, where its kind alone does not say so.
    words: Option<&'static [&'static str]>,
    /// The same for what is told in a sentence.
    wanted: Option<&'static str>,
    form: fn() -> Form,
    read: fn(&mut Config, &Node) -> Result<(), Vec<Mistake>>,
    show: fn(&Config) -> String,
    copy: fn(&mut Config, &Config),
    /// Whether a change of it applies while procmon runs, at SIGHUP.
    pub live: bool,
}

/// A row, its path that of the field.
macro_rules! key {
    ($first:ident $(. $rest:ident)*, $about:expr) => {
        Key {
            path: concat!(stringify!($first) $(, ".", stringify!($rest))*),
            about: $about,
            example: None,
            flag: None,
            standard: &[],
            secret: false,
            words: None,
            wanted: None,
            form: || form_of(|config| &config.$first$(.$rest)*),
            read: |config, node| {
                config.$first$(.$rest)* = Value::read(node)?;
                Ok(())
            },
            show: |config| config.$first$(.$rest)*.show(),
            copy: |to, from| to.$first$(.$rest)*.clone_from(&from.$first$(.$rest)*),
            live: false,
        }
    };
}

/// A row of `export.otlp`, with OpenTelemetry's name of the variable.
macro_rules! otlp {
    ($field:ident, $variable:literal, $about:literal) => {
        key!(export.otlp.$field, $about).standard(&[
            concat!("OTEL_EXPORTER_OTLP_", $variable),
            concat!("OTEL_EXPORTER_OTLP_METRICS_", $variable),
        ])
    };
}

/// When and how a file is put aside.
const MAX_SIZE: &str = "Put the file aside as `.1` before it has more bytes than this; whole \
                        records only.";
const MAX_AGE: &str = "Put the file aside when its first record is older than this.";
const MAX_FILES: &str = "How many files that were put aside are kept, `.1` being the newest.";

/// Every key, in the order of the documents, those of a section together.
pub const KEYS: &[Key] = &[
    key!(
        enabled,
        "With false `run` starts, attaches and exports nothing, and says so, until a SIGHUP finds \
         true."
    )
    .live(),
    key!(
        profile,
        "How often and what is collected: the interval, the switches and the history of this \
         profile. An `interval` given in as strong a place, or a stronger one, beats the \
         profile's. `auto` is `standard` for a run that ends by itself (`exec`, --pid, --count, \
         --duration), else `daemon`."
    )
    .example("standard")
    .flag("--profile")
    .live(),
    key!(profiles, "More profiles, by their names.")
        .example("{night: {interval: 5m, collect_network_io: false}}")
        .live(),
    key!(
        interval,
        "Time between two frames; without it that of the profile, else 1s."
    )
    .flag("--interval")
    .live(),
    key!(
        metrics,
        "Which metrics of processes are sent: `default` are those of level r of all, and those of \
         level o of the chosen; `all` are all of all, names are these of all. A profile's \
         switches hold beside it."
    )
    .live(),
    key!(
        command_args,
        "Send the first 4 KiB of each process's arguments, as `process.command_args`. What follows \
         a word that speaks of a password, passphrase, secret, token, key, credential or \
         authorization becomes REDACTED, and so does the user of a URL; a secret without a name, \
         as in `-pSECRET`, cannot be known."
    ),
    key!(
        compat,
        "Names of other monitors for what procmon tells too, beside its own: `psutil` in OTLP, \
         `vertex_ar` on /metrics."
    ),
    key!(
        overhead_budget,
        "What procmon may take of one core, its kernel programs included; past it the optional \
         probes are detached, one each time (`run` only)."
    )
    .flag("--overhead-budget")
    .live(),
    key!(
        overhead_period,
        "How long the cost is looked at before it is judged."
    )
    .live(),
    key!(
        select.top,
        "OTLP and /metrics have series of so many processes, those that take most; the rest is one \
         resource, `other`."
    )
    .flag("--top")
    .live(),
    key!(
        select.by,
        "By what processes are first with `top` or `max_series`: the keys are served in turn, each \
         taking its first of those that are left, until there are enough."
    )
    .live(),
    key!(
        select.sticky,
        "How many ticks a process keeps its place after it was last among the first."
    )
    .live(),
    key!(
        select.group_by,
        "OTLP and /metrics have one resource a group of processes instead of one a process."
    )
    .example("container")
    .flag("--group-by")
    .live(),
    key!(
        select.max_series,
        "The most series that OTLP and /metrics have of processes and groups; the least important \
         processes are folded into `other`."
    )
    .example("50000")
    .flag("--max-series")
    .live(),
    key!(
        select.rules,
        "What processes are called: the first rule whose `match`, an expression as in `--match`, \
         holds of a watched process gives it its `target` as `service.name`, its `task_id` as \
         `procmon.task.id`, its `attributes`, and every metric. Where no option says whom, `run` \
         watches whom the rules match."
    )
    .example(r#"[{match: 'executable == "postgres"', target: orders-db, task_id: "42"}]"#)
    .live(),
    key!(
        kernel.max_processes,
        "Room for so many processes in the kernel's map; `auto` is four times the tasks that live \
         at the start, at least 65,536."
    ),
    key!(
        kernel.events_buffer,
        "Size of the ring buffer for the ends of processes; `auto` is 1 MiB."
    ),
    key!(
        http.listen,
        "Where /metrics, /healthz and /readyz are served; `off` for nowhere. `run` serves without \
         being told, and then goes on without when the address is taken; one that was asked for \
         has to be free."
    )
    .flag("--listen"),
    key!(
        http.allow_remote,
        "Let other machines ask: needed for every address but those of loopback."
    )
    .flag("--allow-remote"),
    key!(
        http.hosts,
        "Names of this host that requests may ask for, beside localhost and its addresses; with \
         `allow_remote` its own name is among them."
    )
    .example("[node1.example.org]"),
    key!(
        http.token_file,
        "Requests bring the token in this file, as `Authorization: Bearer TOKEN`; /healthz and \
         /readyz do without."
    )
    .wanted("the path of a file")
    .example("/etc/procmon/token"),
    key!(
        http.tls.certificate,
        "Serve HTTPS with this certificate; `key` goes with it."
    )
    .wanted("the path of a PEM file")
    .example("/etc/procmon/server.pem"),
    key!(http.tls.key, "The key of `certificate`.")
        .wanted("the path of a PEM file")
        .example("/etc/procmon/server.key"),
    key!(
        http.metrics.naming,
        "How metrics are called for Prometheus: `suffixes` is OpenTelemetry's translation, with \
         the unit and `_total`; `plain` leaves those out."
    ),
    key!(
        http.metrics.parts,
        "What /metrics tells about: procmon itself, processes, the host."
    ),
    otlp!(
        endpoint,
        "ENDPOINT",
        "The collector; OTLP goes out only when one is given. HTTP gets `/v1/metrics`, `/v1/logs` or \
         `/v1/traces` behind it."
    )
    .wanted("a URL")
    .example("http://127.0.0.1:4317")
    .flag("--otlp"),
    otlp!(
        protocol,
        "PROTOCOL",
        "What is spoken; without it http/protobuf for port 4318, else gRPC."
    )
    .words(&["grpc", "http/protobuf"])
    .example("grpc"),
    otlp!(headers, "HEADERS", "Sent with each request.")
        .wanted("`key=value` with commas between, the values percent-encoded")
        .example("x-tenant=one")
        .secret(),
    otlp!(
        timeout,
        "TIMEOUT",
        "How long one try may take; without it 10000."
    )
    .wanted("whole milliseconds above 0")
    .example("10000"),
    otlp!(compression, "COMPRESSION", "How requests are compressed.")
        .words(&["none", "gzip", "zstd"])
        .example("gzip"),
    otlp!(
        certificate,
        "CERTIFICATE",
        "The authority that signed the collector's certificate; without it the system's \
         authorities."
    )
    .wanted("the path of a PEM file")
    .example("/etc/procmon/ca.pem"),
    otlp!(
        client_certificate,
        "CLIENT_CERTIFICATE",
        "procmon's own certificate; `client_key` goes with it."
    )
    .wanted("the path of a PEM file")
    .example("/etc/procmon/client.pem"),
    otlp!(client_key, "CLIENT_KEY", "The key of `client_certificate`.")
        .wanted("the path of a PEM file")
        .example("/etc/procmon/client.key"),
    otlp!(
        insecure,
        "INSECURE",
        "No TLS for a gRPC endpoint that has no scheme."
    )
    .words(&["true", "false"])
    .example("true"),
    key!(
        export.otlp.temporality,
        "What the points of sums cover: all since the start, or what came since the last export."
    )
    .standard(&["OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"])
    .words(&["cumulative", "delta", "lowmemory"])
    .example("cumulative"),
    key!(
        export.otlp.histogram_aggregation,
        "How histograms are sent: with exponential buckets, or the same buckets with their bounds \
         in each point, for stores that know no others."
    )
    .standard(&["OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION"])
    .words(HistogramAggregation::WORDS)
    .example("base2_exponential_bucket_histogram"),
    key!(
        export.otlp.service_name,
        "The `service.name` of procmon's own metrics and logs, and of the host's; without it procmon."
    )
    .standard(&["OTEL_SERVICE_NAME"])
    .wanted("a name")
    .example("procmon"),
    key!(
        export.otlp.resource_attributes,
        "Attributes for every resource; what is said of a process, a host or a service stays as \
         it is."
    )
    .standard(&["OTEL_RESOURCE_ATTRIBUTES"])
    .wanted("`key=value` with commas between, the values percent-encoded")
    .example("deployment.environment.name=production"),
    key!(
        export.otlp.service_instance,
        "Give each process a `service.name` and `service.instance.id`; without it true."
    )
    .example("true"),
    key!(
        export.otlp.events,
        "Send events of processes as logs: what they execute, how they end, and kills for want of \
         memory. Without it they are sent of the processes that were asked for, but not with --all."
    )
    .example("true"),
    key!(
        export.otlp.traces,
        "Send spans: `processes` are the lives of processes, each below its parent's; `agent` are \
         procmon's own ticks, and batches that were tried again."
    )
    .example("[processes]"),
    key!(
        export.otlp.spool.max_size,
        "What waits for the collector in `state_dir` may take so much of the disk, metrics, logs \
         and traces each; past that the oldest is dropped, and counted."
    ),
    key!(export.report.file, "Append the text report to this file.")
        .flag("--report")
        .example("logs/process_metrics.log"),
    key!(export.report.max_size, MAX_SIZE),
    key!(export.report.max_age, MAX_AGE),
    key!(export.report.max_files, MAX_FILES),
    key!(
        export.jsonl.file,
        "Append one JSON object a process and frame to this file."
    )
    .flag("--jsonl")
    .example("/var/log/procmon/processes.jsonl"),
    key!(export.jsonl.max_size, MAX_SIZE),
    key!(export.jsonl.max_age, MAX_AGE),
    key!(export.jsonl.max_files, MAX_FILES),
    key!(
        export.mqtt.url,
        "The MQTT broker; messages, one a process and frame, go out only when one is given."
    )
    .example("mqtt://127.0.0.1:1883"),
    key!(
        export.mqtt.topic,
        "The topic of the messages, for instance \
         `m/{domain_id}/c/{channel_id}/control/proplet/task_metrics` instead."
    ),
    key!(export.mqtt.domain_id, "`{domain_id}` in the topic.").example("domain-123"),
    key!(export.mqtt.channel_id, "`{channel_id}` in the topic.").example("channel-456"),
    key!(
        export.mqtt.client_id,
        "`proplet_id` in the messages and the client identifier at the broker, another one on \
         each host; without it the host's machine id is the former."
    )
    .example("proplet-1"),
    key!(export.mqtt.username, "The user at the broker.").example("procmon"),
    key!(export.mqtt.password, "The user's password.")
        .example("secret")
        .secret(),
    key!(
        export.mqtt.qos,
        "0: a message may be lost on its way; 1: the broker confirms each, and one may come twice."
    ),
    key!(
        export.mqtt.retain,
        "Let the broker keep the last message of the topic for those who subscribe later."
    ),
    key!(
        export.mqtt.queue,
        "How many messages wait for the broker at most; past that the oldest are dropped, and \
         counted."
    ),
    key!(
        export.mqtt.certificate,
        "The authority that signed the broker's certificate; without it the system's authorities."
    )
    .wanted("the path of a PEM file")
    .example("/etc/procmon/ca.pem"),
    key!(
        export.mqtt.client_certificate,
        "procmon's own certificate for the broker; `client_key` goes with it."
    )
    .wanted("the path of a PEM file")
    .example("/etc/procmon/client.pem"),
    key!(export.mqtt.client_key, "The key of `client_certificate`.")
        .wanted("the path of a PEM file")
        .example("/etc/procmon/client.key"),
    key!(
        logging.file,
        "Append what procmon says of itself on stderr to this file too, with times."
    )
    .wanted("the path of a file")
    .example("/var/log/procmon/procmon.log"),
    key!(logging.max_size, MAX_SIZE),
    key!(logging.max_files, MAX_FILES),
    key!(
        logging.otlp,
        "Send what procmon says of itself by OTLP, as logs, too. What it says about that delivery \
         stands on stderr alone."
    ),
    key!(
        logging.otlp_only,
        "Send it by OTLP, and write no log file, whatever `logging.file` says. What is on stderr \
         stays."
    ),
    key!(
        logging.levels,
        "How much procmon says, by its parts (`kernel`, `proc`, `process`, `collector`, `export`...)."
    ),
    key!(
        history.retain,
        "Whether the last samples of every process, group and of the host are kept in memory; \
         without it they are where an output shows what they add up to, as MQTT does."
    )
    .example("true"),
    key!(history.size, "How many samples of each are kept."),
    key!(
        history.max_memory,
        "What all samples may take; where they need more, fewer of each are kept, and that is said."
    ),
    key!(
        state_dir,
        "A folder for what survives a restart, made if it is not there: what waits for the \
         collector, in `spool`; and the history, as long as the host has not been booted \
         meanwhile (`run` only)."
    )
    .example("/var/lib/procmon"),
];

/// Keys and sections that are planned, and that this version has not.
pub const LATER: &[&str] = &[
    "alerts",
    "expected",
    "general.monitoring.memory_profiling",
    "memory_profiling",
];

/// The key at this path.
pub fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

/// The form of a field.
fn form_of<T: Value>(_: fn(&Config) -> &T) -> Form {
    T::form()
}

impl Key {
    const fn flag(mut self, flag: &'static str) -> Self {
        self.flag = Some(flag);
        self
    }

    const fn example(mut self, example: &'static str) -> Self {
        self.example = Some(example);
        self
    }

    const fn standard(mut self, variables: &'static [&'static str]) -> Self {
        self.standard = variables;
        self
    }

    const fn words(mut self, words: &'static [&'static str]) -> Self {
        self.words = Some(words);
        self
    }

    const fn wanted(mut self, wanted: &'static str) -> Self {
        self.wanted = Some(wanted);
        self
    }

    const fn live(mut self) -> Self {
        self.live = true;
        self
    }

    const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// procmon's own variable.
    pub fn variable(&self) -> String {
        format!("{PREFIX}{}", self.path.replace('.', "_").to_uppercase())
    }

    /// What it may be.
    pub fn form(&self) -> Form {
        let mut form = self.words.map_or_else(self.form, Form::one_of);
        if let Some(wanted) = self.wanted {
            form.words = wanted.to_owned();
        }
        form
    }

    /// Reads a value into its place.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn read(&self, config: &mut Config, node: &Node) -> Result<(), Vec<Mistake>> {
        let result = (self.read)(config, node);
        result.map_err(|mistakes| mistakes.into_iter().map(|m| m.of(self.path)).collect())
    }

    /// Gives a configuration the value that another one has.
    pub fn copy(&self, to: &mut Config, from: &Config) {
        (self.copy)(to, from);
    }

    /// The value as YAML, in one line.
    pub fn show(&self, config: &Config) -> String {
        (self.show)(config)
    }
}
