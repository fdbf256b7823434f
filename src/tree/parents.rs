//! Who else could put something of his own in the place of the output folder.

use std::collections::BTreeSet;
use std::fmt;
use std::os::unix::fs::MetadataExt as _;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use rustix::process::{getegid, geteuid};

use super::error::OutputError;
use super::target::Target;

/// How somebody else can change a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stranger {
    /// It is his.
    Owner(u32),
    /// Everybody may.
    Everybody,
    /// A list of rights names him.
    User(u32),
    /// He is in its group.
    Group(u32),
}

impl fmt::Display for Stranger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner(user) => write!(f, "it belongs to user {user}"),
            Self::Everybody => f.write_str("everybody may write to it"),
            Self::User(user) => write!(f, "user {user} may write to it"),
            Self::Group(group) => write!(f, "others in group {group} may write to it"),
        }
    }
}

const ROOT: u32 = 0;
const STICKY: u32 = 0o1000;

/// Refuses a target that somebody else can rename away, as sshd refuses `authorized_keys`: a folder that it lies in, up
/// to the root, is another user's or can be written by others. In a sticky one, such as /tmp, nobody renames what is
/// another's.
pub(super) fn refuse_strangers(target: &Target) -> Result<(), OutputError> {
    let users = Users::of_this_run();
    for folder in target.parent.ancestors() {
        let found = fs::symlink_metadata(folder)?;
        let by_list = || list_of_rights(folder).and_then(|list| users.stranger_in(&list));
        let stranger = users.stranger(found.uid(), found.gid(), found.mode());
        if let Some(stranger) = stranger.or_else(|| (found.mode() & (STICKY | 0o020) == 0o020).then(by_list).flatten())
        {
            return Err(OutputError::Shared {
                path: target.shown.clone(),
                folder: folder.to_owned(),
                stranger,
            });
        }
    }
    Ok(())
}

/// The access control list of a folder, if it has one.
fn list_of_rights(folder: &Utf8Path) -> Option<Vec<u8>> {
    let mut list = vec![0; 64 << 10];
    let size = rustix::fs::getxattr(folder.as_str(), "system.posix_acl_access", &mut list).ok()?;
    list.truncate(size);
    Some(list)
}

/// Whom this run trusts, and the system's lists of users and groups.
struct Users {
    trusted: BTreeSet<u32>,
    own_groups: BTreeSet<u32>,
    passwd: Utf8PathBuf,
    group: Utf8PathBuf,
}

impl Users {
    fn of_this_run() -> Self {
        let user = geteuid().as_raw();
        let mut trusted = BTreeSet::from([ROOT, user]);
        let mut own_groups = BTreeSet::from([getegid().as_raw()]);
        if user == ROOT {
            // Who became root by sudo could have done in his own folder whatever he likes.
            let by_sudo = |name| -> Option<u32> { std::env::var(name).ok()?.parse().ok() };
            trusted.extend(by_sudo("SUDO_UID"));
            own_groups.extend(by_sudo("SUDO_GID"));
        }
        // In a name space of its own a run sees whoever it has no number for, root included, as this one.
        trusted.extend(unmapped_user());
        Self {
            trusted,
            own_groups,
            passwd: "/etc/passwd".into(),
            group: "/etc/group".into(),
        }
    }

    fn stranger(&self, owner: u32, group: u32, mode: u32) -> Option<Stranger> {
        if !self.trusted.contains(&owner) {
            Some(Stranger::Owner(owner))
        } else if mode & STICKY != 0 {
            None
        } else if mode & 0o002 != 0 {
            Some(Stranger::Everybody)
        } else if mode & 0o020 != 0 && !self.nobody_else_is_in(group) {
            Some(Stranger::Group(group))
        } else {
            None
        }
    }

    /// Who may write by an access control list: a version of four bytes, and eight for each user or group (kind, rights,
    /// number; linux/posix_acl_xattr.h).
    fn stranger_in(&self, list: &[u8]) -> Option<Stranger> {
        const USER: u16 = 0x02;
        const GROUP: u16 = 0x08;
        const WRITE: u16 = 2;
        let entries = list.get(4..)?.as_chunks::<8>().0.iter();
        let writers = entries.filter_map(|[a, b, c, d, number @ ..]| {
            let (kind, rights) = (u16::from_le_bytes([*a, *b]), u16::from_le_bytes([*c, *d]));
            (rights & WRITE != 0).then_some((kind, u32::from_le_bytes(*number)))
        });
        let mut strangers = writers.filter_map(|(kind, number)| match kind {
            USER if !self.trusted.contains(&number) => Some(Stranger::User(number)),
            GROUP if !self.nobody_else_is_in(number) => Some(Stranger::Group(number)),
            _ => None,
        });
        strangers.next()
    }

    /// Whether a group has no member but those who are trusted: with umask 0002, the way of Debian and Ubuntu, a folder
    /// can be written by its user's own group, in which nobody else is.
    fn nobody_else_is_in(&self, group: u32) -> bool {
        let passwd = fs::read_to_string(&self.passwd).unwrap_or_default();
        let users: Vec<(&str, u32, u32)> = passwd.lines().filter_map(user).collect();
        let is_trusted = |name: &str| {
            let known = users.iter().find(|(known, _, _)| *known == name);
            known.is_some_and(|(_, user, _)| self.trusted.contains(user))
        };
        let theirs = |(_, user, first): &(&str, u32, u32)| *first == group && !self.trusted.contains(user);
        if users.iter().any(theirs) {
            return false;
        }
        let groups = fs::read_to_string(&self.group).unwrap_or_default();
        let listed = groups.lines().filter_map(members).find(|(known, _)| *known == group);
        match listed {
            Some((_, mut members)) => members.all(is_trusted),
            // It comes from a directory service. By its number, too, it is the one of the user alone.
            None => self.own_groups.contains(&group) && self.trusted.contains(&group),
        }
    }
}

/// Name, number and first group of a line of /etc/passwd.
fn user(line: &str) -> Option<(&str, u32, u32)> {
    let mut fields = line.split(':');
    let (name, user, group) = (fields.next()?, fields.nth(1)?, fields.next()?);
    Some((name, user.parse().ok()?, group.parse().ok()?))
}

/// Number and members of a line of /etc/group.
fn members(line: &str) -> Option<(u32, impl Iterator<Item = &str>)> {
    let mut fields = line.split(':');
    let group = fields.nth(2)?.parse().ok()?;
    let members = fields.next().unwrap_or_default().split(',').map(str::trim);
    Some((group, members.filter(|name| !name.is_empty())))
}

/// The number that stands for whoever has none in this name space, if there may be such.
fn unmapped_user() -> Option<u32> {
    let map = fs::read_to_string(Utf8Path::new("/proc/self/uid_map")).ok()?;
    let whole = map.split_whitespace().eq(["0", "0", "4294967295"]);
    let number = fs::read_to_string(Utf8Path::new("/proc/sys/kernel/overflowuid")).ok()?;
    number.trim().parse().ok().filter(|_| !whole)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::tree::tests::{Fixture, message, snapshot};

    #[test]
    fn a_user_and_his_own_group_are_no_strangers() {
        let fixture = Fixture::new();
        fs::write(
            fixture.path("passwd"),
            "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\nbob:x:1001:1001::/:\neve:x:1002:100::/:\n",
        )
        .unwrap();
        let groups = "root:x:0:\nann:x:1000:\nbob:x:1001:ann\nstaff:x:50:\nusers:x:100:ann\nteam:x:60:ann,bob\nmine:x:61:ann,root\n+::\n";
        fs::write(fixture.path("group"), groups).unwrap();
        let ann = Users {
            trusted: [ROOT, 1000].into(),
            own_groups: [1000].into(),
            passwd: fixture.path("passwd"),
            group: fixture.path("group"),
        };
        for (owner, group, mode) in [
            (1000, 1000, 0o755),
            (1000, 1000, 0o700),
            (0, 0, 0o755),
            (0, 0, 0o1777),
            (0, 0, 0o775),
            (1000, 1000, 0o775),
            (1000, 1000, 0o2775),
            (0, 50, 0o2775),
            (1000, 61, 0o770),
            (1000, 100, 0o1770),
            (1000, 60, 0o755),
        ] {
            assert_eq!(ann.stranger(owner, group, mode), None, "{owner} {group} {mode:o}");
        }
        for (owner, group, mode, expected) in [
            (1001, 1000, 0o755, Stranger::Owner(1001)),
            (1001, 1001, 0o1777, Stranger::Owner(1001)),
            (1000, 1000, 0o777, Stranger::Everybody),
            (0, 0, 0o757, Stranger::Everybody),
            (1000, 1001, 0o775, Stranger::Group(1001)),
            (1000, 60, 0o775, Stranger::Group(60)),
            (0, 100, 0o2770, Stranger::Group(100)),
            (1000, 4711, 0o775, Stranger::Group(4711)),
        ] {
            assert_eq!(
                ann.stranger(owner, group, mode),
                Some(expected),
                "{owner} {group} {mode:o}"
            );
        }
        // user::rwx user:1001:rwx group::r-x group:60:r-x mask::rwx other::---, as the kernel has it.
        let list = |user: u32, group_rights: u8| {
            let entry = |kind: u8, rights: u8, number: u32| {
                let mut entry = vec![kind, 0, rights, 0];
                entry.extend(number.to_le_bytes());
                entry
            };
            let none = u32::MAX;
            let entries = [
                vec![2, 0, 0, 0],
                entry(0x01, 7, none),
                entry(0x02, 7, user),
                entry(0x04, 5, none),
                entry(0x08, group_rights, 60),
                entry(0x10, 7, none),
                entry(0x20, 0, none),
            ];
            entries.concat()
        };
        assert_eq!(ann.stranger_in(&list(1001, 5)), Some(Stranger::User(1001)));
        assert_eq!(ann.stranger_in(&list(1000, 5)), None);
        assert_eq!(ann.stranger_in(&list(1000, 7)), Some(Stranger::Group(60)));
        assert_eq!(ann.stranger_in(&[]), None);
        // Of a directory service no list is at hand.
        let dora = Users {
            trusted: [ROOT, 20_001].into(),
            own_groups: [20_001].into(),
            ..ann
        };
        assert_eq!(dora.stranger(20_001, 20_001, 0o775), None);
        assert_eq!(dora.stranger(20_001, 20_002, 0o775), Some(Stranger::Group(20_002)));
    }

    #[test]
    fn a_folder_that_others_can_change_is_no_place_for_keys() {
        let fixture = Fixture::new();
        fs::create_dir_all(fixture.path("shared/mine")).unwrap();
        let set = |mode| fs::set_permissions(fixture.path("shared"), std::fs::Permissions::from_mode(mode)).unwrap();
        for below in ["shared/out", "shared/mine/out"] {
            let target = fixture.path(below);
            set(0o777);
            let before = snapshot(&fixture.root);
            let text = message(crate::tree::Stage::begin(&target).map(drop));
            assert_eq!(
                text,
                format!(
                    "{target} would lie in {0}, which others can change (everybody may write to it), and so put a tree of their own \
                     in its place: run `chmod go-w {0}`, or choose an output folder elsewhere",
                    fixture.path("shared")
                )
            );
            assert_eq!(snapshot(&fixture.root), before);
            for mode in [0o755, 0o1777] {
                set(mode);
                drop(crate::tree::Stage::begin(&target).unwrap());
            }
        }
        if geteuid().is_root() {
            fs::os::unix::fs::chown(fixture.path("shared"), Some(12345), None).unwrap();
            let text = message(crate::tree::Stage::begin(&fixture.path("shared/out")).map(drop));
            assert!(
                text.contains("(it belongs to user 12345)") && text.contains(": run lxseed as that user, or"),
                "{text}"
            );
        }
    }
}
