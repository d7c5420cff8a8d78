//! Connections: so many, and none for longer than it moves.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use log::debug;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;

/// The most connections at once. One more takes the place of the one that has
/// been idle the longest; with none idle, it is closed.
const MOST: usize = 256;
/// How long a client may take for a request's head, also for the next one's on
/// an open connection, and for the greeting of TLS.
const HEAD: Duration = Duration::from_secs(30);
/// How long a client may take nothing of an answer.
const STUCK: Duration = Duration::from_secs(15);
/// Bytes of a request's head, and of an answer that wait for the client.
const BUFFER: usize = 64 << 10;
/// How long to wait when no connection can be accepted, for want of descriptors.
const PAUSE: Duration = Duration::from_millis(200);

/// Accepts connections until it is dropped, which ends them all: what they told
/// from then on would be of the past.
pub async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, router: Router) {
    let serving = Serving(Open::default());
    let open = &serving.0;
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                debug!("cannot accept a connection: {error}");
                sleep(PAUSE).await;
                continue;
            }
        };
        let Some(connection) = open.enter() else {
            continue;
        };
        let (open, tls, router) = (open.clone(), tls.clone(), router.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = attend(stream, tls, router, &connection) => {}
                () = connection.end.notified() => {}
            }
            open.leave(&connection);
        });
    }
}

/// Ends the connections when it is dropped.
struct Serving(Open);

impl Drop for Serving {
    fn drop(&mut self) {
        let all = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter()
            .for_each(|connection| connection.end.notify_one());
    }
}

/// The connections there are, the oldest first; its clones are the same.
#[derive(Clone, Default)]
struct Open(Arc<Mutex<VecDeque<Arc<Connection>>>>);

#[derive(Default)]
struct Connection {
    /// Requests whose answers are not sent.
    busy: AtomicUsize,
    end: Notify,
}

impl Open {
    /// Room for one more; `None` when all are busy.
    fn enter(&self) -> Option<Arc<Connection>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST {
            let is_idle = |own: &Arc<Connection>| own.busy.load(Ordering::Relaxed) == 0;
            let oldest = all.iter().position(is_idle)?;
            if let Some(connection) = all.remove(oldest) {
                connection.end.notify_one();
            }
        }
        let connection = Arc::new(Connection::default());
        all.push_back(Arc::clone(&connection));
        Some(connection)
    }

    fn leave(&self, connection: &Arc<Connection>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|own| !Arc::ptr_eq(own, connection));
    }
}

/// Answers the requests of a connection.
async fn attend(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    router: Router,
    connection: &Arc<Connection>,
) {
    // Answers are written in large pieces: waiting to fill packets only delays them.
    let _ = stream.set_nodelay(true);
    match tls {
        None => talk(stream, router, connection).await,
        Some(tls) => match timeout(HEAD, tls.accept(stream)).await {
            Ok(Ok(stream)) => talk(stream, router, connection).await,
            Ok(Err(error)) => debug!("a client does not speak TLS: {error}"),
            Err(_) => debug!("a client did not speak TLS within {HEAD:?}"),
        },
    }
}

async fn talk(stream: impl AsyncRead + AsyncWrite, router: Router, connection: &Arc<Connection>) {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(STUCK));
    let stream = Box::pin(stream);
    let router = TowerToHyperService::new(router);
    let service = service_fn(|request: Request<Incoming>| {
        let answer = router.call(request);
        let busy = Busy::new(connection);
        async move { Ok::<_, Infallible>(hold(answer.await, busy)) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        debug!("a connection ended: {error}");
    }
}

/// An answer that keeps its connection busy until it is sent.
fn hold<B>(answer: Result<Response<B>, Infallible>, busy: Busy) -> Response<Held<B>> {
    let Ok(answer) = answer;
    answer.map(|body| Held { body, _busy: busy })
}

/// Counts a request for as long as it is there.
struct Busy(Arc<Connection>);

impl Busy {
    fn new(connection: &Arc<Connection>) -> Self {
        connection.busy.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(connection))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Held<B> {
    body: B,
    _busy: Busy,
}

impl<B: Body + Unpin> Body for Held<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_too_many_takes_the_place_of_the_oldest_idle_one() {
        let open = Open::default();
        let all: Vec<_> = (0..MOST).map(|_| open.enter().unwrap()).collect();
        let busy = Busy::new(&all[0]);
        let one_more = open.enter().unwrap();
        let there = |connection| {
            let all = open.0.lock().unwrap();
            all.iter().any(|own| Arc::ptr_eq(own, connection))
        };
        assert!(there(&all[0]) && !there(&all[1]) && there(&one_more));
        drop(busy);
        open.enter().unwrap();
        assert!(!there(&all[0]));
    }

    #[test]
    fn with_all_busy_there_is_no_room() {
        let open = Open::default();
        let all: Vec<_> = (0..MOST).map(|_| open.enter().unwrap()).collect();
        let busy: Vec<_> = all.iter().map(Busy::new).collect();
        assert!(open.enter().is_none());
        drop(busy);
        open.leave(&all[7]);
        assert!(open.enter().is_some());
    }
}
