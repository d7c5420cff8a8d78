use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::export::sink::{Place, Sink};

/// A sink to `log` in a folder of its own.
struct Case {
    folder: tempfile::TempDir,
    sink: Sink,
}

impl Case {
    fn new(max_size: u64, max_files: u32) -> Self {
        Self::with(Rotation {
            max_size: Some(max_size),
            max_age: None,
            max_files,
        })
    }

    fn with(rotation: Rotation) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sink = Self::open(folder.path(), rotation);
        Self { folder, sink }
    }

    fn open(folder: &Path, rotation: Rotation) -> Sink {
        let path = folder.join("log");
        Sink::open(&Place { path, rotation }, "lines").unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&mut self, records: &[&str]) {
        for record in records {
            let out = self.sink.begin_record();
            out.extend_from_slice(record.as_bytes());
            out.push(b'\n');
            self.sink.end_record();
        }
        self.sink.flush().unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// What stands there: (name, text), by name.
    fn files(&self) -> Vec<(String, String)> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut files: Vec<_> = names.map(|name| (name.clone(), self.read(&name))).collect();
        files.sort();
        files
    }
}

fn files(files: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
    files.iter().map(owned).collect()
}

#[test]
fn a_full_file_is_put_aside_and_the_oldest_goes() {
    let mut case = Case::new(8, 2);
    case.write(&["one", "two"]);
    assert_eq!(case.files(), files(&[("log", "one\ntwo\n")]));
    case.write(&["thr"]);
    assert_eq!(
        case.files(),
        files(&[("log", "thr\n"), ("log.1", "one\ntwo\n")])
    );
    // Several files in one flush.
    case.write(&["fou", "fiv", "six", "sev"]);
    let now = [
        ("log", "sev\n"),
        ("log.1", "fiv\nsix\n"),
        ("log.2", "thr\nfou\n"),
    ];
    assert_eq!(case.files(), files(&now));
}

#[test]
fn no_record_is_over_two_files_however_long() {
    let mut case = Case::new(6, 5);
    case.write(&["a", "longer than a file", "b", "c", "d", "e"]);
    let now = [
        ("log", "e\n"),
        ("log.1", "b\nc\nd\n"),
        ("log.2", "longer than a file\n"),
        ("log.3", "a\n"),
    ];
    assert_eq!(case.files(), files(&now));
}

#[test]
fn with_no_old_files_the_file_begins_anew_and_its_reader_has_it_to_the_end() {
    let mut case = Case::new(8, 0);
    case.write(&["one"]);
    let mut reader = File::open(case.path("log")).unwrap();
    case.write(&["two", "thr"]);
    assert_eq!(case.files(), files(&[("log", "thr\n")]));
    assert_eq!(io::read_to_string(&mut reader).unwrap(), "one\ntwo\n");
}

#[test]
fn with_one_old_file_there_is_one() {
    let mut case = Case::new(4, 1);
    case.write(&["one", "two", "thr"]);
    assert_eq!(case.files(), files(&[("log", "thr\n"), ("log.1", "two\n")]));
}

#[test]
fn a_file_is_put_aside_when_its_first_record_is_old() {
    let mut case = Case::with(Rotation {
        max_size: None,
        max_age: Some(Duration::from_millis(200)),
        max_files: 5,
    });
    // An empty file does not grow old.
    std::thread::sleep(Duration::from_millis(250));
    case.write(&["one"]);
    case.write(&["two"]);
    assert_eq!(case.files(), files(&[("log", "one\ntwo\n")]));
    std::thread::sleep(Duration::from_millis(250));
    case.write(&["thr"]);
    assert_eq!(
        case.files(),
        files(&[("log", "thr\n"), ("log.1", "one\ntwo\n")])
    );
}

#[test]
fn the_size_of_what_is_there_counts_after_a_restart() {
    let mut case = Case::new(8, 1);
    case.write(&["one", "two"]);
    let rotation = Rotation {
        max_size: Some(8),
        max_age: None,
        max_files: 1,
    };
    case.sink = Case::open(case.folder.path(), rotation);
    case.write(&["thr"]);
    assert_eq!(
        case.files(),
        files(&[("log", "thr\n"), ("log.1", "one\ntwo\n")])
    );
}

#[test]
fn a_gap_among_the_numbers_is_filled_and_nothing_behind_it_moves() {
    let mut case = Case::new(4, 9);
    for (name, text) in [("log.1", "b\n"), ("log.3", "a\n")] {
        fs::write(case.path(name), text).unwrap();
    }
    case.write(&["one", "two"]);
    let now = [
        ("log", "two\n"),
        ("log.1", "one\n"),
        ("log.2", "b\n"),
        ("log.3", "a\n"),
    ];
    assert_eq!(case.files(), files(&now));
}

#[test]
fn a_file_that_was_moved_away_is_opened_anew() {
    for max_size in [None, Some(1 << 20)] {
        let mut case = Case::with(Rotation {
            max_size,
            ..Rotation::default()
        });
        case.write(&["one"]);
        fs::rename(case.path("log"), case.path("moved")).unwrap();
        case.write(&["two"]);
        // As logrotate's `create` has it.
        fs::rename(case.path("log"), case.path("moved-too")).unwrap();
        fs::write(case.path("log"), "").unwrap();
        case.write(&["thr"]);
        let now = [("log", "thr\n"), ("moved", "one\n"), ("moved-too", "two\n")];
        assert_eq!(case.files(), files(&now));
        assert_eq!(case.sink.lost(), 0);
    }
}

#[test]
fn a_moved_file_whose_place_is_taken_is_written_on_and_nothing_is_lost() {
    let mut case = Case::new(1 << 20, 5);
    case.write(&["one"]);
    fs::rename(case.path("log"), case.path("moved")).unwrap();
    fs::create_dir(case.path("log")).unwrap();
    case.write(&["two"]);
    assert_eq!(case.read("moved"), "one\ntwo\n");
    fs::remove_dir(case.path("log")).unwrap();
    case.write(&["thr"]);
    assert_eq!(
        case.files(),
        files(&[("log", "thr\n"), ("moved", "one\ntwo\n")])
    );
}

#[test]
fn what_a_removed_file_would_have_held_is_counted_as_lost() {
    let mut case = Case::new(1 << 20, 5);
    case.write(&["one"]);
    fs::remove_file(case.path("log")).unwrap();
    fs::create_dir(case.path("log")).unwrap();
    case.write(&["two", "thr"]);
    assert_eq!(case.sink.lost(), 2);
    fs::remove_dir(case.path("log")).unwrap();
    case.write(&["fou"]);
    assert_eq!(case.files(), files(&[("log", "fou\n")]));
}

#[test]
fn a_file_that_cannot_be_put_aside_grows_on_and_nothing_is_lost() {
    let mut case = Case::new(8, 2);
    // What cannot be renamed over.
    fs::create_dir_all(case.path("log.2/full")).unwrap();
    fs::write(case.path("log.1"), "older\n").unwrap();
    case.write(&["one", "two", "thr", "fou"]);
    assert_eq!(case.read("log"), "one\ntwo\nthr\nfou\n");
    assert_eq!(case.read("log.1"), "older\n");
    assert!(!exists(&case.path("log.new")));
    assert_eq!(case.sink.lost(), 0);
    fs::remove_dir_all(case.path("log.2")).unwrap();
    case.write(&["fiv"]);
    let now = [
        ("log", "fiv\n"),
        ("log.1", "one\ntwo\nthr\nfou\n"),
        ("log.2", "older\n"),
    ];
    assert_eq!(case.files(), files(&now));
}

#[test]
fn what_a_crash_left_of_an_earlier_time_is_cleared_away() {
    let mut case = Case::new(4, 1);
    fs::write(case.path("log.new"), "left").unwrap();
    case.write(&["one", "two"]);
    assert_eq!(case.files(), files(&[("log", "two\n"), ("log.1", "one\n")]));
}

#[test]
fn the_new_file_has_the_permissions_of_the_old() {
    let mut case = Case::new(4, 1);
    fs::set_permissions(case.path("log"), fs::Permissions::from_mode(0o640)).unwrap();
    case.write(&["one", "two"]);
    for name in ["log", "log.1"] {
        let mode = fs::metadata(case.path(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640, "{name}");
    }
}

#[test]
fn a_link_stays_and_the_file_it_leads_to_is_put_aside() {
    let case = Case::new(4, 1);
    let folder = case.path("elsewhere");
    fs::create_dir(&folder).unwrap();
    std::os::unix::fs::symlink(folder.join("real"), case.path("link")).unwrap();
    let place = Place {
        path: case.path("link"),
        rotation: Rotation {
            max_size: Some(4),
            max_age: None,
            max_files: 1,
        },
    };
    let sink = Sink::open(&place, "lines").unwrap();
    let mut case = Case { sink, ..case };
    case.write(&["one", "two"]);
    assert!(case.path("link").is_symlink());
    assert_eq!(case.read("link"), "two\n");
    assert_eq!(case.read("elsewhere/real.1"), "one\n");
}

#[test]
fn blocks_stay_apart_and_a_file_begins_with_one() {
    let mut case = Case::new(10, 2);
    case.sink = case.sink.apart();
    case.write(&["one", "two"]);
    case.write(&["thr", "fou"]);
    let now = [("log", "thr\n\nfou\n"), ("log.1", "one\n\ntwo\n")];
    assert_eq!(case.files(), files(&now));
}
