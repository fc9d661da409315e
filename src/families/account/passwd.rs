//! The live user, in /etc/passwd, /etc/shadow, /etc/group and /etc/gshadow (passwd(5), shadow(5), group(5), gshadow(5)).
//!
//! The files are read as they stand in the root: a static program has no name service to ask.

use super::{Changes, home, settings, text};
use crate::families::tree::Tree;
use std::io;

/// Where ids of people begin in every distribution (UID_MIN in login.defs(5)).
const FIRST_ID: u32 = 1000;
/// Where they end.
const LAST_ID: u32 = 60000;

/// A user as it should be.
#[derive(Clone, Copy, Debug)]
pub struct User<'a> {
    /// Its name: a valid one, see [`names::user_name`](super::names::user_name).
    pub name: &'a str,
    /// What passwd(5) says about it: a full name, and what else its system puts there.
    pub gecos: &'a str,
    /// Its shell.
    pub shell: &'a str,
    /// The groups it is a member of, as far as they exist.
    pub groups: &'a [&'a str],
    /// Its password as in shadow(5): empty, or a hash.
    pub password: &'a str,
    /// The password of root, the same way; `*` for none.
    pub root_password: &'a str,
}

/// A user as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// User id.
    pub uid: u32,
    /// The id of its own group.
    pub gid: u32,
    /// Its home directory, without a leading slash.
    pub home: String,
}

/// Adds the user with its group and its home directory where it is missing. A password is set where there is none: a
/// locked one counts as none.
pub fn add_user(changes: &mut Changes, user: &User) -> io::Result<Account> {
    let (passwd, group) = (changes.read("etc/passwd")?, changes.read("etc/group")?);
    let account = match entry(&passwd, user.name).and_then(known) {
        Some(account) => account,
        None => {
            let account = create(changes, user, &passwd, &group)?;
            home::make(changes, &account)?;
            account
        }
    };
    passwords(changes, user, number(entry(&group, "shadow")).unwrap_or(0))?;
    Ok(account)
}

/// The account that a user of this name has, or will have once it is made: with this id, or with the next free one.
pub fn expected(root: &dyn Tree, name: &str, uid: Option<u32>) -> io::Result<Account> {
    let (passwd, group) = (text(root, "etc/passwd")?, text(root, "etc/group")?);
    Ok(entry(&passwd, name).and_then(known).unwrap_or_else(|| {
        let uid = uid.unwrap_or_else(|| free_id(&passwd, &group));
        let gid = number(entry(&group, name)).unwrap_or(uid);
        Account { uid, gid, home: ["home/", name].concat() }
    }))
}

/// The only person of a root, with the name.
pub fn only_person(root: &dyn Tree) -> io::Result<Option<(String, Account)>> {
    let passwd = text(root, "etc/passwd")?;
    let mut people = passwd.lines().filter(|line| number(Some(line)).is_some_and(is_person));
    let only = people.next().filter(|_| people.next().is_none());
    Ok(only.and_then(|line| Some((field(line, 0).to_owned(), known(line)?))))
}

/// Whether an id is a person's, and no service's.
pub fn is_person(id: u32) -> bool {
    (FIRST_ID..LAST_ID).contains(&id)
}

/// The account of a line of /etc/passwd.
fn known(line: &str) -> Option<Account> {
    let id = |n| field(line, n).parse().ok();
    Some(Account { uid: id(2)?, gid: id(3)?, home: field(line, 5).trim_start_matches('/').to_owned() })
}

fn create(changes: &mut Changes, user: &User, passwd: &str, group: &str) -> io::Result<Account> {
    let uid = free_id(passwd, group);
    let own_group = number(entry(group, user.name));
    let gid = own_group.unwrap_or(uid);
    let (uid_text, gid_text) = (uid.to_string(), gid.to_string());
    let home = format!("home/{}", user.name);
    let line = [user.name, ":x:", &uid_text, ":", &gid_text, ":", user.gecos, ":/", &home, ":", user.shell];
    changes.put("etc/passwd", &with_line(passwd, &line))?;
    let mut group = joined(group, user);
    if own_group.is_none() {
        group = with_line(&group, &[user.name, ":x:", &gid_text, ":"]);
    }
    changes.put("etc/group", &group)?;
    if changes.has("etc/gshadow")? {
        let mut shadow = joined(&changes.read("etc/gshadow")?, user);
        if entry(&shadow, user.name).is_none() {
            shadow = with_line(&shadow, &[user.name, ":!::"]);
        }
        changes.put("etc/gshadow", &shadow)?;
    }
    Ok(Account { uid, gid, home })
}

/// Both passwords. The file is readable for root and its own group alone.
fn passwords(changes: &mut Changes, user: &User, group: u32) -> io::Result<()> {
    let before = changes.read("etc/shadow")?;
    let after = with_password(&with_password(&before, "root", user.root_password), user.name, user.password);
    let new = !changes.has("etc/shadow")?;
    changes.put("etc/shadow", &after)?;
    if new {
        changes.own("etc/shadow", 0o640, 0, group);
    }
    Ok(())
}

/// /etc/shadow with that password, unless the user has one.
fn with_password(shadow: &str, name: &str, password: &str) -> String {
    let Some(line) = entry(shadow, name) else {
        // No date of the last change: no password that is too old (shadow(5)).
        return with_line(shadow, &[name, ":", password, "::0:99999:7:::"]);
    };
    let old = field(line, 1);
    if !(old.is_empty() || old.starts_with(['!', '*'])) {
        return shadow.to_owned();
    }
    let mut text = String::new();
    for other in shadow.lines() {
        if field(other, 0) == name {
            let rest = other.splitn(3, ':').nth(2).unwrap_or("::::::");
            settings::push(&mut text, &[name, ":", password, ":", rest]);
        } else {
            settings::push(&mut text, &[other]);
        }
    }
    text
}

/// /etc/group or /etc/gshadow with the user among the members of its groups: the fourth field of both.
fn joined(text: &str, user: &User) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let members = line.splitn(4, ':').nth(3);
        let joins = members.is_some_and(|members| {
            user.groups.contains(&field(line, 0)) && members.split(',').all(|member| member != user.name)
        });
        let comma = if members.is_some_and(|members| !members.is_empty()) { "," } else { "" };
        if joins {
            settings::push(&mut out, &[line, comma, user.name]);
        } else {
            settings::push(&mut out, &[line]);
        }
    }
    out
}

/// The lowest id of a person that neither a user nor a group has.
fn free_id(passwd: &str, group: &str) -> u32 {
    let taken: Vec<u32> = passwd.lines().chain(group.lines()).filter_map(|line| number(Some(line))).collect();
    (FIRST_ID..LAST_ID).find(|id| !taken.contains(id)).unwrap_or(FIRST_ID)
}

/// The third field: the id of a user or a group.
fn number(line: Option<&str>) -> Option<u32> {
    field(line?, 2).parse().ok()
}

fn entry<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find(|line| field(line, 0) == name)
}

fn field(line: &str, n: usize) -> &str {
    line.split(':').nth(n).unwrap_or_default()
}

/// The text with one more line, also when its last one has no end.
fn with_line(text: &str, parts: &[&str]) -> String {
    let mut text = text.to_owned();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    settings::push(&mut text, parts);
    text
}

#[cfg(test)]
mod tests {
    use super::super::fake::{Fake, after};
    use super::*;
    use crate::sys::record::Tree;

    const ME: User = User {
        name: "me",
        gecos: "Live session user,,,",
        shell: "/bin/bash",
        groups: &["adm", "sudo", "lpadmin"],
        password: "",
        root_password: "*",
    };

    fn root() -> Tree {
        Tree::new()
            .file("etc/passwd", "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/:/bin/false")
            .file("etc/shadow", "root::19000:0:99999:7:::\n")
            .file("etc/group", "root:x:0:\nadm:x:4:syslog\nsudo:x:27:\nshadow:x:42:\n")
            .file("etc/gshadow", "root:*::\nadm:*::syslog\nsudo:*::\n")
            .directory("home")
    }

    fn added(tree: Tree, user: &User) -> (Account, Fake) {
        let fake = Fake::new(tree);
        let mut changes = Changes::new(&fake);
        let account = add_user(&mut changes, user).unwrap();
        let edits = changes.finish();
        (account, after(fake, edits))
    }

    #[test]
    fn who_is_not_there_yet_is_expected_as_it_will_be_made() {
        for (tree, uid) in [(root(), None), (root().file("etc/group", "staff:x:1000:\n"), None), (root(), Some(999))] {
            let expected = expected(&Fake::new(tree.clone()), "me", uid).unwrap();
            match uid {
                None => assert_eq!(expected, added(tree, &ME).0),
                Some(uid) => assert_eq!((expected.uid, expected.gid), (uid, uid)),
            }
        }
        let there =
            "root:x:0:0::/root:/bin/sh\nanna:x:1001:100::/srv/anna:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n";
        let fake = Fake::new(Tree::new().file("etc/passwd", there));
        let anna = Account { uid: 1001, gid: 100, home: "srv/anna".into() };
        assert_eq!(expected(&fake, "anna", Some(999)).unwrap(), anna);
        assert_eq!(only_person(&fake).unwrap(), Some(("anna".into(), anna)));
        assert_eq!(only_person(&Fake::new(root())).unwrap(), None);
        let two = Tree::new().file("etc/passwd", format!("{there}bob:x:1000:1000::/home/bob:/bin/sh\n").as_str());
        assert_eq!(only_person(&Fake::new(two)).unwrap(), None);
    }

    #[test]
    fn a_user_is_in_all_four_files() {
        let (account, root) = added(root(), &ME);
        assert_eq!(account, Account { uid: 1000, gid: 1000, home: "home/me".into() });
        assert_eq!(
            root.text("etc/passwd").lines().last(),
            Some("me:x:1000:1000:Live session user,,,:/home/me:/bin/bash")
        );
        assert_eq!(root.text("etc/passwd").lines().count(), 3, "the last line had no end");
        assert_eq!(root.text("etc/shadow"), "root:*:19000:0:99999:7:::\nme:::0:99999:7:::\n");
        assert_eq!(
            root.text("etc/group"),
            "root:x:0:\nadm:x:4:syslog,me\nsudo:x:27:me\nshadow:x:42:\nme:x:1000:\n",
            "no group is invented"
        );
        assert_eq!(root.text("etc/gshadow"), "root:*::\nadm:*::syslog,me\nsudo:*::me\nme:!::\n");
    }

    #[test]
    fn a_second_time_changes_nothing() {
        let (account, root) = added(root(), &ME);
        let mut changes = Changes::new(&root);
        assert_eq!(add_user(&mut changes, &ME).unwrap(), account);
        assert_eq!(changes.finish(), Vec::new());
    }

    #[test]
    fn an_id_that_a_user_or_a_group_has_is_not_taken() {
        let tree = root()
            .file("etc/passwd", "a:x:1000:1000::/home/a:/bin/sh\n")
            .file("etc/group", "a:x:1000:\nb:x:1001:\nme:x:1500:\n");
        let (account, root) = added(tree, &ME);
        assert_eq!((account.uid, account.gid), (1002, 1500), "its own group is there");
        assert!(!root.text("etc/group").contains("me:x:1002"));
    }

    #[test]
    fn a_user_of_the_image_keeps_its_ids_and_its_password_but_not_its_lock() {
        let image =
            |shadow: &str| root().file("etc/passwd", "me:x:1234:100:Me:/srv/me:/bin/zsh\n").file("etc/shadow", shadow);
        let (account, root) = added(image("me:!:1:::::: \n"), &ME);
        assert_eq!(account, Account { uid: 1234, gid: 100, home: "srv/me".into() });
        assert!(root.text("etc/shadow").starts_with("me::1:"), "{}", root.text("etc/shadow"));
        let (_, root) = added(image("me:$6$x$y:1::::::\n"), &ME);
        assert!(root.text("etc/shadow").starts_with("me:$6$x$y:1:"));
    }

    #[test]
    fn a_root_without_shadow_gets_one_that_others_cannot_read() {
        let tree = Tree::new().file("etc/passwd", "").file("etc/group", "shadow:x:42:\n");
        let fake = Fake::new(tree);
        let mut changes = Changes::new(&fake);
        add_user(&mut changes, &ME).unwrap();
        let owned = crate::families::Edit::Own { path: "etc/shadow".into(), mode: 0o640, uid: 0, gid: 42 };
        assert!(changes.finish().contains(&owned));
    }
}
