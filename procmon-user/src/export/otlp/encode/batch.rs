//! Bodies of bounded size.

use bytes::{BufMut, Bytes, BytesMut};
use prost::encoding::encoded_len_varint;

use super::SCHEMA_URL;
use super::series::begin;

/// A request's body: a whole `ExportMetricsServiceRequest`, or that of another
/// signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The message.
    pub body: Bytes,
    /// How many points, log records or spans are in it.
    pub items: u64,
}

/// Puts `ResourceMetrics` one after the other into bodies of bounded size; or
/// `ResourceLogs` or `ResourceSpans`, whose fields have the same numbers.
#[derive(Debug)]
pub(in crate::export::otlp) struct Writer {
    limit: usize,
    buffer: BytesMut,
    items: u64,
    batches: Vec<Batch>,
    /// The end of each `Resource`: what all have.
    host: Vec<u8>,
    /// The end of each `ResourceMetrics`.
    schema: Vec<u8>,
    /// How long the last body was: about what the next one needs.
    expected: usize,
}

impl Writer {
    /// `host` is encoded: the resources that are written leave it out.
    pub(in crate::export::otlp) fn new(limit: usize, host: Vec<u8>) -> Self {
        let mut schema = Vec::new();
        prost::encoding::string::encode(3, &SCHEMA_URL.to_owned(), &mut schema);
        Self {
            limit,
            buffer: BytesMut::new(),
            items: 0,
            batches: Vec::new(),
            host,
            schema,
            expected: 0,
        }
    }

    /// Writes what is encoded: a resource and a scope with its `items`.
    pub(in crate::export::otlp) fn write(&mut self, resource: &[u8], scope: &[u8], items: u64) {
        let scope_field = 1 + encoded_len_varint(scope.len() as u64) + scope.len();
        let whole_resource = resource.len() + self.host.len();
        let resource_field = 1 + encoded_len_varint(whole_resource as u64) + whole_resource;
        let len = resource_field + scope_field + self.schema.len();
        let whole = 1 + encoded_len_varint(len as u64) + len;
        if !self.buffer.is_empty() && self.buffer.len() + whole > self.limit {
            self.cut();
        }
        if self.buffer.is_empty() {
            self.buffer.reserve(self.expected);
        }
        begin(1, len, &mut self.buffer);
        begin(1, whole_resource, &mut self.buffer);
        self.buffer.put_slice(resource);
        self.buffer.put_slice(&self.host);
        begin(2, scope.len(), &mut self.buffer);
        self.buffer.put_slice(scope);
        self.buffer.put_slice(&self.schema);
        self.items += items;
    }

    fn cut(&mut self) {
        self.expected = self.buffer.len();
        self.batches.push(Batch {
            body: self.buffer.split().freeze(),
            items: std::mem::take(&mut self.items),
        });
    }

    /// Hands out the bodies that are complete.
    pub(in crate::export::otlp) fn take_complete(&mut self) -> impl Iterator<Item = Batch> {
        self.batches.drain(..)
    }

    /// Completes the body at hand, and hands out what there is.
    pub(in crate::export::otlp) fn finish(&mut self) -> impl Iterator<Item = Batch> {
        if !self.buffer.is_empty() {
            self.cut();
        }
        self.batches.drain(..)
    }
}
