//! MQTT: a message a process and tick.
//!
//! `message` says what of it goes out, `queue` keeps messages until `sender`
//! has delivered them; nothing of it ever waits for the broker.

mod address;
mod message;
mod queue;
mod sender;
pub mod settings;
pub mod topic;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rumqttc::{MqttOptions, PublishOptions, QoS, TlsConfiguration, Transport};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::timeout;

pub use address::BrokerUrl;
pub use settings::{FileSettings, Qos, Settings};
pub use topic::Template;

use crate::export::backoff::Backoff;
use crate::export::otlp::TransportError;
use crate::export::otlp::transport::tls_config;
use crate::metrics::ExporterHealth;
use crate::shape::View;
use message::Message;
use queue::Waiting;
use sender::Sender;

/// Between two signs of life while there is nothing to say, seconds; a broker
/// that shows none for one and a half of it has gone.
const KEEP_ALIVE: u16 = 15;
/// The most bytes of a packet; a message has about 600, and the texts of a rule
/// may make it longer.
const LONGEST_PACKET: usize = 1 << 20;
/// How many characters of the host's id the client identifier has: more than 23
/// in all not every broker takes (MQTT 3.1.1, 3.1.3.1).
const SHORT_ID: usize = 8;

/// Sends views as MQTT messages.
pub struct MqttExporter {
    waiting: Waiting,
    sender: JoinHandle<()>,
    proplet_id: String,
}

/// How a [`MqttExporter`] does; to be handed to others.
#[derive(Clone, Debug)]
pub struct MqttHealth(Waiting);

impl MqttExporter {
    /// An exporter whose sender runs on `runtime`. It connects when there is
    /// something to send: a broker that is not there yet is no error. `host_id`
    /// says who this is where `client_id` does not.
    ///
    /// # Errors
    /// When certificates or keys are no good.
    pub fn start(
        settings: Settings,
        host_id: Option<&str>,
        runtime: &Handle,
    ) -> Result<Self, TransportError> {
        let options = options(&settings, host_id)?;
        let waiting = Waiting::new(settings.queue, settings.url.to_string());
        let qos = match settings.qos {
            Qos::AtMostOnce => QoS::AtMostOnce,
            Qos::AtLeastOnce => QoS::AtLeastOnce,
        };
        let sender = Sender {
            waiting: waiting.clone(),
            options,
            topic: settings.topic,
            publish: PublishOptions::new(qos).retain(settings.retain),
            backoff: Backoff::default(),
        };
        let proplet_id = settings.client_id.as_deref().or(host_id);
        Ok(Self {
            waiting,
            sender: runtime.spawn(sender.run()),
            proplet_id: proplet_id.unwrap_or_default().to_owned(),
        })
    }

    /// Queues the messages of a view: first of those that have ended, then of
    /// the live. Never waits.
    pub fn consume(&mut self, view: &View) {
        let frame = &view.frame;
        let at = frame.at_unix_ns;
        let past = view.history.as_ref();
        let exited = frame.exited.iter().enumerate();
        let exited = exited.map(|(place, sample)| {
            let aggregate = past.and_then(|past| past.exited.get(place).copied().flatten());
            (sample, None, aggregate)
        });
        let live = view.processes().enumerate();
        let live = live.map(|(place, (sample, derived))| {
            let aggregate = past.and_then(|past| past.live.get(place).copied().flatten());
            (sample, Some(derived), aggregate)
        });
        for (sample, derived, aggregate) in exited.chain(live) {
            let message = Message::new(sample, derived, aggregate, &self.proplet_id, at);
            self.waiting.push(Bytes::from(message.json()));
        }
    }

    /// How it does, for as long as anyone asks.
    pub fn health(&self) -> MqttHealth {
        MqttHealth(self.waiting.clone())
    }

    /// Delivers what it can until the deadline; how many messages it could not.
    pub async fn shutdown(mut self, deadline: Duration) -> u64 {
        self.waiting.end();
        if timeout(deadline, &mut self.sender).await.is_err() {
            self.sender.abort();
        }
        self.waiting.give_up()
    }
}

impl MqttHealth {
    /// The counts as they are now.
    pub fn get(&self) -> ExporterHealth {
        self.0.health()
    }
}

/// How to connect.
fn options(settings: &Settings, host_id: Option<&str>) -> Result<MqttOptions, TransportError> {
    let url = &settings.url;
    let client_id = settings.client_id.clone().unwrap_or_else(|| {
        let host: String = host_id.unwrap_or_default().chars().take(SHORT_ID).collect();
        format!("procmon{host}-{}", std::process::id())
    });
    let mut options = MqttOptions::new(client_id, (url.host(), url.port()));
    options
        .set_keep_alive(KEEP_ALIVE)
        .set_clean_session(true)
        .set_max_packet_size(LONGEST_PACKET, LONGEST_PACKET);
    match &settings.login {
        Some((name, Some(password))) => drop(options.set_credentials(name, password.clone())),
        Some((name, None)) => drop(options.set_username(name)),
        None => {}
    }
    if url.secure {
        let config = tls_config(&url.uri(), &settings.tls, true)?;
        let config = TlsConfiguration::Rustls(Arc::new(config));
        options.set_transport(Transport::tls_with_config(config));
    }
    Ok(options)
}
