use std::os::unix::fs::PermissionsExt as _;

use super::format::VERSION;
use super::*;
use crate::export::otlp::Signal;

const FOLDER: &str = Signal::Metrics.spool();

const ROOMY: u64 = 64 << 20;

fn settings(folder: &Path, max_size: u64) -> SpoolSettings {
    SpoolSettings {
        state_dir: folder.to_owned(),
        max_size,
    }
}

/// A batch that no compression makes much smaller.
fn batch(number: u64, len: usize) -> Batch {
    let mut state = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    Batch {
        body: (0..len).map(|_| next()).collect(),
        items: number + 1,
    }
}

fn open(folder: &Path) -> Opened {
    Spool::open(&settings(folder, ROOMY), Signal::Metrics).unwrap()
}

/// A spool with these batches, each of 1000 bytes, that nobody uses.
fn filled(count: u64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = open(folder.path()).spool;
    for number in 0..count {
        spool.append(&batch(number, 1000)).unwrap();
    }
    folder
}

/// The numbers of what is found, each of which is read and compared.
fn numbers(opened: &mut Opened) -> Vec<u64> {
    let found = std::mem::take(&mut opened.found);
    let check = |found: &Found| {
        let number = found.location.number;
        let record = segment::read(&opened.spool.folder, &found.location).unwrap();
        let expected = batch(number, 1000);
        assert_eq!(format::decode(&record, number).unwrap(), expected.body);
        assert_eq!((found.len, found.items), (1000, expected.items));
        number
    };
    found.iter().map(check).collect()
}

/// The only segment.
fn segment_of(folder: &Path) -> PathBuf {
    let folder = folder.join(FOLDER);
    let names = segment::names(&folder).unwrap();
    assert_eq!(names.len(), 1);
    segment::path(&folder, names[0])
}

fn sizes(folder: &Path) -> u64 {
    let folder = folder.join(FOLDER);
    let names = segment::names(&folder).unwrap();
    let sizes = names
        .iter()
        .map(|name| fs::metadata(segment::path(&folder, *name)).unwrap().len());
    sizes.sum()
}

#[test]
fn what_was_not_settled_is_there_after_a_restart_byte_for_byte_and_in_order() {
    let folder = filled(5);
    let mut opened = open(folder.path());
    assert_eq!((opened.lost, opened.tried), (0, false));
    assert_eq!(numbers(&mut opened), [0, 1, 2, 3, 4]);
    opened.spool.settle(0).unwrap();
    opened.spool.settle(1).unwrap();
    opened.spool.append(&batch(5, 1000)).unwrap();
    drop(opened);
    let mut opened = open(folder.path());
    assert_eq!((opened.lost, opened.tried), (0, false));
    assert_eq!(numbers(&mut opened), [2, 3, 4, 5]);
    for number in 2..6 {
        opened.spool.settle(number).unwrap();
    }
    assert_eq!(opened.spool.bytes(), 0);
    drop(opened);
    let mut opened = open(folder.path());
    assert!(numbers(&mut opened).is_empty());
    // Numbers go on: none is given twice.
    let appended = opened.spool.append(&batch(6, 1000)).unwrap();
    assert_eq!(appended.location.number, 6);
}

#[test]
fn a_batch_that_was_on_its_way_is_told_apart_from_one_that_was_not() {
    let folder = filled(2);
    let mut opened = open(folder.path());
    let first = opened.found[0].location;
    opened.spool.begin(&first, false).unwrap();
    drop(opened);
    let mut opened = open(folder.path());
    assert!(opened.tried);
    opened.spool.settle(0).unwrap();
    drop(opened);
    let opened = open(folder.path());
    assert!(!opened.tried);
    assert_eq!(opened.found.len(), 1);
}

#[test]
fn what_is_delivered_at_once_takes_no_room() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = open(folder.path()).spool;
    for number in 0..100 {
        let location = spool.append(&batch(number, 1000)).unwrap().location;
        spool.begin(&location, false).unwrap();
        spool.settle(number).unwrap();
        assert_eq!(spool.bytes(), 0);
        assert_eq!(sizes(folder.path()), FILE_HEADER as u64);
    }
}

#[test]
fn a_spool_that_is_full_drops_the_oldest_and_never_grows_past_its_bound() {
    let folder = tempfile::tempdir().unwrap();
    let limit = 20_000;
    let mut spool = Spool::open(&settings(folder.path(), limit), Signal::Metrics)
        .unwrap()
        .spool;
    let mut oldest = 0;
    for number in 0..100 {
        let appended = spool.append(&batch(number, 1000)).unwrap();
        assert!(
            appended.oldest >= oldest,
            "never the newer before the older"
        );
        oldest = appended.oldest;
        assert!(spool.bytes() <= limit);
        assert!(sizes(folder.path()) <= limit + 16 * 16);
    }
    // What made room is no more than a segment and a record.
    assert!(spool.bytes() > limit - limit / SEGMENTS - 2000);
    drop(spool);
    let mut opened = open(folder.path());
    assert_eq!(numbers(&mut opened), (oldest..100).collect::<Vec<_>>());
    assert_eq!(opened.lost, 0);
}

#[test]
fn a_batch_larger_than_the_spool_is_refused_and_nothing_is_dropped_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(&settings(folder.path(), 4096), Signal::Metrics)
        .unwrap()
        .spool;
    spool.append(&batch(0, 1000)).unwrap();
    let error = spool.append(&batch(1, 5000)).unwrap_err();
    assert!(error.to_string().contains("larger"), "{error}");
    drop(spool);
    assert_eq!(numbers(&mut open(folder.path())), [0]);
}

#[test]
fn a_spool_truncated_in_the_middle_of_a_record_gives_all_before_and_counts_the_loss() {
    let whole = fs::metadata(segment_of(filled(4).path())).unwrap().len();
    for cut in [1, 500, 1000] {
        let folder = filled(4);
        let file = File::options()
            .write(true)
            .open(segment_of(folder.path()))
            .unwrap();
        file.set_len(whole - cut).unwrap();
        let mut opened = open(folder.path());
        assert_eq!(opened.lost, 1, "{cut} bytes less");
        assert_eq!(numbers(&mut opened), [0, 1, 2]);
        // What comes is written behind nothing that is broken.
        opened.spool.append(&batch(4, 1000)).unwrap();
        drop(opened);
        let mut opened = open(folder.path());
        assert_eq!(numbers(&mut opened), [0, 1, 2, 4]);
        assert_eq!(opened.lost, 0, "counted once");
    }
}

#[test]
fn a_record_that_was_altered_costs_itself_alone() {
    let folder = filled(5);
    let path = segment_of(folder.path());
    let mut bytes = fs::read(&path).unwrap();
    // In the content of the third.
    let record = (bytes.len() - FILE_HEADER) / 5;
    bytes[FILE_HEADER + 2 * record + 100] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let mut opened = open(folder.path());
    assert_eq!(opened.lost, 1);
    assert_eq!(numbers(&mut opened), [0, 1, 3, 4]);
}

#[test]
fn a_damage_in_what_was_delivered_is_no_loss() {
    let folder = filled(3);
    let mut spool = open(folder.path()).spool;
    spool.settle(1).unwrap();
    drop(spool);
    let path = segment_of(folder.path());
    let mut bytes = fs::read(&path).unwrap();
    bytes[FILE_HEADER + 100] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let mut opened = open(folder.path());
    assert_eq!((numbers(&mut opened), opened.lost), (vec![2], 0));
}

#[test]
fn a_spool_from_a_newer_version_is_refused_and_left_as_it_is() {
    for name in ["segment", "cursor"] {
        let folder = filled(3);
        let path = match name {
            "cursor" => folder.path().join(FOLDER).join("cursor"),
            _ => segment_of(folder.path()),
        };
        let mut bytes = fs::read(&path).unwrap();
        bytes[14..16].copy_from_slice(&(VERSION + 1).to_le_bytes());
        fs::write(&path, &bytes).unwrap();
        let error = Spool::open(&settings(folder.path(), ROOMY), Signal::Metrics).unwrap_err();
        let said = error.to_string();
        assert!(said.contains("in format 2"), "{said}");
        assert!(said.contains("remove"), "{said}");
        assert_eq!(fs::read(&path).unwrap(), bytes);
        // The old one would find all of it.
        bytes[14..16].copy_from_slice(&VERSION.to_le_bytes());
        fs::write(&path, &bytes).unwrap();
        assert_eq!(numbers(&mut open(folder.path())), [0, 1, 2]);
    }
}

#[test]
fn a_spool_is_one_procmons_at_a_time() {
    let folder = filled(2);
    let first = open(folder.path());
    let error = Spool::open(&settings(folder.path(), ROOMY), Signal::Metrics).unwrap_err();
    let said = error.to_string();
    assert!(
        said.contains(&format!("(process {})", std::process::id())),
        "{said}"
    );
    assert!(said.contains("state_dir of its own"), "{said}");
    drop(first);
    assert_eq!(numbers(&mut open(folder.path())), [0, 1]);
}

#[test]
fn a_folder_that_cannot_be_is_told() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = Spool::open(&settings(&file.path().join("x"), ROOMY), Signal::Metrics).unwrap_err();
    assert!(error.to_string().contains("cannot make"), "{error}");
}

#[test]
fn without_a_cursor_all_that_is_there_is_found() {
    let folder = filled(3);
    open(folder.path()).spool.settle(0).unwrap();
    fs::remove_file(folder.path().join(FOLDER).join("cursor")).unwrap();
    let mut opened = open(folder.path());
    assert_eq!((numbers(&mut opened), opened.lost), (vec![0, 1, 2], 0));
}

#[test]
fn others_may_not_read_it() {
    let folder = filled(1);
    for path in [folder.path().join(FOLDER), segment_of(folder.path())] {
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", path.display());
    }
}

#[test]
fn segments_go_as_they_are_delivered() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(&settings(folder.path(), 80_000), Signal::Metrics)
        .unwrap()
        .spool;
    for number in 0..60 {
        spool.append(&batch(number, 1000)).unwrap();
    }
    let names = |folder: &Path| segment::names(&folder.join(FOLDER)).unwrap();
    let all = names(folder.path());
    assert!(all.len() >= 6);
    for (index, name) in all.iter().enumerate() {
        if *name > 0 {
            spool.settle(name - 1).unwrap();
        }
        assert_eq!(names(folder.path()), all[index..]);
    }
}
