//! The memory a history may take, and how many samples fit into it.

use log::{info, warn};

use super::HistoryHealth;
use super::settings::{LEAST_DEPTH, Settings};

/// Keeps count of the memory.
#[derive(Debug)]
pub struct Cap {
    size: u32,
    max_bytes: usize,
    depth: u32,
    /// What the samples take.
    heap_bytes: usize,
    left_out: u64,
    said: bool,
    left_out_said: bool,
}

impl Cap {
    /// Nothing has been taken yet.
    pub fn new(settings: &Settings) -> Self {
        let size = settings.size.max(LEAST_DEPTH);
        Self {
            size,
            max_bytes: usize::try_from(settings.max_memory).unwrap_or(usize::MAX),
            depth: size,
            heap_bytes: 0,
            left_out: 0,
            said: false,
            left_out_said: false,
        }
    }

    /// A frame begins.
    pub fn begin(&mut self) {
        self.left_out = 0;
    }

    /// The most samples that each keeps.
    pub fn depth(&self) -> u32 {
        self.depth
    }

    /// What all samples take.
    pub fn heap_bytes(&self) -> usize {
        self.heap_bytes
    }

    /// One took so many bytes before, and takes so many now.
    pub fn took(&mut self, before: usize, now: usize) {
        self.heap_bytes = self.heap_bytes + now - before;
    }

    /// All samples have been looked at: so many bytes they take.
    pub fn recounted(&mut self, heap_bytes: usize) {
        self.heap_bytes = heap_bytes;
    }

    /// Whether tables of so many bytes fit.
    pub fn has_room(&self, tables: usize) -> bool {
        tables <= self.max_bytes
    }

    /// One has no history for want of room.
    pub fn leave_out(&mut self) {
        self.left_out += 1;
        if !self.left_out_said {
            self.left_out_said = true;
            warn!(
                "{} bytes are too little for a history of every process: some have none",
                self.max_bytes
            );
        }
    }

    /// Whether every process of this frame has had room so far.
    pub fn has_all(&self) -> bool {
        self.left_out == 0
    }

    /// Whether this is too much; there are to be fewer samples then.
    pub fn must_shrink(&mut self, bytes: usize) -> bool {
        if bytes <= self.max_bytes || self.depth == LEAST_DEPTH {
            self.grow(bytes);
            return false;
        }
        self.depth = (self.depth - self.depth / 4 - 1).max(LEAST_DEPTH);
        if !self.said {
            self.said = true;
            warn!(
                "the history does not fit into {} bytes with {} samples of each: fewer are kept; \
                 procmon.agent.history.depth tells how many",
                self.max_bytes, self.size
            );
        }
        true
    }

    /// More samples again, where there is plenty of room.
    fn grow(&mut self, bytes: usize) {
        if self.depth < self.size && bytes < self.max_bytes / 2 {
            self.depth = (self.depth + self.depth / 4 + 1).min(self.size);
            if self.depth == self.size && self.said {
                self.said = false;
                info!("the history keeps {} samples of each again", self.size);
            }
        }
    }

    /// Whether it was said that there are fewer samples.
    #[cfg(test)]
    pub fn was_said(&self) -> bool {
        self.said
    }

    /// How it does.
    pub fn health(&self, bytes: usize) -> HistoryHealth {
        HistoryHealth {
            depth: self.depth,
            bytes: bytes as u64,
            left_out: self.left_out,
        }
    }
}
