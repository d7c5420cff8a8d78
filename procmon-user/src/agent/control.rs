//! How other threads tell the collector's to end, and how it waits.

use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

use super::Change;

/// How long the record of a command's end is waited for: wait(2) may return
/// before it is written, by the time of one context switch.
const GRACE: Duration = Duration::from_secs(1);

const RUNNING: u64 = 0;
const STOPPED: u64 = 1;
/// `AWAITING + pid`: the command has ended, its exit record is awaited.
const AWAITING: u64 = 1 << 32;

/// A handle on the collector's thread.
#[derive(Clone, Debug)]
pub struct Control {
    state: Arc<AtomicU64>,
    change: Arc<Mutex<Option<Box<Change>>>>,
    wake: Arc<OwnedFd>,
}

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// The time has come.
    Due,
    /// There may be ends to take in.
    Events,
    /// [`Control::stop`], [`Control::finish`] or [`Control::change`] was called.
    Told,
}

/// What the collector was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Go on.
    Run,
    /// End now, with a last frame.
    Stop,
    /// End with a last frame, once the end of this process is in.
    Finish(u32),
}

impl Control {
    /// A control of a thread that is yet to start.
    pub fn new() -> Result<Self> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .context("cannot make an eventfd")?;
        Ok(Self {
            state: Arc::new(AtomicU64::new(RUNNING)),
            change: Arc::default(),
            wake: Arc::new(wake),
        })
    }

    /// Tells the thread to end.
    pub fn stop(&self) {
        // An order to finish stays: it ends the thread as well.
        let _ = self
            .state
            .compare_exchange(RUNNING, STOPPED, Ordering::SeqCst, Ordering::SeqCst);
        self.wake();
    }

    /// Tells the thread to end with a frame that has the end of `pid` in it.
    pub fn finish(&self, pid: u32) {
        self.state
            .store(AWAITING + u64::from(pid), Ordering::SeqCst);
        self.wake();
    }

    /// Tells the thread to go on otherwise; what it was told before and has not
    /// done yet is void.
    pub fn change(&self, change: Change) {
        let mut waiting = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        *waiting = Some(Box::new(change));
        drop(waiting);
        self.wake();
    }

    /// How it is to go on, if that has changed.
    pub fn take_change(&self) -> Option<Box<Change>> {
        let mut waiting = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.take()
    }

    /// What was told.
    pub fn order(&self) -> Order {
        match self.state.load(Ordering::SeqCst) {
            RUNNING => Order::Run,
            STOPPED => Order::Stop,
            awaiting => Order::Finish((awaiting - AWAITING) as u32),
        }
    }

    /// How long the end of a command is waited for.
    pub fn grace(&self) -> Instant {
        Instant::now() + GRACE
    }

    /// Waits until `deadline`, or until `events` is readable, or an order comes.
    pub fn wait(&self, deadline: Instant, events: Option<RawFd>) -> io::Result<Wake> {
        let told = self.wake.as_ref();
        // SAFETY: the collector keeps the descriptor open while it collects.
        let events = events.map(|fd| unsafe { std::os::fd::BorrowedFd::borrow_raw(fd) });
        let mut fds = vec![PollFd::new(told, PollFlags::IN)];
        fds.extend(events.as_ref().map(|fd| PollFd::new(fd, PollFlags::IN)));
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Wake::Due);
            }
            let timeout = Timespec {
                tv_sec: left.as_secs().cast_signed(),
                tv_nsec: left.subsec_nanos().into(),
            };
            match poll(&mut fds, Some(&timeout)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) if !fds[0].revents().is_empty() => {
                    let mut count = [0; 8];
                    // Empty already is as good.
                    let _ = rustix::io::read(told, &mut count);
                    return Ok(Wake::Told);
                }
                Ok(_) => return Ok(Wake::Events),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn wake(&self) {
        // It only fails when 2^64 - 2 orders are unread.
        let _ = rustix::io::write(self.wake.as_ref(), &1_u64.to_ne_bytes());
    }
}
