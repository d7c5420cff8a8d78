//! Where messages go and how.

use std::fmt;
use std::str::FromStr;

use super::address::BrokerUrl;
use super::topic::{self, Name, Template};
use crate::export::otlp::SettingsError;
use crate::export::otlp::settings::{Pem, Tls};

/// How sure delivery is (MQTT 3.1.1, 4.3). There is no 2: it would need a
/// session that outlives connections, and a message that comes twice is known
/// by its timestamp.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Qos {
    /// 0: a message may be lost on its way, unseen.
    AtMostOnce,
    /// 1: the broker confirms each; one may come twice.
    #[default]
    AtLeastOnce,
}

/// How many messages wait for the broker at most, at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting(pub usize);

impl Waiting {
    /// What it may be, in words.
    pub const WANTED: &str = "a number of messages, at least 1";
}

impl Default for Waiting {
    fn default() -> Self {
        Self(10_000)
    }
}

impl FromStr for Qos {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "0" => Ok(Self::AtMostOnce),
            "1" => Ok(Self::AtLeastOnce),
            _ => Err(format!("{text:?} is not one of 0, 1")),
        }
    }
}

impl fmt::Display for Qos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (*self as u8).fmt(f)
    }
}

impl FromStr for Waiting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.parse().ok().filter(|number| *number > 0);
        number
            .map(Self)
            .ok_or_else(|| format!("{text:?} is not {}", Self::WANTED))
    }
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The keys of `export.mqtt`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileSettings {
    /// `url`: the broker; without it nothing goes out.
    pub url: Option<BrokerUrl>,
    /// `topic`.
    pub topic: Template,
    /// `domain_id`.
    pub domain_id: Option<String>,
    /// `channel_id`.
    pub channel_id: Option<String>,
    /// `client_id`: who procmon says it is.
    pub client_id: Option<String>,
    /// `username`.
    pub username: Option<String>,
    /// `password`.
    pub password: Option<String>,
    /// `qos`.
    pub qos: Qos,
    /// `retain`: the broker keeps the last message of the topic.
    pub retain: bool,
    /// `queue`.
    pub queue: Waiting,
    /// `certificate`: a PEM file.
    pub certificate: Option<String>,
    /// `client_certificate`: a PEM file.
    pub client_certificate: Option<String>,
    /// `client_key`: a PEM file.
    pub client_key: Option<String>,
}

/// Everything the exporter needs to know.
pub struct Settings {
    /// The broker.
    pub url: BrokerUrl,
    /// The topic.
    pub topic: String,
    /// `proplet_id`, and the client identifier at the broker.
    pub client_id: Option<String>,
    /// User, and password if there is one.
    pub login: Option<(String, Option<String>)>,
    /// How sure delivery is.
    pub qos: Qos,
    /// Whether the broker keeps the last message.
    pub retain: bool,
    /// The most messages that wait.
    pub queue: usize,
    /// Certificates; of no use without TLS.
    pub tls: Tls,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The password must not get into a log.
        write!(f, "Settings({} {:?})", self.url, self.topic)
    }
}

impl FileSettings {
    /// All that is wrong with the keys taken together, if there is a broker;
    /// files that are named are not looked at.
    pub fn mistakes(&self) -> Vec<SettingsError> {
        if self.url.is_none() {
            return Vec::new();
        }
        let mut mistakes = Vec::new();
        let mut wrong = |key: &str, problem: String| {
            let setting = format!("export.mqtt.{key}");
            mistakes.push(SettingsError { setting, problem });
        };
        for name in self.topic.names() {
            match self.value(name) {
                None => wrong(name.name, format!("the topic {} needs it", self.topic)),
                Some(value) => {
                    if let Some(why) = topic::level_problem(value) {
                        wrong(name.name, format!("{value:?} cannot be in a topic: {why}"));
                    }
                }
            }
        }
        let missing =
            |given: &Option<String>, with: &Option<String>| given.is_some() && with.is_none();
        if missing(&self.password, &self.username) {
            wrong("username", "must be given with a password".to_owned());
        }
        if missing(&self.client_certificate, &self.client_key) {
            wrong(
                "client_key",
                "must be given with client_certificate".to_owned(),
            );
        }
        if missing(&self.client_key, &self.client_certificate) {
            wrong(
                "client_certificate",
                "must be given with client_key".to_owned(),
            );
        }
        mistakes
    }

    /// The settings; `None` without a broker.
    ///
    /// # Errors
    /// At the first of the mistakes, or of the files that cannot be read.
    pub fn resolve(&self) -> Result<Option<Settings>, SettingsError> {
        let Some(url) = self.url.clone() else {
            return Ok(None);
        };
        if let Some(mistake) = self.mistakes().into_iter().next() {
            return Err(mistake);
        }
        let authority = pem("certificate", &self.certificate)?;
        let certificate = pem("client_certificate", &self.client_certificate)?;
        let key = pem("client_key", &self.client_key)?;
        Ok(Some(Settings {
            url,
            topic: self.topic.fill(|name| self.value(name).unwrap_or_default()),
            client_id: self.client_id.clone(),
            login: self
                .username
                .clone()
                .map(|name| (name, self.password.clone())),
            qos: self.qos,
            retain: self.retain,
            queue: self.queue.0,
            tls: Tls {
                authority,
                identity: certificate.zip(key),
            },
        }))
    }

    fn value(&self, name: Name) -> Option<&str> {
        let value = match name.name {
            "domain_id" => &self.domain_id,
            "channel_id" => &self.channel_id,
            _ => &self.client_id,
        };
        value.as_deref()
    }
}

fn pem(key: &str, path: &Option<String>) -> Result<Option<Pem>, SettingsError> {
    let Some(path) = path.clone() else {
        return Ok(None);
    };
    match std::fs::read(&path) {
        Ok(content) => Ok(Some(Pem { path, content })),
        Err(error) => Err(SettingsError {
            setting: format!("export.mqtt.{key}"),
            problem: format!("cannot read {path}: {error}"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete() -> FileSettings {
        FileSettings {
            url: Some("mqtt://broker".parse().unwrap()),
            domain_id: Some("d".to_owned()),
            channel_id: Some("c".to_owned()),
            ..FileSettings::default()
        }
    }

    #[test]
    fn without_a_broker_nothing_goes_out_and_nothing_is_missing() {
        let file = FileSettings {
            password: Some("x".to_owned()),
            ..FileSettings::default()
        };
        assert_eq!(file.mistakes(), []);
        assert!(file.resolve().unwrap().is_none());
    }

    #[test]
    fn the_topic_is_the_template_with_its_names_filled_in() {
        let settings = complete().resolve().unwrap().unwrap();
        assert_eq!(settings.topic, "m/d/c/c/metrics/proplet");
        assert_eq!((settings.qos, settings.queue), (Qos::AtLeastOnce, 10_000));
    }

    #[test]
    fn what_is_missing_is_named_with_what_needs_it() {
        let said = |change: fn(&mut FileSettings)| {
            let mut file = complete();
            change(&mut file);
            let said = file.mistakes().into_iter().map(|m| m.to_string());
            assert!(file.resolve().is_err());
            said.collect::<Vec<_>>().join("; ")
        };
        let text = said(|file| file.domain_id = None);
        assert!(text.contains("export.mqtt.domain_id: the topic m/{domain_id}"));
        let text = said(|file| file.channel_id = Some("a/b".to_owned()));
        assert!(
            text.contains("channel_id") && text.contains("one level"),
            "{text}"
        );
        let text = said(|file| file.password = Some("geheim".to_owned()));
        assert!(
            text.contains("username") && !text.contains("geheim"),
            "{text}"
        );
        let text = said(|file| file.client_key = Some("/k".to_owned()));
        assert!(text.contains("client_certificate"), "{text}");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let mut file = complete();
        file.certificate = Some("/nowhere/ca.pem".to_owned());
        let error = file.resolve().err().unwrap().to_string();
        assert!(error.contains("export.mqtt.certificate: cannot read /nowhere/ca.pem"));
    }

    #[test]
    fn qos_is_0_or_1_and_the_queue_holds_at_least_one() {
        assert_eq!("0".parse(), Ok(Qos::AtMostOnce));
        assert_eq!("1".parse::<Qos>().unwrap().to_string(), "1");
        assert!("2".parse::<Qos>().unwrap_err().contains("0, 1"));
        assert_eq!("5".parse(), Ok(Waiting(5)));
        assert!("0".parse::<Waiting>().unwrap_err().contains("at least 1"));
    }
}
