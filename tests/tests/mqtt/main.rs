//! MQTT, by a real broker and a real subscriber.

mod aggregates;
mod doors;
mod losses;
mod messages;
mod proxy;
mod support;
