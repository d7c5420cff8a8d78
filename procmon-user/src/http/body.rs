//! Pages on their way to a reader.

use std::io::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body::{Body, Frame};
use thiserror::Error;
use tokio::sync::OwnedSemaphorePermit;

use super::page::Page;

/// How long a page may be on its way: whoever reads it more slowly than that
/// holds a view in memory for nothing.
const LONGEST: Duration = Duration::from_secs(60);
/// A piece of a page, bytes before it is compressed.
const PIECE: usize = 64 << 10;

/// Why a page ends before its end.
#[derive(Debug, Error)]
pub enum Broken {
    /// It was read too slowly.
    #[error("a page was not read within {LONGEST:?}")]
    Slow,
    /// It could not be compressed.
    #[error(transparent)]
    Gzip(#[from] std::io::Error),
}

/// A page, written as it is read.
pub struct PageBody {
    page: Option<Page>,
    gzip: Option<GzEncoder<Vec<u8>>>,
    /// Pieces before they are compressed.
    piece: Vec<u8>,
    deadline: Instant,
    /// So many may be on their way.
    _permit: OwnedSemaphorePermit,
}

impl PageBody {
    /// The whole of a page, compressed or not.
    pub fn new(page: Page, gzip: bool, permit: OwnedSemaphorePermit) -> Self {
        Self {
            page: Some(page),
            gzip: gzip.then(|| GzEncoder::new(Vec::new(), Compression::fast())),
            piece: Vec::new(),
            deadline: Instant::now() + LONGEST,
            _permit: permit,
        }
    }

    /// The next piece; `None` after the last.
    fn next(&mut self) -> Result<Option<Bytes>, Broken> {
        while let Some(page) = &mut self.page {
            if Instant::now() > self.deadline {
                return Err(Broken::Slow);
            }
            // The last family may go beyond it by some lines.
            self.piece.reserve(PIECE + PIECE / 8);
            let more = page.write(&mut self.piece, PIECE);
            if !more {
                self.page = None;
            }
            let piece = match &mut self.gzip {
                None => std::mem::take(&mut self.piece),
                Some(gzip) => {
                    gzip.write_all(&self.piece)?;
                    self.piece.clear();
                    if !more {
                        gzip.try_finish()?;
                    }
                    std::mem::take(gzip.get_mut())
                }
            };
            if !piece.is_empty() {
                return Ok(Some(piece.into()));
            }
        }
        Ok(None)
    }
}

impl Body for PageBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let piece = self.get_mut().next().transpose();
        Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.page.is_none()
    }
}
