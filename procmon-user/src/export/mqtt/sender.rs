//! The task that sends, over one connection after the other.
//!
//! A connection is one client of the library with a clean session. What it had
//! not confirmed when it broke is sent again over the next: the queue alone
//! knows what is to be delivered.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use rumqttc::{
    AsyncClient, ConnectionError, Event, EventLoop, MqttOptions, Packet, PublishNoticeError,
    PublishOptions,
};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::queue::Waiting;
use crate::export::backoff::Backoff;

/// How many messages are on their way at a time.
const ON_THEIR_WAY: usize = 100;
/// How long to wait for why a connection broke, once it is known that it did.
const REASON: Duration = Duration::from_millis(100);

/// Sends what waits.
pub struct Sender {
    /// What waits.
    pub waiting: Waiting,
    /// How to connect.
    pub options: MqttOptions,
    /// Where to.
    pub topic: String,
    /// With which quality of service, and whether they are retained.
    pub publish: PublishOptions,
    /// How long to wait between connections.
    pub backoff: Backoff,
}

/// How a connection ended.
enum End {
    /// Nothing is left to send, and nothing will come.
    Done,
    /// It broke.
    Broken {
        why: String,
        /// A message got through before.
        worked: bool,
    },
}

/// A message on its way.
type OnItsWay = Pin<Box<dyn Future<Output = Result<(), PublishNoticeError>> + Send>>;

impl Sender {
    /// Sends until the end was announced and nothing waits.
    pub async fn run(self) {
        let mut failures = 0;
        loop {
            while self.waiting.is_empty() {
                if self.waiting.is_ending() {
                    return;
                }
                self.waiting.changed().await;
            }
            match self.connection(&mut failures).await {
                End::Done => return,
                End::Broken { why, worked } => {
                    self.waiting.take_back();
                    failures = if worked { 1 } else { failures + 1 };
                    if failures == 1 {
                        log::warn!(
                            "MQTT to {}: {why}; trying again until it works, up to {} messages \
                             are kept",
                            self.waiting.name(),
                            self.waiting.limit()
                        );
                    }
                    self.pause(failures).await;
                }
            }
        }
    }

    /// Sends over one connection until it breaks or all is sent.
    async fn connection(&self, failures: &mut u32) -> End {
        let builder = AsyncClient::builder(self.options.clone()).capacity(ON_THEIR_WAY);
        let (client, event_loop) = builder.build();
        let (connected, accepted) = oneshot::channel();
        // Ends with what it stands in.
        let mut driver = JoinSet::new();
        driver.spawn(drive(event_loop, connected));
        let mut worked = false;
        if accepted.await.is_err() {
            let why = why(&mut driver).await;
            return End::Broken { why, worked };
        }
        let mut on_their_way: VecDeque<OnItsWay> = VecDeque::new();
        loop {
            while on_their_way.len() < ON_THEIR_WAY
                && let Some(message) = self.waiting.take()
            {
                let topic = self.topic.clone();
                match client.try_publish_tracked(topic, message, self.publish) {
                    Ok(notice) => on_their_way.push_back(Box::pin(notice.wait_completion_async())),
                    Err(error) => {
                        let why = error.to_string();
                        return End::Broken { why, worked };
                    }
                }
            }
            if on_their_way.is_empty() && self.waiting.is_ending() && self.waiting.is_empty() {
                // The broker has everything; a farewell that fails is none.
                let _ = client.disconnect().await;
                driver.join_next().await;
                return End::Done;
            }
            let first = async {
                match on_their_way.front_mut() {
                    Some(first) => first.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                result = first => {
                    if let Err(error) = result {
                        // The driver may not have ended with it.
                        let why = timeout(REASON, why(&mut driver)).await;
                        let why = why.unwrap_or_else(|_| error.to_string());
                        return End::Broken { why, worked };
                    }
                    on_their_way.pop_front();
                    self.waiting.confirm();
                    worked = true;
                    if *failures > 0 {
                        let name = self.waiting.name();
                        log::info!("MQTT to {name}: it answers again after {failures} failed tries");
                        *failures = 0;
                    }
                }
                () = self.waiting.changed() => {}
                why = why(&mut driver) => return End::Broken { why, worked },
            }
        }
    }

    /// Waits before the next connection; the end cuts it short.
    async fn pause(&self, failures: u32) {
        let failed = Instant::now();
        let mut ending = self.waiting.is_ending();
        let mut until = failed + self.backoff.wait(failures, ending);
        loop {
            tokio::select! {
                () = sleep(until.saturating_duration_since(Instant::now())) => return,
                () = self.waiting.changed() => {}
            }
            if !ending && self.waiting.is_ending() {
                ending = true;
                until = until.min(failed + self.backoff.wait(failures, true));
            }
        }
    }
}

/// Keeps a connection going until it ends; why it did.
async fn drive(mut event_loop: EventLoop, connected: oneshot::Sender<()>) -> String {
    let mut connected = Some(connected);
    loop {
        match event_loop.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                if let Some(connected) = connected.take() {
                    // Whoever waited for it may have gone.
                    let _ = connected.send(());
                }
            }
            Ok(_) => {}
            Err(ConnectionError::ConnectionRefused(code)) => {
                return format!("the broker refuses the connection: {code:?}");
            }
            Err(error) => return error.to_string(),
        }
    }
}

/// Waits for the end of a connection; why it ended.
async fn why(driver: &mut JoinSet<String>) -> String {
    match driver.join_next().await {
        Some(Ok(why)) => why,
        Some(Err(error)) => error.to_string(),
        None => "the connection has ended".to_owned(),
    }
}
