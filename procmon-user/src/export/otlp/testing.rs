//! What the tests of OTLP share: views, and collectors that misbehave on order.

pub mod authority;
pub mod proxy;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use prost::Message;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::codec::CompressionEncoding;
use tonic::transport::{Identity, ServerTlsConfig};
use tonic::{Request, Response, Status};

use super::Signal;
use super::settings::{FileSettings, Settings};
use crate::analysis::{Derived, Rates};
use crate::frame::{AgentHealth, Frame, Host, HostMemory, ProbeRuns};
use crate::process::{
    Basics, Exit, Histogram, MappingUsage, Metadata, ProbeCounters, ProcessId, ProcessSample, Seen,
    Totals, Wanted,
};
use crate::shape::View;
use procmon_common::{Counter, Feature, Operation};

/// How long a test waits for what must come.
pub const PATIENCE: Duration = Duration::from_secs(30);
pub const BOOT: u64 = 1_700_000_000_000_000_000;
pub const SECOND: u64 = 1_000_000_000;

/// A process that has every value, each a different one.
pub fn sample(pid: u32) -> ProcessSample {
    let n = |value: u64| Some(u64::from(pid) * 1000 + value);
    let mut counters = [0; Counter::COUNT];
    for (index, counter) in counters.iter_mut().enumerate() {
        *counter = 100 + index as u64;
    }
    let mut waits = Histogram::default();
    waits.buckets[3] = 5;
    waits.buckets[5] = 2;
    waits.sum_ns = 1_500_000_000;
    ProcessSample {
        id: ProcessId {
            pid,
            start_ticks: 100,
        },
        created_unix_ns: BOOT + SECOND,
        metadata: Arc::new(Metadata {
            executable: format!("program-{pid}"),
            path: Some(format!("/usr/bin/program-{pid}").into()),
            command: Some(format!("/usr/bin/program-{pid}")),
            parent_pid: Some(1),
            user_id: Some(1000),
            owner: Some("somebody".to_owned()),
            ..Metadata::default()
        }),
        chosen: false,
        wanted: Wanted::default(),
        matched: None,
        totals: Totals {
            uptime_ns: Some(1_000_000_000),
            user_ns: n(1),
            system_ns: n(2),
            on_cpu_ns: n(3),
            run_queue_ns: n(4),
            migrations: n(5),
            voluntary_switches: n(6),
            involuntary_switches: n(7),
            threads: n(8),
            rss_anon: n(9),
            rss_file: n(10),
            rss_shmem: n(11),
            rss: n(12),
            virtual_memory: n(13),
            swap: n(14),
            page_tables: n(15),
            peak_rss: n(16),
            uss: n(17),
            pss: n(18),
            mappings: Some(MappingUsage::default()),
            uss_age_ns: n(19),
            minor_faults: n(20),
            major_faults: n(21),
            descriptors: n(22),
            descriptor_soft_limit: n(1024),
            descriptor_hard_limit: n(4096),
            virtual_memory_limit: n(1 << 40),
            disk_read_bytes: n(23),
            disk_write_bytes: n(24),
            read_calls: n(25),
            write_calls: n(26),
            read_chars: n(27),
            write_chars: n(28),
            connections: Some(Arc::default()),
            cpu_limit_milli: Some(1500),
            throttled_ns: n(29),
            memory_limit: n(100_000),
        },
        probes: Some(ProbeCounters {
            since_unix_ns: BOOT + 2 * SECOND,
            counters,
            failures: vec![(Operation::Open, libc::ENOENT as u32, 7)],
            waits,
            features: [Some(BOOT + 2 * SECOND); Feature::COUNT],
            seen: Seen::ALL,
            executed_boot_ns: None,
            oom_killed_boot_ns: None,
        }),
        exit: None,
    }
}

/// The last sample of a process.
pub fn exited(mut sample: ProcessSample, at_unix_ns: u64) -> ProcessSample {
    sample.exit = Some(Exit {
        at_unix_ns,
        code: Some(0),
        signal: None,
    });
    sample
}

/// A view whose tick is `tick` seconds after boot.
pub fn view(tick: u64, processes: Vec<ProcessSample>, exited: Vec<ProcessSample>) -> View {
    view_with(&mut Rates::default(), tick, processes, exited)
}

/// The same, with what follows from the views before.
pub fn view_with(
    rates: &mut Rates,
    tick: u64,
    processes: Vec<ProcessSample>,
    exited: Vec<ProcessSample>,
) -> View {
    let frame = Frame {
        tick,
        at_unix_ns: BOOT + tick * SECOND,
        at_boot_ns: tick * SECOND,
        host: Host {
            memory: Some(HostMemory {
                total: 8 << 30,
                free: 1 << 30,
                ..HostMemory::default()
            }),
            cpus: Some(2),
            cpu_ns: vec![("user", 3 * SECOND)],
            ..Host::default()
        },
        processes,
        exited,
        ending: vec![],
        agent: Arc::new(AgentHealth {
            tick_duration: Duration::from_millis(3),
            own: Basics {
                cpu_ns: Some(SECOND),
                resident: Some(0),
                ..Basics::default()
            },
            probe_runs: vec![ProbeRuns {
                probe: "mmap",
                runs: 4,
                time: Duration::from_micros(3),
            }],
            overhead: Some(0.01),
            ..AgentHealth::default()
        }),
    };
    let derived: Vec<Derived> = rates.derive(&frame);
    View::of_all(Arc::new(frame), derived)
}

/// The settings of an environment, for metrics.
pub fn settings(variables: &[(&str, &str)]) -> Settings {
    settings_for(Signal::Metrics, variables)
}

/// The same for another signal.
pub fn settings_for(signal: Signal, variables: &[(&str, &str)]) -> Settings {
    let env = |name: &str| {
        let variable = variables.iter().find(|(key, _)| *key == name);
        variable.map(|(_, value)| value.into())
    };
    Settings::resolve(signal, None, &FileSettings::default(), &env)
        .expect("good settings")
        .expect("an endpoint")
}

/// What a collector does with a request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Takes it.
    Accept,
    /// Takes all but this many points.
    Partial(i64, &'static str),
    /// gRPC: says no.
    Status(Status),
    /// HTTP: says no.
    Http(u16, &'static str, Bytes),
    /// Thinks for this long before it takes it.
    Slow(Duration),
    /// HTTP: hangs up in the middle of the request.
    HangUp,
}

/// What a collector got.
#[derive(Clone, Debug)]
pub struct Got {
    pub headers: HeaderMap,
    pub request: ExportMetricsServiceRequest,
}

#[derive(Debug, Default)]
struct Inner {
    answers: Mutex<VecDeque<Answer>>,
    /// All that it took.
    taken: Mutex<Vec<Got>>,
    /// Requests, whatever became of them.
    asked: watch::Sender<usize>,
    count: watch::Sender<usize>,
}

impl Inner {
    fn answer(&self) -> Answer {
        self.asked.send_modify(|asked| *asked += 1);
        let answer = self.answers.lock().expect("no panic").pop_front();
        answer.unwrap_or(Answer::Accept)
    }

    fn take(&self, got: Got) {
        self.taken.lock().expect("no panic").push(got);
        self.count.send_modify(|count| *count += 1);
    }
}

/// A collector on a port and a runtime of its own, so that it can die.
#[derive(Debug)]
pub struct Collector {
    pub address: SocketAddr,
    inner: Arc<Inner>,
    runtime: Option<Runtime>,
}

/// PEM of a server's certificate and key, and of the authority that signs its
/// clients.
#[derive(Clone, Debug)]
pub struct ServerTls {
    pub certificate: String,
    pub key: String,
    pub client_authority: Option<String>,
}

impl Collector {
    pub fn grpc() -> Self {
        Self::grpc_at("127.0.0.1:0".parse().expect("an address"), None)
    }

    pub fn grpc_at(address: SocketAddr, tls: Option<ServerTls>) -> Self {
        Self::grpc_taking(4 << 20, address, tls)
    }

    /// One that takes messages of so many bytes at most.
    pub fn grpc_taking(most: usize, address: SocketAddr, tls: Option<ServerTls>) -> Self {
        Self::start(address, |listener, inner| async move {
            let service = MetricsServiceServer::new(Grpc(inner))
                .accept_compressed(CompressionEncoding::Gzip)
                .accept_compressed(CompressionEncoding::Zstd)
                // As otelcol does: it answers as it was asked.
                .send_compressed(CompressionEncoding::Gzip)
                .send_compressed(CompressionEncoding::Zstd)
                .max_decoding_message_size(most);
            let mut server = tonic::transport::Server::builder();
            if let Some(tls) = tls {
                let mut config =
                    ServerTlsConfig::new().identity(Identity::from_pem(tls.certificate, tls.key));
                if let Some(authority) = tls.client_authority {
                    let authority = tonic::transport::Certificate::from_pem(authority);
                    config = config.client_ca_root(authority);
                }
                server = server.tls_config(config).expect("a good certificate");
            }
            let incoming = TcpListenerStream::new(listener);
            let served = server.add_service(service).serve_with_incoming(incoming);
            served.await.expect("a server");
        })
    }

    pub fn http() -> Self {
        Self::http_at("127.0.0.1:0".parse().expect("an address"))
    }

    pub fn http_at(address: SocketAddr) -> Self {
        Self::start(address, |listener, inner| async move {
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                tokio::spawn(serve_http(stream, Arc::clone(&inner)));
            }
        })
    }

    /// HTTP over TLS.
    pub fn https(tls: Arc<rustls::ServerConfig>) -> Self {
        let address = "127.0.0.1:0".parse().expect("an address");
        Self::start(address, |listener, inner| async move {
            let acceptor = tokio_rustls::TlsAcceptor::from(tls);
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                let (acceptor, inner) = (acceptor.clone(), Arc::clone(&inner));
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        serve_http(stream, inner).await;
                    }
                });
            }
        })
    }

    fn start<F>(address: SocketAddr, serve: impl FnOnce(TcpListener, Arc<Inner>) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let inner = Arc::new(Inner::default());
        let guard = runtime.enter();
        let listener = std::net::TcpListener::bind(address).expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        let listener = TcpListener::from_std(listener).expect("a listener");
        let address = listener.local_addr().expect("an address");
        runtime.spawn(serve(listener, Arc::clone(&inner)));
        drop(guard);
        Self {
            address,
            inner,
            runtime: Some(runtime),
        }
    }

    /// What the next requests are answered; after them, all are taken.
    pub fn will(&self, answers: impl IntoIterator<Item = Answer>) {
        let mut queue = self.inner.answers.lock().expect("no panic");
        queue.extend(answers);
    }

    /// Dies without a word to anyone.
    pub fn die(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Not on a thread that must not block; and it waits, so that the
            // port is free again.
            let end = move || runtime.shutdown_timeout(PATIENCE);
            std::thread::spawn(end).join().expect("no panic");
        }
    }

    /// Waits until it took `count` requests.
    pub async fn took(&self, count: usize) -> Vec<Got> {
        Self::reached(self.inner.count.subscribe(), count).await;
        self.inner.taken.lock().expect("no panic").clone()
    }

    /// Waits until it was asked `count` times.
    pub async fn was_asked(&self, count: usize) {
        Self::reached(self.inner.asked.subscribe(), count).await;
    }

    async fn reached(mut counter: watch::Receiver<usize>, count: usize) {
        let reached = counter.wait_for(|now| *now >= count);
        let reached = tokio::time::timeout(PATIENCE, reached).await;
        reached.expect("in time").expect("a collector");
    }

    /// Everything it took by now.
    pub fn taken(&self) -> Vec<Got> {
        self.inner.taken.lock().expect("no panic").clone()
    }

    /// How often it was asked by now.
    pub fn asked(&self) -> usize {
        *self.inner.asked.borrow()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.die();
    }
}

struct Grpc(Arc<Inner>);

#[tonic::async_trait]
impl MetricsService for Grpc {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let mut answer = ExportMetricsServiceResponse::default();
        match self.0.answer() {
            Answer::Accept => {}
            Answer::Partial(rejected, message) => answer = partial(rejected, message),
            Answer::Status(status) => return Err(status),
            Answer::Slow(time) => tokio::time::sleep(time).await,
            other => unreachable!("{other:?} is not for gRPC"),
        }
        self.0.take(Got {
            headers: metadata.into_headers(),
            request,
        });
        Ok(Response::new(answer))
    }
}

fn partial(rejected: i64, message: &str) -> ExportMetricsServiceResponse {
    ExportMetricsServiceResponse {
        partial_success: Some(ExportMetricsPartialSuccess {
            rejected_data_points: rejected,
            error_message: message.to_owned(),
        }),
    }
}

/// Serves one connection, until it ends or must not.
async fn serve_http(mut stream: impl AsyncRead + AsyncWrite + Unpin, inner: Arc<Inner>) {
    while let Some((head, headers)) = read_head(&mut stream).await {
        let answer = inner.answer();
        if matches!(answer, Answer::HangUp) {
            return;
        }
        assert_eq!(head, "POST /v1/metrics HTTP/1.1");
        let length = headers["content-length"].to_str().expect("text");
        let mut body = vec![0; length.parse().expect("a number")];
        stream.read_exact(&mut body).await.expect("a body");
        let request = ExportMetricsServiceRequest::decode(&*decoded(&headers, body));
        let mut said = ExportMetricsServiceResponse::default();
        match answer {
            Answer::Partial(rejected, message) => said = partial(rejected, message),
            Answer::Slow(time) => tokio::time::sleep(time).await,
            Answer::Http(status, headers, body) => {
                respond(&mut stream, status, headers, &body).await;
                continue;
            }
            _ => {}
        }
        let request = request.expect("OTLP");
        inner.take(Got { headers, request });
        let kind = "Content-Type: application/x-protobuf\r\n";
        respond(&mut stream, 200, kind, &said.encode_to_vec()).await;
    }
}

fn decoded(headers: &HeaderMap, body: Vec<u8>) -> Vec<u8> {
    use std::io::Read;

    let Some(encoding) = headers.get("content-encoding") else {
        return body;
    };
    match encoding.to_str().expect("text") {
        "gzip" => {
            let mut plain = Vec::new();
            let mut decoder = flate2::read::GzDecoder::new(&*body);
            decoder.read_to_end(&mut plain).expect("gzip");
            plain
        }
        "zstd" => zstd::decode_all(&*body).expect("zstd"),
        other => panic!("no such encoding: {other}"),
    }
}

async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> Option<(String, HeaderMap)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).expect("text");
    let mut lines = head.trim_end().split("\r\n");
    let first = lines.next()?.to_owned();
    let headers = lines.map(|line| {
        let (name, value) = line.split_once(": ").expect("a header");
        let name: http::HeaderName = name.parse().expect("a name");
        (name, value.parse().expect("a value"))
    });
    Some((first, headers.collect()))
}

async fn respond(stream: &mut (impl AsyncWrite + Unpin), status: u16, headers: &str, body: &[u8]) {
    let length = body.len();
    let head = format!("HTTP/1.1 {status} So\r\n{headers}Content-Length: {length}\r\n\r\n");
    // Who asked may have lost patience.
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.write_all(body).await;
}
