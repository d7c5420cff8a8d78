//! Batches for collectors that take less in one message than a batch has.

use std::collections::VecDeque;

use bytes::Bytes;
use prost::encoding::{WireType, decode_key, decode_varint};

use super::{Accepted, Failure, Transport};

/// After so many batches a larger part is tried again.
const TRY_LARGER_AFTER: u32 = 100;

/// Sends a batch that is too large for the collector in parts, of one resource
/// at the least.
///
/// Later batches are cut before they are sent; after a hundred of them twice as
/// much is tried again, as a collector or a proxy may have changed. When a try fails in the middle, the next one of the
/// same batch goes on behind the parts that were settled.
#[derive(Debug)]
pub struct Splitting<T> {
    inner: T,
    /// What the log calls the collector.
    name: String,
    /// Most bytes of a message, as far as is known.
    most: usize,
    /// Batches that were taken since.
    taken: u32,
    /// The batch at hand.
    batch: Bytes,
    /// What of it is not settled.
    parts: VecDeque<Bytes>,
    /// What was said to those that are.
    accepted: Accepted,
    /// Why some of it will never be taken.
    refused: Option<String>,
}

impl<T: Transport> Splitting<T> {
    /// Sends by `inner`.
    pub fn new(inner: T, name: String) -> Self {
        Self {
            inner,
            name,
            most: usize::MAX,
            taken: 0,
            batch: Bytes::new(),
            parts: VecDeque::new(),
            accepted: Accepted::default(),
            refused: None,
        }
    }

    fn begin(&mut self, batch: Bytes) {
        self.parts = match batch.len() <= self.most {
            true => [batch.clone()].into(),
            false => cut(&batch, self.most).into(),
        };
        self.batch = batch;
        self.accepted = Accepted::default();
        self.refused = None;
    }

    /// Cuts what is left into parts half as long as the first; an error when that is one resource.
    fn cut_smaller(&mut self, reason: String) -> Result<(), String> {
        let Some(part) = self.parts.front() else {
            return Err(reason);
        };
        let (len, half) = (part.len(), part.len() / 2);
        if cut(part, half).len() < 2 {
            return Err(format!("one resource alone has {len} bytes: {reason}"));
        }
        log::info!(
            "OTLP to {}: a message of {len} bytes is too large ({reason}); batches go in parts of \
             {half} bytes from now on",
            self.name
        );
        self.most = half;
        self.taken = 0;
        let parts = self.parts.iter().flat_map(|part| cut(part, half));
        self.parts = parts.collect();
        Ok(())
    }
}

impl<T: Transport> Transport for Splitting<T> {
    async fn send(&mut self, body: Bytes) -> Result<Accepted, Failure> {
        if self.parts.is_empty() || self.batch != body {
            self.begin(body);
        }
        while let Some(part) = self.parts.front().cloned() {
            let refused = match self.inner.send(part).await {
                Ok(accepted) => {
                    self.accepted.rejected += accepted.rejected;
                    if !accepted.message.is_empty() {
                        self.accepted.message = accepted.message;
                    }
                    None
                }
                Err(Failure::TooLarge { reason }) => match self.cut_smaller(reason) {
                    Ok(()) => continue,
                    Err(reason) => Some(reason),
                },
                Err(Failure::Permanent { reason }) => Some(reason),
                Err(later @ Failure::Retryable { .. }) => return Err(later),
            };
            self.parts.pop_front();
            self.refused = self.refused.take().or(refused);
        }
        self.taken += 1;
        if self.taken >= TRY_LARGER_AFTER {
            self.taken = 0;
            self.most = self.most.saturating_mul(2);
        }
        self.batch = Bytes::new();
        match self.refused.take() {
            Some(reason) => Err(Failure::Permanent { reason }),
            None => Ok(std::mem::take(&mut self.accepted)),
        }
    }
}

/// A request of OTLP is nothing but a repeated field: of resources, whatever
/// the signal. So some of its fields, one after the other, are a request, too.
/// Each part has at most so many bytes, or one field. What is no such request
/// stays whole.
fn cut(body: &Bytes, most: usize) -> Vec<Bytes> {
    let mut parts = Vec::new();
    let (mut begin, mut end) = (0, 0);
    while let Some(field) = first_field(&body[end..]) {
        if end > begin && end + field - begin > most {
            parts.push(body.slice(begin..end));
            begin = end;
        }
        end += field;
    }
    if end != body.len() {
        return vec![body.clone()];
    }
    parts.push(body.slice(begin..end));
    parts
}

/// How long the first field is, if it is a message.
fn first_field(bytes: &[u8]) -> Option<usize> {
    let mut left = bytes;
    let (_, kind) = decode_key(&mut left).ok()?;
    if kind != WireType::LengthDelimited {
        return None;
    }
    let len = usize::try_from(decode_varint(&mut left).ok()?).ok()?;
    let whole = (bytes.len() - left.len()).checked_add(len)?;
    (whole <= bytes.len()).then_some(whole)
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
    use prost::Message as _;

    use super::*;
    use crate::export::otlp::HostIdentity;
    use crate::export::otlp::encode::Encoder;
    use crate::export::otlp::testing::{sample, settings, view};

    /// Takes messages up to a size, and fails where it is told to.
    #[derive(Debug, Default)]
    struct Narrow {
        most: usize,
        taken: Vec<Bytes>,
        tried: usize,
        /// The tries that fail, by their number.
        failing: Vec<usize>,
    }

    impl Transport for Narrow {
        async fn send(&mut self, body: Bytes) -> Result<Accepted, Failure> {
            self.tried += 1;
            if self.failing.contains(&self.tried) {
                return Err(Failure::retryable("busy"));
            }
            if body.len() > self.most {
                let reason = "too large".to_owned();
                return Err(Failure::TooLarge { reason });
            }
            self.taken.push(body);
            Ok(Accepted {
                rejected: 1,
                message: String::new(),
            })
        }
    }

    fn batch(processes: u32) -> Bytes {
        let variable = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317");
        let mut encoder = Encoder::new(&settings(&[variable]), HostIdentity::default());
        let processes = (1..=processes).map(sample).collect();
        let mut batches = encoder.encode(&view(10, processes, vec![]));
        assert_eq!(batches.len(), 1);
        batches.remove(0).body
    }

    fn narrow(most: usize) -> Splitting<Narrow> {
        let inner = Narrow {
            most,
            ..Narrow::default()
        };
        Splitting::new(inner, "there".to_owned())
    }

    fn assert_same(parts: &[Bytes], whole: &Bytes) {
        let decode =
            |body: &Bytes| ExportMetricsServiceRequest::decode(body.clone()).expect("OTLP");
        let resources = parts.iter().flat_map(|part| decode(part).resource_metrics);
        let all = resources.collect::<Vec<_>>();
        assert_eq!(all, decode(whole).resource_metrics);
    }

    #[tokio::test]
    async fn a_batch_that_is_too_large_arrives_in_parts_and_the_next_is_cut_before_it_is_sent() {
        let batch = batch(40);
        let mut splitting = narrow(batch.len() / 5);
        let accepted = splitting.send(batch.clone()).await.expect("taken");
        let Narrow { taken, tried, .. } = &splitting.inner;
        assert_same(taken, &batch);
        // Whole, halves, quarters: each was found too large once.
        assert_eq!(*tried, taken.len() + 3);
        assert_eq!(accepted.rejected, taken.len() as u64);
        let before = std::mem::take(&mut splitting.inner);
        splitting.inner.most = before.most;
        splitting.send(batch.clone()).await.expect("taken");
        let Narrow { taken, tried, .. } = &splitting.inner;
        assert_same(taken, &batch);
        assert_eq!(*tried, taken.len());
    }

    #[tokio::test]
    async fn a_collector_that_takes_more_again_gets_whole_batches_in_the_end() {
        let batch = batch(40);
        let mut splitting = narrow(batch.len() / 5);
        splitting.send(batch.clone()).await.expect("taken");
        splitting.inner.most = usize::MAX;
        for _ in 0..4 * TRY_LARGER_AFTER {
            splitting.send(batch.clone()).await.expect("taken");
        }
        assert_eq!(splitting.inner.taken.last(), Some(&batch));
    }

    #[tokio::test]
    async fn a_try_that_fails_in_the_middle_goes_on_behind_what_was_taken() {
        let batch = batch(40);
        let mut splitting = narrow(batch.len() / 2);
        splitting.inner.failing = vec![3, 4];
        for _ in 0..2 {
            let failure = splitting.send(batch.clone()).await.expect_err("busy");
            assert!(matches!(failure, Failure::Retryable { .. }), "{failure:?}");
        }
        splitting.send(batch.clone()).await.expect("taken");
        assert_same(&splitting.inner.taken, &batch);
    }

    #[tokio::test]
    async fn another_batch_begins_anew_when_the_one_before_was_given_up() {
        let (first, second) = (batch(40), batch(20));
        let mut splitting = narrow(first.len() / 2);
        splitting.inner.failing = vec![3];
        splitting.send(first).await.expect_err("busy");
        splitting.inner.taken.clear();
        splitting.send(second.clone()).await.expect("taken");
        assert_same(&splitting.inner.taken, &second);
    }

    #[tokio::test]
    async fn one_resource_that_is_too_large_is_refused_and_the_others_arrive() {
        let (small, large) = (batch(1), batch(40));
        let mut splitting = narrow(small.len() - 1);
        let failure = splitting.send(small.clone()).await.expect_err("too large");
        let expected = format!("one resource alone has {} bytes: too large", small.len());
        assert_eq!(failure, Failure::Permanent { reason: expected });
        // Pids of two digits make a resource longer.
        let mut splitting = narrow(small.len());
        let failure = splitting.send(large).await.expect_err("some too large");
        assert!(matches!(failure, Failure::Permanent { .. }), "{failure:?}");
        assert_eq!(splitting.inner.taken.len(), 9);
    }

    #[test]
    fn what_is_no_request_stays_whole() {
        for bytes in [&[0xff_u8; 9][..], &[8, 1, 8, 2], &[10, 5, 1]] {
            let body = Bytes::copy_from_slice(bytes);
            assert_eq!(cut(&body, 1), [body]);
        }
    }
}
