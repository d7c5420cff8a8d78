//! `export.mqtt`: what its keys may be.

use serde_json::json;

use super::value::{Form, Scalar};
use crate::export::mqtt::settings::Waiting;
use crate::export::mqtt::{BrokerUrl, Qos, Template};

impl Scalar for BrokerUrl {
    fn form() -> Form {
        Form {
            words: Self::WANTED.to_owned(),
            schema: json!({"type": "string", "pattern": "^mqtts?://[^@/]+/?$"}),
        }
    }
}

impl Scalar for Template {
    fn form() -> Form {
        Form {
            words: Self::WANTED.to_owned(),
            schema: json!({"type": "string", "pattern": "^[^+#]+$"}),
        }
    }
}

impl Scalar for Qos {
    fn form() -> Form {
        Form {
            words: "0 or 1".to_owned(),
            schema: json!({"type": "integer", "minimum": 0, "maximum": 1}),
        }
    }
}

impl Scalar for Waiting {
    fn form() -> Form {
        Form {
            words: Self::WANTED.to_owned(),
            schema: json!({"type": "integer", "minimum": 1}),
        }
    }
}
