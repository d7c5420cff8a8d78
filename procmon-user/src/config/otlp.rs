//! `export.otlp`: what its keys may be, beside texts.

use super::value::{Form, Scalar};
use crate::export::otlp::Traced;
use crate::export::otlp::spool::SpoolSize;

impl Scalar for SpoolSize {
    fn form() -> Form {
        Form::of_bytes(Self::LEAST, Self::WANTED)
    }
}

impl Scalar for Traced {
    fn form() -> Form {
        Form::one_of(&Self::ALL.map(Self::name))
    }
}
