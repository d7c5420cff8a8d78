//! A FUSE file system that answers when it is told to: what a dead server looks like.

use std::{
    ffi::CString,
    fs::{File, OpenOptions},
    io::{Read as _, Write as _},
    os::{fd::AsRawFd as _, unix::ffi::OsStrExt as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

use anyhow::{Context as _, Result};

/// What it says when it answers: blocks of 4096 bytes in all, free, and free for all.
pub const BLOCKS: [u64; 3] = [1000, 400, 300];
/// Bytes of a block.
pub const BLOCK: u64 = 4096;

/// Operations (enum fuse_opcode of include/uapi/linux/fuse.h).
const FORGET: u32 = 2;
const STATFS: u32 = 17;
const INIT: u32 = 26;
const INTERRUPT: u32 = 36;
const BATCH_FORGET: u32 = 42;
/// `struct fuse_in_header`.
const HEADER: usize = 40;
/// At least what FUSE_MIN_READ_BUFFER asks for.
const ROOM: usize = 64 << 10;

/// A mounted file system whose program is this process.
pub struct Fuse {
    mountpoint: PathBuf,
    go: Sender<()>,
    asked: Arc<AtomicUsize>,
}

impl Fuse {
    /// Mounts one that takes every question for its room and answers none. The inner error is a
    /// reason to skip.
    pub fn mount(mountpoint: &Path, source: &str) -> Result<Result<Self, String>> {
        let path = "/dev/fuse";
        let device = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(device) => device,
            Err(error) => return Ok(Err(format!("{path}: {error}"))),
        };
        let options = format!(
            "fd={},rootmode=40000,user_id=0,group_id=0",
            device.as_raw_fd()
        );
        let target = CString::new(mountpoint.as_os_str().as_bytes())?;
        let [source, kind, options] = [source, "fuse.procmon-test", &options]
            .map(|text| CString::new(text).unwrap_or_default());
        // SAFETY: mount(2) with strings that outlive the call.
        let mounted = unsafe {
            libc::mount(
                source.as_ptr(),
                target.as_ptr(),
                kind.as_ptr(),
                0,
                options.as_ptr().cast(),
            )
        };
        if mounted != 0 {
            let error = std::io::Error::last_os_error();
            return Ok(Err(format!("FUSE cannot be mounted: {error}")));
        }
        let (go, may_answer) = channel();
        let asked = Arc::new(AtomicUsize::new(0));
        let server = Server {
            device,
            may_answer,
            asked: Arc::clone(&asked),
        };
        thread::spawn(move || server.serve());
        Ok(Ok(Self {
            mountpoint: mountpoint.to_owned(),
            go,
            asked,
        }))
    }

    /// How often it was asked for its room.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Lets it answer what it has been asked, and all that it will be asked.
    pub fn answer(&self) -> Result<()> {
        self.go.send(()).context("the file system has ended")
    }
}

impl Drop for Fuse {
    fn drop(&mut self) {
        if let Ok(path) = CString::new(self.mountpoint.as_os_str().as_bytes()) {
            // Forced: whoever still waits gets an error.
            // SAFETY: umount2(2) with a string that outlives the call.
            unsafe { libc::umount2(path.as_ptr(), libc::MNT_FORCE | libc::MNT_DETACH) };
        }
    }
}

/// Runs in a thread whose mounts nobody else sees; who is started there sees them.
///
/// # Panics
/// When it may not have its own, and as what it runs does.
pub fn with_own_mounts(run: impl FnOnce() + Send + 'static) {
    let thread = thread::spawn(|| {
        let root = c"/";
        let private = libc::MS_REC | libc::MS_PRIVATE;
        let nothing = std::ptr::null();
        // SAFETY: unshare(2), and mount(2) with strings that outlive the call.
        let done = unsafe {
            libc::unshare(libc::CLONE_NEWNS) == 0
                && libc::mount(nothing, root.as_ptr(), nothing, private, nothing.cast()) == 0
        };
        assert!(done, "{}", std::io::Error::last_os_error());
        run();
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

struct Server {
    device: File,
    may_answer: Receiver<()>,
    asked: Arc<AtomicUsize>,
}

impl Server {
    /// Until the file system is unmounted, when reading fails.
    fn serve(mut self) {
        let mut request = vec![0; ROOM];
        let mut answers = false;
        while let Ok(length @ HEADER..) = self.device.read(&mut request) {
            let number = |at: usize| u32::from_ne_bytes(request[at..at + 4].try_into().unwrap());
            let (operation, unique) = (number(4), request[8..16].to_vec());
            let body = match operation {
                INIT => init(number(HEADER + 4)),
                STATFS => {
                    self.asked.fetch_add(1, Ordering::SeqCst);
                    answers = answers || self.may_answer.recv().is_ok();
                    if !answers {
                        return;
                    }
                    statfs()
                }
                FORGET | BATCH_FORGET | INTERRUPT => continue,
                _ => {
                    self.reply(&unique, -libc::ENOSYS, &[]);
                    continue;
                }
            };
            let _ = length;
            self.reply(&unique, 0, &body);
        }
    }

    /// `struct fuse_out_header` and what follows it, in one write.
    fn reply(&mut self, unique: &[u8], error: i32, body: &[u8]) {
        let length = u32::try_from(16 + body.len()).unwrap_or(16);
        let mut reply = length.to_ne_bytes().to_vec();
        reply.extend_from_slice(&error.to_ne_bytes());
        reply.extend_from_slice(unique);
        reply.extend_from_slice(body);
        // Whoever asked may be gone.
        let _ = self.device.write(&reply);
    }
}

/// `struct fuse_init_out` of protocol 7, of the kernel's minor version, without any feature.
fn init(minor: u32) -> Vec<u8> {
    let mut words = [0u32; 16];
    words[0] = 7;
    words[1] = minor;
    words[5] = 4096; // max_write
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

/// `struct fuse_statfs_out`.
fn statfs() -> Vec<u8> {
    let [all, free, available] = BLOCKS;
    let sizes = [all, free, available, 0, 0];
    let mut body: Vec<u8> = sizes.iter().flat_map(|size| size.to_ne_bytes()).collect();
    let block = BLOCK as u32;
    for word in [block, 255, block, 0, 0, 0, 0, 0, 0, 0] {
        body.extend_from_slice(&word.to_ne_bytes());
    }
    body
}
