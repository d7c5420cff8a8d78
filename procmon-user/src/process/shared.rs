//! Words of processes, kept once for all that have the same.

use std::collections::HashSet;
use std::sync::Arc;

use super::Metadata;

/// Below so many there is nothing to win by looking for those that nobody has.
const FEW: usize = 1024;

/// The workers of a server, a thousand of them, differ in their pids alone:
/// their words take the room of one's.
#[derive(Debug)]
pub struct SharedMetadata {
    all: HashSet<Arc<Metadata>>,
    /// How many there may be before those are let go that nobody has.
    room: usize,
}

impl Default for SharedMetadata {
    fn default() -> Self {
        Self {
            all: HashSet::new(),
            room: FEW,
        }
    }
}

impl SharedMetadata {
    /// The one that all processes have whose words are these.
    pub fn share(&mut self, metadata: Metadata) -> Arc<Metadata> {
        if let Some(shared) = self.all.get(&metadata) {
            return Arc::clone(shared);
        }
        if self.all.len() >= self.room {
            self.all.retain(|shared| Arc::strong_count(shared) > 1);
            self.all.shrink_to(FEW);
            // Twice what is in use: a look at each is paid for by as many births.
            self.room = FEW.max(2 * self.all.len());
        }
        let shared = Arc::new(metadata);
        self.all.insert(Arc::clone(&shared));
        shared
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(executable: String) -> Metadata {
        Metadata {
            executable,
            ..Metadata::default()
        }
    }

    #[test]
    fn equal_words_are_kept_once_and_others_are_not_mixed_up() {
        let mut shared = SharedMetadata::default();
        let one = shared.share(named("postgres".to_owned()));
        let two = shared.share(named("postgres".to_owned()));
        let other = shared.share(named("redis".to_owned()));
        assert!(Arc::ptr_eq(&one, &two));
        assert_eq!(other.executable, "redis");
        assert_eq!(shared.all.len(), 2);
    }

    #[test]
    fn words_that_nobody_has_are_let_go() {
        let mut shared = SharedMetadata::default();
        let kept = shared.share(named("kept".to_owned()));
        for number in 0..10 * FEW {
            shared.share(named(number.to_string()));
            assert!(shared.all.len() <= FEW, "{} are kept", shared.all.len());
        }
        assert!(Arc::ptr_eq(&kept, &shared.share(named("kept".to_owned()))));
    }

    #[test]
    fn words_that_processes_have_are_kept_however_many() {
        let mut shared = SharedMetadata::default();
        let number = 3 * FEW;
        let all: Vec<_> = (0..number)
            .map(|number| shared.share(named(number.to_string())))
            .collect();
        assert_eq!(shared.all.len(), number);
        for one in &all {
            assert!(Arc::ptr_eq(one, &shared.share((**one).clone())));
        }
    }
}
