//! What is asked for, and what answers.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER, VARY, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::body::PageBody;
use super::guard::Guard;
use super::health::{self, Answer};
use super::latest::Shared;
use super::negotiate;
use super::page::{Catalogue, Contents, Format, Own, Page, of_client};
use crate::export::otlp::HostIdentity;
use crate::heartbeat::Heartbeats;
use crate::metrics::ExporterHealth;
use crate::metrics::prometheus::Naming;

/// The most pages on their way at once: each may hold another view in memory.
const PAGES: usize = 16;
/// How long a request waits for its turn.
const TURN: Duration = Duration::from_secs(5);

/// Why there is nothing to tell.
const SWITCHED_OFF: &str = "switched off: `enabled` is false";

/// Tells how the exporters do.
pub type Exporters = Arc<dyn Fn() -> Vec<ExporterHealth> + Send + Sync>;

/// What procmon was asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// To watch.
    Watching,
    /// Nothing: it is switched off.
    Idle,
}

/// What the answers are made of.
pub struct Site {
    duty: Duty,
    /// The latest view.
    pub latest: Arc<Shared>,
    /// The loops.
    pub heartbeats: Heartbeats,
    /// The exporters that were asked for.
    pub exporters: Exporters,
    host: Arc<HostIdentity>,
    text: Arc<Catalogue>,
    /// Its counters end with `_total`, whatever the naming is: with plain names
    /// there is none.
    open_metrics: Option<Arc<Catalogue>>,
    pages: Arc<Semaphore>,
}

impl Site {
    /// A site whose pages have these contents.
    pub fn new(
        duty: Duty,
        latest: Arc<Shared>,
        heartbeats: Heartbeats,
        exporters: Exporters,
        host: Arc<HostIdentity>,
        contents: &Contents,
    ) -> Self {
        let catalogue = |format| Arc::new(Catalogue::new(contents, format));
        let open_metrics = contents.naming == Naming::Suffixes;
        Self {
            duty,
            latest,
            heartbeats,
            exporters,
            host,
            text: catalogue(Format::Text),
            open_metrics: open_metrics.then(|| catalogue(Format::OpenMetrics)),
            pages: Arc::new(Semaphore::new(PAGES)),
        }
    }

    fn catalogue(&self, format: Format) -> &Arc<Catalogue> {
        match (format, &self.open_metrics) {
            (Format::OpenMetrics, Some(open_metrics)) => open_metrics,
            _ => &self.text,
        }
    }
}

/// The routes, behind the guard.
pub fn router(site: Arc<Site>, guard: Guard) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .fallback(nothing_here)
        .with_state(site)
        .layer(from_fn_with_state(Arc::new(guard), guarded))
}

async fn guarded(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    match guard.check(request.uri().path(), request.version(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err((status, problem)) => {
            let mut response = said(status, &problem);
            if status == StatusCode::UNAUTHORIZED {
                let bearer = HeaderValue::from_static("Bearer");
                response.headers_mut().insert(WWW_AUTHENTICATE, bearer);
            }
            response
        }
    }
}

#[derive(Deserialize)]
struct Asked {
    /// A watched process, of which alone is told.
    target: Option<String>,
}

async fn metrics(
    State(site): State<Arc<Site>>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    let Some(latest) = site.latest.get() else {
        return match site.duty {
            Duty::Watching => later("there is no frame yet"),
            Duty::Idle => said(StatusCode::SERVICE_UNAVAILABLE, SWITCHED_OFF),
        };
    };
    let catalogue = site.catalogue(negotiate::format(&headers));
    let content_type = catalogue.format.content_type();
    if let Some(target) = asked.target {
        let Ok(pid) = target.parse() else {
            let problem = format!("target={target} is no pid");
            return said(StatusCode::BAD_REQUEST, &problem);
        };
        return match latest.watched(pid) {
            Some(basics) => page(content_type, of_client(catalogue, &basics).into()),
            None => {
                let problem = format!("process {pid} is not watched, or is not there");
                said(StatusCode::NOT_FOUND, &problem)
            }
        };
    }
    let Ok(Ok(permit)) = timeout(TURN, Arc::clone(&site.pages).acquire_owned()).await else {
        return later("too many pages are on their way");
    };
    let own = Own {
        exporters: (site.exporters)(),
        loops: site.heartbeats.ages(),
        host: Arc::clone(&site.host),
    };
    let gzip = negotiate::gzip(&headers);
    let all = Page::new(Arc::clone(catalogue), latest, own);
    let body = Body::new(PageBody::new(all, gzip, permit));
    let mut response = page(content_type, body);
    if gzip {
        let gzip = HeaderValue::from_static("gzip");
        response.headers_mut().insert(CONTENT_ENCODING, gzip);
    }
    response
}

async fn healthz(State(site): State<Arc<Site>>) -> Response {
    answer(health::health(&site.heartbeats.ages()))
}

async fn readyz(State(site): State<Arc<Site>>) -> Response {
    if site.duty == Duty::Idle {
        return answer(health::idleness(SWITCHED_OFF));
    }
    let latest = site.latest.get();
    let ages = site.heartbeats.ages();
    let exporters = (site.exporters)();
    answer(health::readiness(latest.as_deref(), &ages, &exporters))
}

async fn nothing_here() -> Response {
    let problem = "here are /metrics, /metrics?target=PID, /healthz and /readyz";
    said(StatusCode::NOT_FOUND, problem)
}

fn page(content_type: &'static str, body: Body) -> Response {
    let headers = [
        (CONTENT_TYPE, content_type),
        (CACHE_CONTROL, "no-store"),
        (VARY, "accept, accept-encoding"),
    ];
    (headers, body).into_response()
}

fn answer(answer: Answer) -> Response {
    let headers = [
        (CONTENT_TYPE, "application/json"),
        (CACHE_CONTROL, "no-store"),
    ];
    (answer.status, headers, format!("{:#}\n", answer.body)).into_response()
}

fn later(problem: &str) -> Response {
    let mut response = said(StatusCode::SERVICE_UNAVAILABLE, problem);
    let second = HeaderValue::from_static("1");
    response.headers_mut().insert(RETRY_AFTER, second);
    response
}

/// A line of text.
fn said(status: StatusCode, line: &str) -> Response {
    let headers = [(CONTENT_TYPE, "text/plain; charset=utf-8")];
    (status, headers, format!("{line}\n")).into_response()
}
