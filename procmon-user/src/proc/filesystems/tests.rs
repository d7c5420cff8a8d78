//! Rounds over mounts that answer, and mounts that hang until told otherwise.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

use rustix::io::Errno;

use super::*;

/// Answers at once, but for the paths that hang.
#[derive(Clone, Default)]
struct Fake(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    hang: HashSet<PathBuf>,
    questions: Vec<(u64, PathBuf)>,
    /// All that were ever asked.
    asked: Vec<PathBuf>,
}

impl Fake {
    fn hang(&self, path: &Path, hangs: bool) {
        let mut state = self.0.lock().unwrap();
        match hangs {
            true => state.hang.insert(path.to_owned()),
            false => state.hang.remove(path),
        };
    }

    fn asked(&self, path: &Path) -> usize {
        let state = self.0.lock().unwrap();
        state.asked.iter().filter(|asked| *asked == path).count()
    }
}

impl Oracle for Fake {
    fn ask(&mut self, question: u64, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.questions.push((question, path.to_owned()));
        state.asked.push(path.to_owned());
        Ok(())
    }

    fn answer(&mut self, patience: Duration) -> Option<(u64, Result<Room, Errno>)> {
        let mut state = self.0.lock().unwrap();
        let State {
            hang, questions, ..
        } = &mut *state;
        let Some(at) = questions.iter().position(|(_, path)| !hang.contains(path)) else {
            std::thread::sleep(patience);
            return None;
        };
        let (question, path) = questions.remove(at);
        Some((question, Room::of(&path)))
    }
}

struct Scene {
    tree: tempfile::TempDir,
    fake: Fake,
    reader: FilesystemReader,
    errors: ReadErrors,
}

impl Scene {
    fn new() -> Self {
        let tree = tempfile::tempdir().unwrap();
        let proc = tree.path().join("proc/1");
        std::fs::create_dir_all(&proc).unwrap();
        std::fs::write(tree.path().join("proc/filesystems"), "\text4\n").unwrap();
        let fake = Fake::default();
        let scene = Self {
            tree,
            reader: FilesystemReader::new(Ok(Box::new(fake.clone()))),
            fake,
            errors: ReadErrors::default(),
        };
        scene.mount(&["/", "/far", "/gone"]);
        std::fs::create_dir(scene.at("/far")).unwrap();
        scene
    }

    fn at(&self, mountpoint: &str) -> PathBuf {
        ProcRoot::under(self.tree.path()).locate(Path::new(mountpoint))
    }

    fn mount(&self, mountpoints: &[&str]) {
        let lines = mountpoints.iter().enumerate().map(|(n, mountpoint)| {
            format!("{n} 1 254:{n} / {mountpoint} rw - ext4 /dev/vda{n} rw\n")
        });
        let text: String = lines.collect();
        std::fs::write(self.tree.path().join("proc/1/mountinfo"), text).unwrap();
    }

    fn round(&mut self) -> Vec<String> {
        let root = ProcRoot::under(self.tree.path());
        let read = self.reader.read(&root, &mut Vec::new(), &mut self.errors);
        let names = read.unwrap().into_iter();
        names.map(|filesystem| filesystem.mountpoint).collect()
    }
}

#[test]
fn room_is_that_of_statvfs() {
    let mut scene = Scene::new();
    let root = ProcRoot::under(scene.tree.path());
    let shown = scene
        .reader
        .read(&root, &mut Vec::new(), &mut scene.errors)
        .unwrap();
    // Of a mount that is not there nothing is told.
    assert_eq!(shown.len(), 2);
    let room = rustix::fs::statvfs(scene.tree.path()).unwrap();
    assert_eq!(
        shown[0].used + shown[0].free + shown[0].reserved,
        room.f_blocks * room.f_frsize
    );
    assert_eq!(shown[0].device, "/dev/vda0");
    assert_eq!(scene.errors.as_slice(), []);
}

#[test]
fn a_mount_that_hangs_is_left_out_said_once_and_asked_once() {
    let mut scene = Scene::new();
    let far = scene.at("/far");
    assert_eq!(scene.round(), ["/", "/far"]);
    scene.fake.hang(&far, true);
    for _ in 0..5 {
        assert_eq!(scene.round(), ["/"]);
    }
    assert_eq!(scene.fake.asked(&far), 2);
    assert_eq!(scene.errors.as_slice(), [("filesystems", "timeout", 5)]);
    let said = scene.errors.take_new();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with("/far (ext4, /dev/vda1) does not say"));

    scene.fake.hang(&far, false);
    for _ in 0..3 {
        assert_eq!(scene.round(), ["/", "/far"]);
    }
    assert_eq!(scene.errors.as_slice(), [("filesystems", "timeout", 5)]);
}

#[test]
fn nobody_waits_twice_for_the_same_mount() {
    let mut scene = Scene::new();
    scene.fake.hang(&scene.at("/far"), true);
    let took = |scene: &mut Scene| {
        let start = Instant::now();
        scene.round();
        start.elapsed()
    };
    assert!(took(&mut scene) >= PATIENCE);
    let quickest = (0..20).map(|_| took(&mut scene)).min().unwrap();
    assert!(quickest < PATIENCE, "{quickest:?}");
}

#[test]
fn a_mount_that_is_gone_is_forgotten_with_its_question() {
    let mut scene = Scene::new();
    scene.fake.hang(&scene.at("/far"), true);
    scene.round();
    scene.mount(&["/"]);
    assert_eq!(scene.round(), ["/"]);
    assert_eq!(scene.reader.asked.len(), 1);
    scene.fake.hang(&scene.at("/far"), false);
    scene.mount(&["/", "/far"]);
    assert_eq!(scene.round(), ["/", "/far"]);
}

#[test]
fn with_nobody_to_ask_the_reason_is_told() {
    let mut scene = Scene::new();
    scene.reader = FilesystemReader::new(Err(io::Error::from_raw_os_error(libc::EAGAIN)));
    let root = ProcRoot::under(scene.tree.path());
    let read = scene.reader.read(&root, &mut Vec::new(), &mut scene.errors);
    assert_eq!(read.unwrap_err().cause(), "EAGAIN");
}
