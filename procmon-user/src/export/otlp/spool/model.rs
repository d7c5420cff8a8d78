//! The spool against a model of it, through any order of what can happen.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::export::otlp::Signal;

const LIMIT: u64 = 10_000;

/// What happens to a spool.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A batch of so many bytes comes.
    Append(usize),
    /// The oldest is sent, and settled.
    Deliver,
    /// The oldest is sent, and nothing is heard.
    Try,
    /// procmon dies, and another one begins.
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1_usize..1500).prop_map(Step::Append),
        3 => Just(Step::Deliver),
        1 => Just(Step::Try),
        1 => Just(Step::Restart),
    ];
    proptest::collection::vec(step, 1..80)
}

/// Bytes that no compression makes much smaller.
fn body(number: u64, len: usize) -> Bytes {
    let mut state = number + 1;
    let bytes = (0..len).map(|_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(99);
        (state >> 56) as u8
    });
    bytes.collect()
}

proptest! {
    #[test]
    fn whatever_happens_it_has_what_was_not_settled_and_was_not_dropped(steps in steps()) {
        let folder = tempfile::tempdir().unwrap();
        let settings = SpoolSettings {
            state_dir: folder.path().to_owned(),
            max_size: LIMIT,
        };
        let mut spool = Spool::open(&settings, Signal::Metrics).unwrap().spool;
        let mut model: BTreeMap<u64, (Location, Bytes)> = BTreeMap::new();
        let mut tried = None;
        let mut came = 0;
        for step in steps {
            match step {
                Step::Append(len) => {
                    let body = body(came, len);
                    let batch = Batch { body: body.clone(), items: came };
                    let appended = spool.append(&batch).unwrap();
                    prop_assert_eq!(appended.location.number, came);
                    model.insert(came, (appended.location, body));
                    model = model.split_off(&appended.oldest);
                    came += 1;
                }
                Step::Deliver | Step::Try => {
                    let Some((number, (location, body))) = model.first_key_value() else {
                        continue;
                    };
                    let number = *number;
                    let read = spool.begin(location, true).unwrap();
                    prop_assert_eq!(read.as_ref(), Some(body));
                    tried = Some(number);
                    if matches!(step, Step::Deliver) {
                        spool.settle(number).unwrap();
                        model.remove(&number);
                    }
                }
                Step::Restart => {
                    drop(spool);
                    let opened = Spool::open(&settings, Signal::Metrics).unwrap();
                    prop_assert_eq!(opened.lost, 0);
                    let found: Vec<_> = opened.found.iter().map(|f| f.location).collect();
                    let expected: Vec<_> = model.values().map(|(location, _)| *location).collect();
                    prop_assert_eq!(found, expected);
                    let first = model.keys().next();
                    prop_assert_eq!(opened.tried, first.is_some() && first == tried.as_ref());
                    spool = opened.spool;
                }
            }
            prop_assert!(spool.bytes() <= LIMIT);
            if model.is_empty() {
                prop_assert_eq!(spool.bytes(), 0);
            }
        }
    }
}
