//! Names of users and hosts: which are allowed, and where they are written.
//!
//! They come from the command line and from the medium, and end in files with fields and in shell variables.

use super::{Changes, settings};
use std::io;

/// Longest name of a user (useradd(8)) and, by our own choice, of a host and a person.
const LONGEST: usize = 32;

/// A name that useradd(8) takes: letters, digits, `_`, `-` and `.`, not at its beginning a digit, `-` or `.`.
pub fn user_name(name: &str) -> Option<&str> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-' | '.');
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    (begins && name.len() <= LONGEST && name.chars().all(allowed)).then_some(name)
}

/// A host name (hostname(7)); `_` occurs in live systems.
pub fn host_name(name: &str) -> Option<&str> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    (begins && name.len() <= LONGEST && name.chars().all(allowed)).then_some(name)
}

/// A person's name, without what has a meaning in passwd(5) or in a shell.
pub fn full_name(name: &str) -> String {
    let harmless = |c: &char| !c.is_control() && !":,\"'`$\\;&|<>".contains(*c);
    name.chars().filter(harmless).take(LONGEST).collect()
}

/// A word without any meaning to a shell, for a file that one sources.
pub fn plain(word: &str) -> Option<&str> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-.,:@+/".contains(c);
    (!word.is_empty() && word.chars().all(allowed)).then_some(word)
}

/// /etc/hostname.
pub fn set_host(changes: &mut Changes, name: &str) -> io::Result<()> {
    changes.put("etc/hostname", &[name, "\n"].concat())
}

/// /etc/hosts: a host that cannot look itself up waits at every sudo (hosts(5)).
pub fn set_hosts(changes: &mut Changes, name: &str) -> io::Result<()> {
    let mut text = changes.read("etc/hosts")?;
    let knows = |text: &str, name: &str| text.lines().any(|line| line.split_whitespace().skip(1).any(|n| n == name));
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    for (address, name) in [("127.0.0.1", "localhost"), ("127.0.1.1", name), ("::1", "ip6-localhost")] {
        if !knows(&text, name) {
            settings::push(&mut text, &[address, " ", name]);
        }
    }
    changes.put("etc/hosts", &text)
}

/// /etc/fstab: systemd remounts / by it, and without the line it would have nothing to go by.
pub fn set_fstab(changes: &mut Changes) -> io::Result<()> {
    let mut text = changes.read("etc/fstab")?;
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    for (target, line) in [("/", "overlay / overlay rw 0 0"), ("/tmp", "tmpfs /tmp tmpfs nosuid,nodev 0 0")] {
        if !text.lines().any(|line| line.split_whitespace().nth(1) == Some(target) && !line.starts_with('#')) {
            settings::push(&mut text, &[line]);
        }
    }
    changes.put("etc/fstab", &text)
}

#[cfg(test)]
mod tests {
    use super::super::fake::{Fake, after};
    use super::*;
    use crate::sys::record::Tree;

    #[test]
    fn a_name_cannot_add_a_field_or_a_command() {
        for name in ["ubuntu", "pop_os", "ubuntu-server", "_x", "a.b"] {
            assert_eq!(user_name(name), Some(name));
        }
        for name in ["", "-x", "1a", "a:b", "a b", "A", "a\nb", "../x", "a/b", &"a".repeat(33)] {
            assert_eq!(user_name(name), None, "{name:?}");
        }
        assert_eq!(host_name("Live-1.local"), Some("Live-1.local"));
        for name in ["", "-x", ".x", "a b", "a\n127.0.0.1 b", "$(x)"] {
            assert_eq!(host_name(name), None, "{name:?}");
        }
        assert_eq!(full_name("Jörg \"x\" $(y): z\n"), "Jörg x (y) z");
        assert_eq!((plain("de_DE.UTF-8"), plain("a\";b"), plain("")), (Some("de_DE.UTF-8"), None, None));
    }

    #[test]
    fn names_and_mounts_are_added_once() {
        let tree = Tree::new()
            .file("etc/hosts", "127.0.0.1 localhost\n127.0.0.1 localhost.localdomain")
            .file("etc/fstab", "# UNCONFIGURED FSTAB FOR BASE SYSTEM\n");
        let mut fake = Fake::new(tree);
        for round in 0..2 {
            let mut changes = Changes::new(&fake);
            set_host(&mut changes, "live").unwrap();
            set_hosts(&mut changes, "live").unwrap();
            set_fstab(&mut changes).unwrap();
            let edits = changes.finish();
            assert_eq!(edits.is_empty(), round == 1, "{edits:?}");
            fake = after(fake, edits);
        }
        assert_eq!(fake.text("etc/hostname"), "live\n");
        assert_eq!(
            fake.text("etc/hosts"),
            "127.0.0.1 localhost\n127.0.0.1 localhost.localdomain\n127.0.1.1 live\n::1 ip6-localhost\n"
        );
        assert_eq!(
            fake.text("etc/fstab"),
            "# UNCONFIGURED FSTAB FOR BASE SYSTEM\noverlay / overlay rw 0 0\ntmpfs /tmp tmpfs nosuid,nodev 0 0\n"
        );
    }
}
