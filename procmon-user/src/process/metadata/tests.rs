//! Metadata of fixtures, and of this process.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::*;

const CONTAINER: &str = "3b1f0a9e3b1f0a9e3b1f0a9e3b1f0a9e3b1f0a9e3b1f0a9e3b1f0a9e3b1f0a9e";
const POD: &str = "3a2f7e6c-8f3b-4c55-9d3e-0a1b2c3d4e5f";

fn id(start_ticks: u64) -> ProcessId {
    ProcessId {
        pid: 7,
        start_ticks,
    }
}

fn tree(comm: &[u8], flags: u32, exe: Option<&str>) -> tempfile::TempDir {
    let tree = tempfile::tempdir().unwrap();
    let dir = tree.path().join("proc/7");
    fs::create_dir_all(&dir).unwrap();
    fs::create_dir_all(tree.path().join("etc")).unwrap();
    let mut stat = b"7 (".to_vec();
    stat.extend_from_slice(comm);
    stat.extend_from_slice(
        format!(") S 3 0 0 0 -1 {flags} 0 0 0 0 0 0 0 0 20 0 1 0 15 0 0 0\n").as_bytes(),
    );
    fs::write(dir.join("stat"), stat).unwrap();
    fs::write(dir.join("status"), "Tgid:\t7\nUid:\t33\t0\t0\t0\n").unwrap();
    fs::write(
        dir.join("cgroup"),
        format!("0::/kubepods/burstable/pod{POD}/{CONTAINER}\n"),
    )
    .unwrap();
    fs::write(tree.path().join("etc/passwd"), "www-data:x:33:33:::\n").unwrap();
    if let Some(exe) = exe {
        symlink(exe, dir.join("exe")).unwrap();
        fs::write(dir.join("cmdline"), b"nginx: worker\0-g\0").unwrap();
    }
    tree
}

fn read(tree: &Path, start_ticks: u64, name: Option<&str>) -> (Metadata, ReadErrors) {
    let mut errors = ReadErrors::default();
    let told = Told {
        executable: name.map(str::to_owned),
        ..Told::default()
    };
    let metadata =
        MetadataReader::new(ProcRoot::under(tree)).read(id(start_ticks), told, &mut errors);
    (metadata, errors)
}

#[test]
fn everything_there_is() {
    let tree = tree(b"nginx", 0, Some("/usr/sbin/nginx (deleted)"));
    let (metadata, errors) = read(tree.path(), 15, None);
    assert_eq!(
        metadata,
        Metadata {
            executable: "nginx".into(),
            path: Some("/usr/sbin/nginx".into()),
            command: Some("nginx: worker".into()),
            arguments: vec![],
            parent_pid: Some(3),
            user_id: Some(33),
            owner: Some("www-data".into()),
            cgroup: Some(format!("/kubepods/burstable/pod{POD}/{CONTAINER}")),
            container_id: Some(CONTAINER.into()),
            pod_uid: Some(POD.into()),
            unit: None,
            kernel_thread: false,
        }
    );
    assert_eq!(errors.as_slice(), []);
}

#[test]
fn arguments_are_read_when_they_are_asked_for_and_redacted() {
    let tree = tree(b"nginx", 0, Some("/usr/sbin/nginx"));
    fs::write(
        tree.path().join("proc/7/cmdline"),
        "nginx\0--password=hunter2\0-q\0",
    )
    .unwrap();
    let mut reader = MetadataReader::new(ProcRoot::under(tree.path()));
    let read = |reader: &mut MetadataReader| {
        let errors = &mut ReadErrors::default();
        reader.read(id(15), Told::default(), errors).arguments
    };
    assert!(read(&mut reader).is_empty());
    reader.set_arguments(true);
    assert_eq!(read(&mut reader), ["nginx", "--password=REDACTED", "-q"]);
}

#[test]
fn the_kernels_name_holds() {
    let tree = tree(b"nginx", 0, Some("/usr/sbin/nginx"));
    let (metadata, _) = read(tree.path(), 15, Some("nginx-debug"));
    assert_eq!(metadata.executable, "nginx-debug");
}

#[test]
fn a_container_may_be_in_v1_trees_only() {
    let tree = tree(b"nginx", 0, Some("/usr/sbin/nginx"));
    fs::write(
        tree.path().join("proc/7/cgroup"),
        format!("5:cpu:/docker/{CONTAINER}\n0::/system.slice/containerd.service\n"),
    )
    .unwrap();
    let (metadata, _) = read(tree.path(), 15, None);
    assert_eq!(
        metadata.cgroup.as_deref(),
        Some("/system.slice/containerd.service")
    );
    assert_eq!(metadata.container_id.as_deref(), Some(CONTAINER));
    assert_eq!(metadata.pod_uid, None);
    assert_eq!(metadata.unit.as_deref(), Some("containerd.service"));
}

#[test]
fn a_kernel_thread_is_its_comm() {
    let tree = tree(b"kworker/0:1\xff\n", 0x20_0000, None);
    let (metadata, errors) = read(tree.path(), 15, None);
    assert_eq!(metadata.executable, "kworker/0:1\u{fffd}\n");
    assert!(metadata.kernel_thread && metadata.path.is_none());
    assert_eq!(errors.as_slice(), []);
}

#[test]
fn a_reused_pid_is_another_process() {
    let tree = tree(b"nginx", 0, Some("/usr/sbin/nginx"));
    let (metadata, errors) = read(tree.path(), 14, Some("true"));
    let expected = Metadata {
        executable: "true".into(),
        ..Metadata::default()
    };
    assert_eq!(metadata, expected);
    let fields = ["status", "cgroup", "cmdline", "exe"];
    assert_eq!(errors.as_slice(), fields.map(|field| (field, "ESRCH", 1)));
}

#[test]
fn what_is_told_is_not_read() {
    let tree = tree(b"nginx", 0, Some("/usr/sbin/nginx"));
    for file in ["status", "cgroup"] {
        fs::remove_file(tree.path().join("proc/7").join(file)).unwrap();
    }
    let mut errors = ReadErrors::default();
    let told = Told {
        executable: None,
        user_id: Some(33),
        groups: Some(Groups {
            path: "/a.scope".to_owned(),
            unit: Some("a.scope".to_owned()),
            ..Groups::default()
        }),
        other_groups: false,
    };
    let root = ProcRoot::under(tree.path());
    let metadata = MetadataReader::new(root).read(id(15), told, &mut errors);
    assert_eq!(metadata.owner.as_deref(), Some("www-data"));
    assert_eq!(metadata.cgroup.as_deref(), Some("/a.scope"));
    assert_eq!(metadata.unit.as_deref(), Some("a.scope"));
    assert_eq!(metadata.path, Some("/usr/sbin/nginx".into()));
    assert_eq!(errors.as_slice(), []);
}

#[test]
fn a_process_that_moves_stays_the_resource_it_is() {
    let tree = tree(b"nginx", 0, Some("/usr/sbin/nginx"));
    let (mut metadata, _) = read(tree.path(), 15, None);
    metadata.move_to(Groups {
        path: "/b.service".to_owned(),
        unit: Some("b.service".to_owned()),
        ..Groups::default()
    });
    assert_eq!(metadata.cgroup.as_deref(), Some("/b.service"));
    assert_eq!(metadata.unit.as_deref(), Some("b.service"));
    assert_eq!(metadata.container_id.as_deref(), Some(CONTAINER));
    assert_eq!(metadata.pod_uid.as_deref(), Some(POD));
}

#[test]
fn this_process() {
    let root = ProcRoot::system();
    let mut errors = ReadErrors::default();
    let own = crate::proc::read_totals(&root, std::process::id(), &mut errors).unwrap();
    let metadata = MetadataReader::new(root).read(own.id, Told::default(), &mut errors);
    let path = std::env::current_exe().unwrap();
    assert_eq!(
        Some(metadata.executable.as_ref()),
        path.file_name().unwrap().to_str()
    );
    assert_eq!(metadata.path, Some(path));
    assert_eq!(metadata.command, std::env::args().next());
    assert_eq!(metadata.user_id, Some(rustix::process::getuid().as_raw()));
    assert_eq!(
        metadata.parent_pid,
        Some(std::os::unix::process::parent_id())
    );
    assert!(metadata.cgroup.is_some());
    assert_eq!(errors.as_slice(), []);
}
