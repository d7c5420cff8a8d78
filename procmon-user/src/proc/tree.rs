//! Who descends from whom.

use super::dir::read_file;
use super::{Error, ProcRoot, list_pids, stat};

/// The living descendants of `pids`, without those themselves, by ascending
/// pid. A process whose parent has ended belongs to init by then: whoever wants
/// to keep it has to remember it.
pub fn descendants(root: &ProcRoot, pids: &[u32], buf: &mut Vec<u8>) -> Result<Vec<u32>, Error> {
    let mut all = Vec::new();
    list_pids(root, buf, &mut all)?;
    let mut pairs = Vec::with_capacity(all.len());
    for pid in all {
        // One that ended meanwhile is nobody's descendant.
        if read_file(&root.proc.join(pid.to_string()).join("stat"), buf).is_ok()
            && let Ok(stat) = stat::parse(buf)
        {
            pairs.push((stat.parent_pid, pid));
        }
    }
    Ok(below(pairs, pids))
}

/// The descendants of `pids` in a list of (parent, child).
pub fn below(mut pairs: Vec<(u32, u32)>, pids: &[u32]) -> Vec<u32> {
    pairs.sort_unstable();
    let mut found: Vec<u32> = Vec::new();
    let mut open = pids.to_vec();
    while let Some(parent) = open.pop() {
        let first = pairs.partition_point(|pair| pair.0 < parent);
        for (_, child) in pairs[first..].iter().take_while(|pair| pair.0 == parent) {
            // Pids may be reused while the list is read: it need not be a tree.
            if !found.contains(child) && !pids.contains(child) {
                found.push(*child);
                open.push(*child);
            }
        }
    }
    found.sort_unstable();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn children_of_children() {
        let pairs = vec![(0, 1), (1, 5), (1, 6), (5, 9), (9, 12), (6, 7), (2, 3)];
        assert_eq!(below(pairs.clone(), &[5]), [9, 12]);
        assert_eq!(below(pairs.clone(), &[1]), [5, 6, 7, 9, 12]);
        assert_eq!(below(pairs.clone(), &[1, 5]), [6, 7, 9, 12]);
        assert_eq!(below(pairs, &[4]), [0u32; 0]);
    }

    #[test]
    fn a_child_of_ours_is_found() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let own = std::process::id();
        let found = descendants(&ProcRoot::system(), &[own], &mut Vec::new()).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(found.contains(&child.id()) && !found.contains(&own));
    }

    proptest! {
        #[test]
        fn a_ring_ends(pairs: Vec<(u8, u8)>, pids: Vec<u8>) {
            let pairs = pairs.into_iter().map(|(a, b)| (a.into(), b.into())).collect();
            let pids: Vec<u32> = pids.into_iter().map(u32::from).collect();
            let found = below(pairs, &pids);
            prop_assert!(found.iter().all(|pid| !pids.contains(pid)));
        }
    }
}
