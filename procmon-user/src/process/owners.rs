//! Names of user ids.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

/// Names by user id, from passwd(5). Users that only a name service knows
/// (LDAP, sssd) have none: asking it may take as long as the network does.
#[derive(Debug)]
pub struct Owners {
    file: PathBuf,
    names: HashMap<u32, String>,
    modified: Option<SystemTime>,
}

impl Owners {
    /// Names from `<rootfs>/etc/passwd`.
    pub fn new(file: PathBuf) -> Self {
        Self {
            file,
            names: HashMap::new(),
            modified: None,
        }
    }

    /// The name of a user. A user that is not known yet has the file read
    /// again, if it has changed.
    pub fn name(&mut self, user_id: u32) -> Option<String> {
        if let Some(name) = self.names.get(&user_id) {
            return Some(name.clone());
        }
        let modified = fs::metadata(&self.file).ok()?.modified().ok()?;
        if self.modified != Some(modified) {
            self.modified = Some(modified);
            self.names = parse(&fs::read(&self.file).ok()?);
        }
        self.names.get(&user_id).cloned()
    }
}

/// `name:password:uid:...`; the first name of a uid is its name, as for
/// getpwuid(3).
fn parse(text: &[u8]) -> HashMap<u32, String> {
    let mut names = HashMap::new();
    for line in text.split(|&byte| byte == b'\n') {
        let mut fields = line.split(|&byte| byte == b':');
        let (Some(name), Some(_), Some(user_id)) = (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let user_id = std::str::from_utf8(user_id)
            .ok()
            .and_then(|id| id.parse().ok());
        if let Some(user_id) = user_id
            && !name.is_empty()
            && !name.starts_with(b"#")
        {
            names
                .entry(user_id)
                .or_insert_with(|| String::from_utf8_lossy(name).into_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn users_are_found_also_when_they_come_later() {
        let tree = tempfile::tempdir().unwrap();
        let file = tree.path().join("passwd");
        let mut owners = Owners::new(file.clone());
        assert_eq!(owners.name(0), None);
        fs::write(
            &file,
            "#x:x:5:\nroot:x:0:0::/root:/bin/sh\ntoor:x:0:0:::\nbroken\n",
        )
        .unwrap();
        assert_eq!(owners.name(0).as_deref(), Some("root"));
        assert_eq!((owners.name(5), owners.name(1000)), (None, None));
        let later = SystemTime::now() + std::time::Duration::from_secs(5);
        fs::write(&file, "root:x:0:0:::\nada:x:1000:\n").unwrap();
        let handle = fs::File::options().write(true).open(&file).unwrap();
        handle.set_modified(later).unwrap();
        assert_eq!(owners.name(1000).as_deref(), Some("ada"));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}
