//! What the archive holds, decided before a byte is written.
//!
//! Takes   the form, the init, and further files with their places. All are values: nothing is read here.
//! Gives   [`Plan`], sorted by path, each directory before what is in it. It prints itself like `ls -l`.
//! Fails   when the init is not static, or two things want one place.

use std::collections::BTreeMap;
use std::fmt;

use crate::destination::Destination;
use crate::elf;
use crate::error::{Error, Result};
use crate::source::Source;

/// Where in the initramfs isolde-init is, and with that, who starts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// as `/init`, for every boot loader and an unchanged kernel command line; replaces the init of the stock initrd
    Init,
    /// as `/isolde/init`, for a kernel command line with `rdinit=/isolde/init`; the init of the stock initrd stays
    Rdinit,
}

impl Form {
    /// Path of isolde-init in the archive, without a leading slash.
    pub fn place(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Rdinit => "isolde/init",
        }
    }
}

/// What an entry of the archive is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A directory. If it is there already, the kernel sets its permissions to ours.
    Directory,
    /// A character device.
    Device {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A regular file.
    File(Source),
}

/// An entry of the archive without its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Permission bits.
    pub permissions: u32,
    /// What it is.
    pub node: Node,
}

/// The contents of the archive: path without leading slash → entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    entries: BTreeMap<String, Entry>,
}

/// What process 1 needs before devtmpfs is mounted: the kernel opens /dev/console for it as standard input and output, it
/// opens /dev/null where that fails, and /dev/kmsg takes its messages. Path, permissions, major, minor; numbers from the
/// kernel's admin-guide/devices.txt.
const DEVICES: [(&str, u32, u32, u32); 3] =
    [("dev/console", 0o600, 5, 1), ("dev/kmsg", 0o644, 1, 11), ("dev/null", 0o666, 1, 3)];

/// Decides what the archive holds. Pure.
///
/// The files of `add` become mode 755 or 644. In the form [`Form::Rdinit`], `/init` cannot be added, as the form promises
/// that the init of the stock initrd stays.
pub fn plan(form: Form, init: Source, add: Vec<(Destination, Source)>) -> Result<Plan> {
    elf::check_static(init.bytes()).map_err(|cause| Error::Init { name: init.name().to_owned(), cause })?;
    let mut plan = Plan { entries: BTreeMap::new() };
    for (place, permissions, major, minor) in DEVICES {
        plan.insert(&Destination::parse(place)?, Entry { permissions, node: Node::Device { major, minor } })?;
    }
    plan.insert(&Destination::parse(form.place())?, Entry { permissions: 0o755, node: Node::File(init) })?;
    for (place, source) in add {
        if form == Form::Rdinit && place.as_str() == Form::Init.place() {
            return Err(Error::Duplicate {
                place: place.as_str().to_owned(),
                first: "the init of the stock initrd, which --form rdinit keeps".to_owned(),
                second: source.name().to_owned(),
            });
        }
        let permissions = if source.executable() { 0o755 } else { 0o644 };
        plan.insert(&place, Entry { permissions, node: Node::File(source) })?;
    }
    Ok(plan)
}

impl Plan {
    /// The entries in the order of the archive: path without leading slash, and what is there.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries.iter().map(|(path, entry)| (path.as_str(), entry))
    }

    /// Puts an entry, and the directories above it, into the plan.
    fn insert(&mut self, place: &Destination, entry: Entry) -> Result<()> {
        for parent in place.parents() {
            let directory = Entry { permissions: directory_permissions(parent), node: Node::Directory };
            match self.entries.get(parent) {
                None => drop(self.entries.insert(parent.to_owned(), directory)),
                Some(Entry { node: Node::Directory, .. }) => {}
                Some(other) => return Err(duplicate(parent, other, &directory)),
            }
        }
        match self.entries.get(place.as_str()) {
            None => drop(self.entries.insert(place.as_str().to_owned(), entry)),
            Some(other) => return Err(duplicate(place.as_str(), other, &entry)),
        }
        Ok(())
    }
}

/// The kernel gives an existing directory the permissions of the later entry, so ours have to be the usual ones.
fn directory_permissions(path: &str) -> u32 {
    match path {
        "root" => 0o700,
        "tmp" => 0o1777,
        _ => 0o755,
    }
}

fn duplicate(place: &str, first: &Entry, second: &Entry) -> Error {
    Error::Duplicate { place: place.to_owned(), first: first.name(), second: second.name() }
}

impl Entry {
    /// What the entry is, in words, for messages.
    fn name(&self) -> String {
        match &self.node {
            Node::Directory => "a directory for other entries".to_owned(),
            Node::Device { .. } => "a device node that every second initrd has".to_owned(),
            Node::File(source) => source.name().to_owned(),
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (path, Entry { permissions, node }) in self.entries() {
            match node {
                Node::Directory => writeln!(f, "d {permissions:04o} {:>10} /{path}", "")?,
                Node::Device { major, minor } => {
                    let numbers = format!("{major}, {minor}");
                    writeln!(f, "c {permissions:04o} {numbers:>10} /{path}")?;
                }
                Node::File(source) => {
                    writeln!(f, "- {permissions:04o} {:>10} /{path} < {}", source.bytes().len(), source.name())?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elf::tests::program;

    fn init() -> Source {
        Source::from_bytes("isolde-init", program(2, 0x1000, &[1], &[]), true).unwrap()
    }

    fn add(places: &[&str]) -> Vec<(Destination, Source)> {
        let file = |place: &&str| {
            (Destination::parse(place).unwrap(), Source::from_bytes(format!("for {place}"), vec![7; 5], false).unwrap())
        };
        places.iter().map(file).collect()
    }

    #[test]
    fn the_plan_is_what_it_prints() {
        let cases = [
            (
                Form::Init,
                "d 0755            /dev\n\
                 c 0600       5, 1 /dev/console\n\
                 c 0644      1, 11 /dev/kmsg\n\
                 c 0666       1, 3 /dev/null\n\
                 - 0755        120 /init < isolde-init\n",
            ),
            (
                Form::Rdinit,
                "d 0755            /dev\n\
                 c 0600       5, 1 /dev/console\n\
                 c 0644      1, 11 /dev/kmsg\n\
                 c 0666       1, 3 /dev/null\n\
                 d 0755            /isolde\n\
                 - 0755        120 /isolde/init < isolde-init\n",
            ),
        ];
        for (form, text) in cases {
            assert_eq!(plan(form, init(), vec![]).unwrap().to_string(), text);
        }
    }

    #[test]
    fn added_files_bring_their_directories_once() {
        let places = ["/tmp/y", "/etc/isolde/keys/b", "/etc/isolde/keys/a", "/root/x", "/isolde/config"];
        let text = plan(Form::Rdinit, init(), add(&places)).unwrap().to_string();
        let wanted = "d 0755            /etc\n\
                      d 0755            /etc/isolde\n\
                      d 0755            /etc/isolde/keys\n\
                      - 0644          5 /etc/isolde/keys/a < for /etc/isolde/keys/a\n\
                      - 0644          5 /etc/isolde/keys/b < for /etc/isolde/keys/b\n\
                      d 0755            /isolde\n\
                      - 0644          5 /isolde/config < for /isolde/config\n\
                      - 0755        120 /isolde/init < isolde-init\n\
                      d 0700            /root\n\
                      - 0644          5 /root/x < for /root/x\n\
                      d 1777            /tmp\n\
                      - 0644          5 /tmp/y < for /tmp/y\n";
        assert!(text.ends_with(wanted), "{text}");
    }

    #[test]
    fn one_place_takes_one_entry() {
        let cases: [(Form, &[&str], &str); 8] = [
            (Form::Init, &["/init"], "init"),
            (Form::Rdinit, &["/init"], "init"),
            (Form::Rdinit, &["/isolde/init"], "isolde/init"),
            (Form::Init, &["/dev/null"], "dev/null"),
            (Form::Init, &["/dev"], "dev"),
            (Form::Init, &["/dev/null/x"], "dev/null"),
            (Form::Init, &["/etc/x", "etc/x"], "etc/x"),
            (Form::Init, &["/etc", "/etc/x"], "etc"),
        ];
        for (form, places, wanted) in cases {
            let error = plan(form, init(), add(places)).unwrap_err();
            assert!(matches!(&error, Error::Duplicate { place, .. } if place == wanted), "{places:?}: {error}");
        }
    }

    #[test]
    fn refuses_an_init_that_is_not_static() {
        let script = Source::from_bytes("init.sh", b"#!/bin/sh\n".to_vec(), true).unwrap();
        let error = plan(Form::Init, script, vec![]).unwrap_err();
        assert!(
            error.to_string().starts_with("init.sh: wanted a statically linked executable, seen no readable ELF"),
            "{error}"
        );
    }
}
