//! `export.otlp`: what its keys may be, beside texts.

use serde_json::json;

use super::value::{Form, Scalar};
use crate::export::otlp::spool::SpoolSize;
use crate::size;

impl Scalar for SpoolSize {
    fn form() -> Form {
        let number = json!({"type": "integer", "minimum": Self::LEAST});
        let text = json!({"type": "string", "pattern": size::PATTERN});
        Form {
            words: Self::WANTED.to_owned(),
            schema: json!({"anyOf": [number, text]}),
        }
    }
}
