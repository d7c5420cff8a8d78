//! statvfs(3) that cannot hang procmon.
//!
//! The call does not return while the server of a network file system or the
//! program behind a FUSE mount is away, and no signal ends it once FUSE has
//! handed its question over (request_wait_answer of fs/fuse/dev.c). A thread
//! that waits there keeps its whole process from ending. So the calls are made
//! by a process of their own: procmon's program, started once more, which
//! starts a thread for each question. Nobody waits for its end for long.

use std::ffi::OsStr;
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;

use crate::capabilities;

/// The only argument of a procmon that is the helper.
const ROLE: &str = "__statvfs";
/// The longest question: its number and a path.
const LONGEST: usize = 8 + libc::PATH_MAX as usize;
/// Numbers in an answer: the question's, the errno, and those of [`Room`].
const NUMBERS: usize = 5;
/// A thread of the helper needs next to nothing.
const STACK: usize = 64 << 10;

/// Room of a file system, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// All of it.
    pub total: u64,
    /// What is not in use.
    pub free: u64,
    /// What anyone may still use.
    pub available: u64,
}

impl Room {
    /// Asks the kernel, and waits as long as it takes.
    pub fn of(path: &Path) -> Result<Self, Errno> {
        let statvfs = rustix::fs::statvfs(path)?;
        let bytes = |blocks: u64| blocks.saturating_mul(statvfs.f_frsize);
        Ok(Self {
            total: bytes(statvfs.f_blocks),
            free: bytes(statvfs.f_bfree),
            available: bytes(statvfs.f_bavail),
        })
    }
}

/// Answers some time to the questions it is asked.
pub trait Oracle: Send {
    /// Asks for the room at a path; `question` comes back with the answer.
    ///
    /// # Errors
    /// When nobody is there to be asked.
    fn ask(&mut self, question: u64, path: &Path) -> io::Result<()>;

    /// The next answer; waits for it no longer than `patience`, which is not 0.
    fn answer(&mut self, patience: Duration) -> Option<(u64, Result<Room, Errno>)>;
}

/// The process that makes the calls, seen from procmon.
pub struct Helper {
    socket: UnixDatagram,
    child: Child,
}

impl Drop for Helper {
    /// Takes it along when it ends at once. When it hangs it is left behind: it
    /// ends with what it waits for.
    fn drop(&mut self) {
        let _ = self.socket.shutdown(Shutdown::Both);
        for _ in 0..50 {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(1)),
                Ok(Some(_)) | Err(_) => return,
            }
        }
    }
}

impl Helper {
    /// Starts it.
    ///
    /// # Errors
    /// Those of socketpair(2) and of starting procmon's program again.
    pub fn start() -> io::Result<Self> {
        let [ours, theirs] = pair()?;
        let ours = UnixDatagram::from(ours);
        ours.set_write_timeout(Some(Duration::from_millis(10)))?;
        let child = Command::new("/proc/self/exe")
            .arg0("procmon")
            .arg(ROLE)
            .stdin(theirs)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C is for procmon; the helper ends with it.
            .process_group(0)
            .spawn()?;
        Ok(Self {
            socket: ours,
            child,
        })
    }
}

impl Oracle for Helper {
    fn ask(&mut self, question: u64, path: &Path) -> io::Result<()> {
        let mut message = question.to_ne_bytes().to_vec();
        message.extend_from_slice(path.as_os_str().as_bytes());
        self.socket.send(&message).map(drop)
    }

    fn answer(&mut self, patience: Duration) -> Option<(u64, Result<Room, Errno>)> {
        self.socket.set_read_timeout(Some(patience)).ok()?;
        let mut bytes = [0; NUMBERS * 8];
        if self.socket.recv(&mut bytes).ok()? != bytes.len() {
            return None;
        }
        let mut numbers = bytes
            .chunks_exact(8)
            .filter_map(|chunk| Some(u64::from_ne_bytes(chunk.try_into().ok()?)));
        let mut next = || numbers.next().unwrap_or_default();
        let (question, errno) = (next(), next());
        let room = Room {
            total: next(),
            free: next(),
            available: next(),
        };
        let answer = match i32::try_from(errno) {
            Ok(0) => Ok(room),
            Ok(errno) => Err(Errno::from_raw_os_error(errno)),
            Err(_) => Err(Errno::IO),
        };
        Some((question, answer))
    }
}

/// Is the helper, when the command line says so, until procmon is gone.
pub fn serve_if_asked() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().as_deref() != Some(OsStr::new(ROLE)) || arguments.next().is_some() {
        return None;
    }
    let socket = match io::stdin().as_fd().try_clone_to_owned() {
        Ok(socket) => Arc::new(UnixDatagram::from(socket)),
        Err(_) => return Some(ExitCode::FAILURE),
    };
    // It does with more, where the kernel takes none away.
    let _ = capabilities::keep_to_search();
    let mut message = vec![0; LONGEST];
    // Nothing comes from a socket whose other end is closed.
    while let Ok(length @ 1..) = socket.recv(&mut message) {
        let Some((question, path)) = message[..length].split_first_chunk::<8>() else {
            break;
        };
        let question = u64::from_ne_bytes(*question);
        let path = Path::new(OsStr::from_bytes(path)).to_owned();
        let reply = {
            let socket = Arc::clone(&socket);
            move |answer| drop(socket.send(&encode(question, answer)))
        };
        let late = reply.clone();
        let thread = std::thread::Builder::new().stack_size(STACK);
        if thread.spawn(move || reply(Room::of(&path))).is_err() {
            late(Err(Errno::AGAIN));
        }
    }
    Some(ExitCode::SUCCESS)
}

fn encode(question: u64, answer: Result<Room, Errno>) -> [u8; NUMBERS * 8] {
    let errno = answer.map_or_else(|errno| errno.raw_os_error().unsigned_abs(), |_| 0);
    let room = answer.unwrap_or_default();
    let numbers = [
        question,
        u64::from(errno),
        room.total,
        room.free,
        room.available,
    ];
    let mut bytes = [0; NUMBERS * 8];
    for (place, number) in bytes.chunks_exact_mut(8).zip(numbers) {
        place.copy_from_slice(&number.to_ne_bytes());
    }
    bytes
}

/// Two ends that keep messages apart and tell when the other is closed.
fn pair() -> io::Result<[OwnedFd; 2]> {
    let mut ends = [0; 2];
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
    // SAFETY: socketpair(2) with a place for both descriptors.
    if unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: made just now, and nobody else's.
    Ok(ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) }))
}
