//! Prometheus' `/metrics`, and how procmon does, over HTTP.
//!
//! One more consumer of views: its thread keeps the latest one, and requests are
//! answered of that. Nothing is rendered that nobody asks for.

mod bind;
mod body;
mod connections;
mod guard;
mod health;
mod latest;
mod negotiate;
pub mod page;
mod routes;

#[cfg(test)]
mod tests;

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::agent::{self, Consumer, Views};
use crate::export::otlp::HostIdentity;
pub use bind::{BindError, Bound, Listen};
use page::Contents;
pub use routes::Exporters;
use routes::{Duty, Site, router};

/// Where and what to serve, and to whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Where to.
    pub listen: Listen,
    /// Other machines may ask.
    pub allow_remote: bool,
    /// Names of this host beside localhost that requests may say.
    pub hosts: Vec<String>,
    /// Requests must bring the token in this file.
    pub token_file: Option<PathBuf>,
    /// TLS: the certificate, and those that signed it.
    pub certificate: Option<PathBuf>,
    /// TLS: the certificate's key.
    pub key: Option<PathBuf>,
    /// What stands on the page.
    pub contents: Contents,
    /// Which host this is.
    pub host: HostIdentity,
}

/// A running server.
pub struct Server {
    follower: Consumer<()>,
    task: JoinHandle<()>,
}

impl Server {
    /// Serves the views of `views` on `runtime`; `exporters` tells how those do
    /// that were asked for.
    ///
    /// # Errors
    /// When the consumer's thread cannot be started.
    pub fn start(
        bound: Bound,
        views: &Views,
        exporters: Exporters,
        runtime: &Handle,
    ) -> anyhow::Result<Self> {
        Self::start_as(Duty::Watching, bound, views, exporters, runtime)
    }

    /// Serves while procmon is switched off: `/healthz` and `/readyz` answer 200,
    /// and there is nothing else to tell.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start_idle(bound: Bound, runtime: &Handle) -> anyhow::Result<Self> {
        let nobody = Arc::new(Vec::new);
        Self::start_as(Duty::Idle, bound, &Views::default(), nobody, runtime)
    }

    fn start_as(
        duty: Duty,
        bound: Bound,
        views: &Views,
        exporters: Exporters,
        runtime: &Handle,
    ) -> anyhow::Result<Self> {
        let latest = Arc::new(latest::Shared::default());
        let Settings { contents, host, .. } = bound.settings;
        let site = Site::new(
            duty,
            Arc::clone(&latest),
            views.heartbeats().clone(),
            exporters,
            Arc::new(host),
            &contents,
        );
        let router = router(Arc::new(site), bound.guard);
        let follower = agent::spawn(views, "http", (), move |(), view| {
            latest.follow(view);
            ControlFlow::Continue(())
        })?;
        let listener = {
            let _runtime = runtime.enter();
            TcpListener::from_std(bound.listener).context("cannot wait for connections")?
        };
        let tls = bound.tls.map(Into::into);
        let task = runtime.spawn(connections::serve(listener, tls, router));
        Ok(Self { follower, task })
    }

    /// How its consumer does.
    pub fn health(&self) -> agent::ConsumerHealth {
        self.follower.health()
    }

    /// Ends all connections, lets go of the address, and waits until the last
    /// view is in.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.task.abort();
        // It has been cancelled: there is nothing it could tell.
        let _ = self.task.await;
        self.follower.join().await
    }
}
