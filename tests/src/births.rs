//! How many processes a process and its descendants have made, by the kernel's own count.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    os::fd::{AsRawFd as _, FromRawFd as _},
};

use anyhow::{Context as _, Result};

/// `struct perf_event_attr` as it was at first (PERF_ATTR_SIZE_VER0); see perf_event_open(2).
#[repr(C)]
#[derive(Default)]
struct Attributes {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    breakpoint_type: u32,
    breakpoint_address: u64,
}

const PERF_TYPE_TRACEPOINT: u32 = 2;
const INHERIT: u64 = 1 << 1;
/// `_IOW('$', 6, char *)`.
const PERF_EVENT_IOC_SET_FILTER: libc::Ioctl = 0x4008_2406;

/// A count of births that goes on.
pub struct Births(File);

impl Births {
    /// Of a process that has one thread and no children yet; the reason why they cannot be counted.
    pub fn of(pid: u32) -> Result<Self, String> {
        let id = "/sys/kernel/tracing/events/task/task_newtask/id";
        let id = fs::read_to_string(id).map_err(|error| format!("{id}: {error}"))?;
        let attributes = Attributes {
            kind: PERF_TYPE_TRACEPOINT,
            size: size_of::<Attributes>() as u32,
            config: id.trim().parse().map_err(|_| format!("id {id:?}"))?,
            flags: INHERIT,
            ..Attributes::default()
        };
        // SAFETY: perf_event_open(2) reads the attributes, which are as long as they say; on any
        // CPU, in no group.
        let fd = unsafe {
            libc::syscall(
                libc::SYS_perf_event_open,
                &raw const attributes,
                pid,
                -1,
                -1,
                0,
            )
        };
        if fd < 0 {
            return Err(format!("perf_event_open: {}", io::Error::last_os_error()));
        }
        // SAFETY: a descriptor that was made just now and is nobody else's.
        let events = Self(unsafe { File::from_raw_fd(fd as i32) });
        let no_threads = format!("!(clone_flags & {})", libc::CLONE_THREAD);
        let no_threads = std::ffi::CString::new(no_threads).map_err(|error| error.to_string())?;
        // SAFETY: the ioctl reads a C string, which lives.
        let failed = unsafe {
            libc::ioctl(
                events.0.as_raw_fd(),
                PERF_EVENT_IOC_SET_FILTER,
                no_threads.as_ptr(),
            )
        };
        match failed {
            0 => Ok(events),
            _ => Err(format!("perf filter: {}", io::Error::last_os_error())),
        }
    }

    /// How many there were so far.
    pub fn count(&self) -> Result<u64> {
        let mut count = [0; 8];
        (&self.0)
            .read_exact(&mut count)
            .context("cannot read the perf event")?;
        Ok(u64::from_ne_bytes(count))
    }
}
