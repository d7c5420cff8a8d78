use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::*;

/// A disk with room for so many bytes.
#[derive(Clone, Default)]
struct Disk(Arc<Mutex<(Vec<u8>, usize)>>);

/// One whose files cannot be cut.
struct Pipe(Disk);

impl Disk {
    fn with_room(room: usize) -> Self {
        Self(Arc::new(Mutex::new((Vec::new(), room))))
    }
    fn set_room(&self, room: usize) {
        self.0.lock().unwrap().1 = room;
    }
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().0.clone()).unwrap()
    }
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (content, room) = &mut *self.0.lock().unwrap();
        let count = bytes.len().min(room.saturating_sub(content.len()));
        if count == 0 {
            return Err(io::Error::from_raw_os_error(libc::ENOSPC));
        }
        content.extend_from_slice(&bytes[..count]);
        Ok(count)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Target for Disk {
    fn length(&self) -> Option<u64> {
        Some(self.0.lock().unwrap().0.len() as u64)
    }
    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.0.lock().unwrap().0.truncate(length as usize);
        Ok(())
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Target for Pipe {
    fn length(&self) -> Option<u64> {
        None
    }
    fn cut(&mut self, _: u64) -> io::Result<()> {
        unreachable!("a pipe cannot be cut")
    }
}

fn send(sink: &mut Sink, records: &[&str]) -> Result<(), SinkError> {
    for record in records {
        sink.begin_record().extend_from_slice(record.as_bytes());
        sink.end_record();
    }
    sink.flush()
}

#[test]
fn a_file_is_made_and_appended_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jsonl");
    for _ in 0..2 {
        let mut sink = Sink::open(&Place::of(&path), "lines").unwrap();
        send(&mut sink, &["one\n", "two\n"]).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        "one\ntwo\none\ntwo\n"
    );
}

#[test]
fn a_missing_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing/a.jsonl");
    let error = Sink::open(&Place::of(&path), "lines").err().unwrap();
    assert!(matches!(error, SinkError::NoFolder { .. }));
    let message = error.to_string();
    assert!(message.ends_with("/missing"), "{message}");
}

#[test]
fn a_folder_is_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let error = Sink::open(&Place::of(folder.path()), "lines")
        .err()
        .unwrap();
    assert!(matches!(error, SinkError::Open { .. }));
}

#[test]
fn a_reader_that_has_gone_is_the_end() {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let file = File::from(std::os::fd::OwnedFd::from(writer));
    let mut sink = Sink::new(Box::new(file), "pipe".to_owned(), "lines");
    let error = send(&mut sink, &["one\n"]).unwrap_err();
    assert!(matches!(error, SinkError::Closed { .. }));
}

#[test]
fn a_full_device_loses_and_counts() {
    let mut sink = Sink::open(&Place::of(Path::new("/dev/full")), "lines").unwrap();
    send(&mut sink, &["one\n", "two\n"]).unwrap();
    send(&mut sink, &["three\n"]).unwrap();
    assert_eq!(sink.lost(), 3);
}

#[test]
fn a_piece_of_a_record_is_taken_back() {
    let disk = Disk::with_room(6);
    let mut sink = Sink::new(Box::new(disk.clone()), "disk".to_owned(), "lines");
    send(&mut sink, &["one\n", "two\n", "three\n"]).unwrap();
    assert_eq!(disk.text(), "one\n");
    assert_eq!(sink.lost(), 2);
    disk.set_room(100);
    send(&mut sink, &["four\n"]).unwrap();
    assert_eq!(disk.text(), "one\nfour\n");
    assert_eq!(sink.failing, None);
    assert_eq!(sink.lost(), 2);
}

#[test]
fn a_piece_that_stays_is_closed_by_a_newline() {
    let disk = Disk::with_room(6);
    let target = Box::new(Pipe(disk.clone()));
    let mut sink = Sink::new(target, "pipe".to_owned(), "lines");
    send(&mut sink, &["one\n", "two\n"]).unwrap();
    assert_eq!(disk.text(), "one\ntw");
    // Still full: nothing more is written, and the piece is remembered.
    send(&mut sink, &["three\n"]).unwrap();
    assert_eq!(disk.text(), "one\ntw");
    disk.set_room(100);
    send(&mut sink, &["four\n"]).unwrap();
    assert_eq!(disk.text(), "one\ntw\nfour\n");
    assert_eq!(sink.lost(), 2);
}

#[test]
fn a_full_file_is_cut_on_a_real_disk() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jsonl");
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .open(&path)
        .unwrap();
    file.write_all(b"one\ntw").unwrap();
    assert_eq!(file.length(), Some(6));
    file.cut(4).unwrap();
    file.write_all(b"three\n").unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\nthree\n");
}
