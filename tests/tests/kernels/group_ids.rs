//! The ids of control groups, as the kernel half notes them, against the inodes of their
//! directories.

use procmon::kernel::{Events, Kernel, Options, Programs, Scope, Sizes};
use procmon_common::cgroups::{change, tree};
use procmon_common::{CgroupIds, ProcessEntry};
use procmon_tests::{
    Program, Victim, need,
    nested::{Nested, Tree, own_name, trees},
    program::SOON,
    watching::wait_until,
};

/// The kernel half, counting every process.
fn load() -> Kernel {
    let scope = Scope::All {
        kernel_threads: false,
    };
    Kernel::load(Options {
        scope,
        children: false,
        sizes: Sizes::default(),
        programs: Programs::ALL,
    })
    .unwrap()
}

/// The id that is noted of a group of this tree.
fn id_in(tree: Tree, ids: CgroupIds) -> u64 {
    if tree.v2 { ids.v2 } else { ids.memory }
}

fn entry(kernel: &mut Kernel, pid: u32) -> ProcessEntry {
    kernel.meet_all().unwrap();
    kernel.entry(pid).unwrap()
}

#[test]
fn ids_of_v1_and_v2_equal_the_inodes_at_birth_at_a_move_and_at_the_end() {
    for tree in need!(trees()) {
        let older = Victim::held_before("").unwrap();
        let mut kernel = load();
        let group = Nested::new(tree, &["a"]).unwrap();
        let born = Program::start(group.command("/bin/cat").unwrap().arg("-")).unwrap();
        let id = group.id().unwrap();
        assert_eq!(id_in(tree, entry(&mut kernel, born.pid()).cgroups), id);

        assert_ne!(id_in(tree, entry(&mut kernel, older.pid()).cgroups), id);
        group.take_in(older.pid()).unwrap();
        // By the hook: no pass has met it since.
        let moved = kernel.entry(older.pid()).unwrap();
        assert_eq!(id_in(tree, moved.cgroups), id, "{tree:?}");

        let pids = [born.pid(), older.pid()];
        let mut born = born;
        born.close_stdin();
        born.wait(SOON).unwrap();
        older.finish().unwrap();
        group.remove().unwrap();
        let mut events = Events::default();
        let kernel = std::cell::RefCell::new(kernel);
        let events = std::cell::RefCell::new(&mut events);
        wait_until("two ends and the changes", || {
            let more = kernel.borrow_mut().take_events();
            let mut events = events.borrow_mut();
            events.exits.extend(more.exits);
            events.cgroups.extend(more.cgroups);
            let ended = |pid| events.exits.iter().any(|exit| exit.pid == pid);
            pids.into_iter().all(ended)
        });
        let events = events.into_inner();
        for exit in events.exits.iter().filter(|exit| pids.contains(&exit.pid)) {
            assert_eq!(id_in(tree, exit.cgroups), id, "{tree:?}");
        }

        // Made outside in, removed inside out, in the tree they were in.
        let names = [own_name(), "a".to_owned()];
        let told: Vec<(u32, u32, String)> = events
            .cgroups
            .iter()
            .map(|record| {
                let end = record.name.iter().position(|byte| *byte == 0).unwrap();
                let name = String::from_utf8_lossy(&record.name[..end]).into_owned();
                (record.tree, record.change, name)
            })
            .filter(|(_, _, name)| names.contains(name))
            .collect();
        let of = if tree.v2 { tree::V2 } else { tree::MEMORY };
        let expected = [
            (of, change::MADE, names[0].clone()),
            (of, change::MADE, names[1].clone()),
            (of, change::REMOVED, names[1].clone()),
            (of, change::REMOVED, names[0].clone()),
        ];
        assert_eq!(told, expected, "{tree:?}");
        let inner = events
            .cgroups
            .iter()
            .find(|record| record.id == id)
            .unwrap();
        let outer = events
            .cgroups
            .iter()
            .find(|record| record.id == inner.parent);
        assert!(outer.is_some_and(|outer| outer.tree == of), "{tree:?}");
    }
}
