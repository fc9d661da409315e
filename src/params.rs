//! Every parameter of the kernel command line that init understands: one table.
//!
//! `cmdline-spec.md` is normative and has one section per row; `tests/spec.rs` fails when the two differ. A new
//! parameter is one row here, one field of [`Cmdline`], and one section there.

mod size;
mod wishes;

pub use size::Size;
pub(crate) use size::size;
pub use wishes::{
    Extras, HomeWish, LeaseWish, OnCorruption, OnFail, OtherBase, PersistWish, Policy, Session, ToRam, Verbosity,
};

use crate::formats::generations::is_profile;
use crate::formats::lvm::VolumeName;
use crate::source::{Share, StoreSpec};
use crate::words::Words;
use std::fmt;

/// One parameter.
pub struct Param {
    /// Its name. `-` and `_` are the same in names, as in the kernel's own parser.
    pub key: &'static str,
    /// What its value looks like, as cmdline-spec.md prints it.
    pub form: &'static str,
    /// What holds when it is absent, as cmdline-spec.md prints it.
    pub default: &'static str,
    /// Stores the value; `false` when it is not of the form. A bare word has an empty value.
    pub(crate) set: fn(&mut Cmdline, &str) -> bool,
}

impl fmt::Debug for Param {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.key, self.form)
    }
}

/// The known parameters as typed: `None` where the word is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cmdline {
    pub(crate) image: Option<String>,
    pub(crate) store: Option<String>,
    pub(crate) luks: Vec<StoreSpec>,
    pub(crate) luks_key: Option<String>,
    pub(crate) lvm: Vec<VolumeName>,
    pub(crate) wait: Option<u64>,
    pub(crate) blake3: Option<[u8; 32]>,
    pub(crate) verify: Option<Policy>,
    pub(crate) manifest_min: Option<u64>,
    pub(crate) on_corruption: Option<OnCorruption>,
    pub(crate) to_ram: Option<ToRam>,
    pub(crate) overlay_size: Option<Size>,
    pub(crate) zram: Option<Size>,
    pub(crate) persist: Option<PersistWish>,
    pub(crate) other_base: Option<OtherBase>,
    pub(crate) persist_keep: Option<u64>,
    pub(crate) persist_on: Option<StoreSpec>,
    pub(crate) persist_size: Option<u64>,
    pub(crate) session: Option<Session>,
    pub(crate) extensions: Option<Extras>,
    pub(crate) home: Option<HomeWish>,
    pub(crate) home_user: Option<String>,
    pub(crate) home_lease: Option<LeaseWish>,
    pub(crate) customize: Option<Extras>,
    pub(crate) customize_limit: Option<u64>,
    pub(crate) pristine: Option<Extras>,
    pub(crate) delegate: bool,
    pub(crate) onfail: Option<OnFail>,
    pub(crate) log: Option<Verbosity>,
    pub(crate) init: Option<String>,
    /// The words of live systems' own dialects.
    pub(crate) dialects: Words,
    /// How many words were understood, for the log.
    pub(crate) known: usize,
    /// How many words there are.
    pub(crate) words: usize,
}

impl Cmdline {
    /// What its words ask of a store: the policy, and the serial number of the oldest manifest.
    #[must_use]
    pub fn asks(&self) -> (Option<Policy>, Option<u64>) {
        (self.verify, self.manifest_min)
    }
}

impl fmt::Display for Cmdline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} words are for init", self.known, self.words)
    }
}

/// The table. Kept in the order of cmdline-spec.md.
pub const PARAMS: &[Param] = &[
    Param { key: "isolde.image", form: "PATH", default: "none", set: |c, v| text(&mut c.image, v) },
    Param {
        key: "isolde.store",
        form: "UUID=|LABEL=|PARTUUID=|PARTLABEL=|/dev/NODE",
        default: "every device is searched for the image",
        set: |c, v| text(&mut c.store, v) && (is_node(v) || v.split_once('=').is_some_and(is_identity)),
    },
    Param {
        key: "isolde.luks",
        form: "auto|STORE[,STORE]",
        default: "none",
        set: |c, v| volumes(&mut c.luks, v, luks),
    },
    Param {
        key: "isolde.luks-key",
        form: "PATH",
        default: "none",
        set: |c, v| v.starts_with('/') && text(&mut c.luks_key, v),
    },
    Param {
        key: "isolde.lvm",
        form: "GROUP/VOLUME[,GROUP/VOLUME]",
        default: "none",
        set: |c, v| volumes(&mut c.lvm, v, VolumeName::parse),
    },
    // `drivers` reads the names of these two itself: it also works where there is no plan.
    Param { key: "isolde.modules", form: "NAME[,NAME]", default: "none", set: |_, v| names(v) },
    Param { key: "isolde.blacklist", form: "NAME[,NAME]", default: "none", set: |_, v| names(v) },
    Param { key: "isolde.wait", form: "SECONDS", default: "60", set: |c, v| number(&mut c.wait, v, 86_400) },
    Param { key: "isolde.blake3", form: "HEX64", default: "none", set: |c, v| digest(&mut c.blake3, v) },
    Param {
        key: "isolde.verify",
        form: "auto|require|signed|off",
        default: "auto",
        set: |c, v| choice(&mut c.verify, v, &Policy::WORDS),
    },
    Param {
        key: "isolde.manifest-min",
        form: "NUMBER",
        default: "0",
        set: |c, v| number(&mut c.manifest_min, v, u64::MAX),
    },
    Param {
        key: "isolde.oncorruption",
        form: "io-error|restart|panic",
        default: "io-error",
        set: |c, v| choice(&mut c.on_corruption, v, &OnCorruption::WORDS),
    },
    Param {
        key: "isolde.toram",
        form: "auto|yes|no",
        default: "no",
        set: |c, v| choice(&mut c.to_ram, v, &ToRam::WORDS),
    },
    Param {
        key: "isolde.overlay-size",
        form: "SIZE[K|M|G]|PERCENT%",
        default: "50%, and half of isolde.zram",
        set: |c, v| {
            c.overlay_size = size(v);
            c.overlay_size.is_some()
        },
    },
    Param {
        key: "isolde.zram",
        form: "SIZE[K|M|G]|PERCENT%|no",
        default: "no",
        set: |c, v| {
            c.zram = size(v);
            c.zram.is_some() || v == "no"
        },
    },
    Param {
        key: "isolde.persist",
        form: "auto|no|NAME[@-NUMBER]",
        default: "no",
        set: |c, v| {
            c.persist = profile(v);
            c.persist.is_some()
        },
    },
    Param {
        key: "isolde.persist-base",
        form: "ask|fork|keep|fresh|cancel",
        default: "ask",
        set: |c, v| choice(&mut c.other_base, v, &OtherBase::WORDS),
    },
    Param { key: "isolde.persist-keep", form: "NUMBER", default: "8", set: |c, v| number(&mut c.persist_keep, v, 100) },
    Param {
        key: "isolde.persist-on",
        form: "UUID=|LABEL=|PARTUUID=|PARTLABEL=|/dev/NODE",
        default: "the store",
        set: |c, v| {
            c.persist_on = volume(v);
            c.persist_on.is_some()
        },
    },
    Param {
        key: "isolde.persist-size",
        form: "SIZE[K|M|G]",
        default: "as it is",
        set: |c, v| {
            c.persist_size = bytes(v);
            c.persist_size.is_some()
        },
    },
    Param {
        key: "isolde.session",
        form: "save|discard",
        default: "save",
        set: |c, v| choice(&mut c.session, v, &Session::WORDS),
    },
    Param { key: "isolde.extensions", form: "yes|no", default: "yes", set: |c, v| extras(&mut c.extensions, v) },
    Param {
        key: "isolde.home",
        form: "auto|no|PATH|UUID=|LABEL=|PARTUUID=|PARTLABEL=|/dev/NODE|virtiofs:TAG|9p:TAG|nfs:ADDRESS:/PATH",
        default: "auto",
        set: |c, v| {
            c.home = home(v);
            c.home.is_some()
        },
    },
    Param {
        key: "isolde.home-user",
        form: "FOLDER|.",
        default: "none",
        set: |c, v| is_folder(v) && text(&mut c.home_user, v),
    },
    Param {
        key: "isolde.home-lease",
        form: "keep|take",
        default: "keep",
        set: |c, v| choice(&mut c.home_lease, v, &LeaseWish::WORDS),
    },
    Param { key: "isolde.customize", form: "yes|no", default: "yes", set: |c, v| extras(&mut c.customize, v) },
    Param {
        key: "isolde.customize-limit",
        form: "SECONDS",
        default: "60",
        set: |c, v| number(&mut c.customize_limit, v, 86_400),
    },
    Param {
        key: "isolde.pristine",
        form: "(bare word)",
        default: "absent",
        set: |c, v| {
            c.pristine = Some(Extras::Leave);
            v.is_empty()
        },
    },
    Param {
        key: "isolde.delegate",
        form: "(bare word)",
        default: "absent",
        set: |c, v| {
            c.delegate = v.is_empty();
            v.is_empty()
        },
    },
    Param {
        key: "isolde.onfail",
        form: "menu|shell|reboot|poweroff|wait|delegate",
        default: "menu",
        set: |c, v| {
            let all = [
                ("menu", OnFail::Menu),
                ("shell", OnFail::Shell),
                ("reboot", OnFail::Reboot),
                ("poweroff", OnFail::PowerOff),
                ("wait", OnFail::Wait),
                ("delegate", OnFail::Delegate),
            ];
            choice(&mut c.onfail, v, &all)
        },
    },
    Param {
        key: "isolde.log",
        form: "info|debug",
        default: "info",
        set: |c, v| choice(&mut c.log, v, &[("info", Verbosity::Info), ("debug", Verbosity::Debug)]),
    },
    Param {
        key: "init",
        form: "PATH",
        default: "/sbin/init, /etc/init, /bin/init, /bin/sh",
        set: |c, v| text(&mut c.init, v),
    },
];

/// The row of a parameter's name, `-` and `_` being the same.
pub(crate) fn find(name: &str) -> Option<&'static Param> {
    PARAMS.iter().find(|param| same(param.key, name))
}

/// Whether two names are the same, `-` and `_` being one character as in the kernel's own parser (kernel/params.c).
pub(crate) fn same(one: &str, other: &str) -> bool {
    let same = |a: u8, b: u8| a == b || (matches!(a, b'-' | b'_') && matches!(b, b'-' | b'_'));
    one.len() == other.len() && one.bytes().zip(other.bytes()).all(|(a, b)| same(a, b))
}

fn is_identity((key, value): (&str, &str)) -> bool {
    matches!(key, "UUID" | "LABEL" | "PARTUUID" | "PARTLABEL") && !value.is_empty()
}

/// A device node, or one of udev's links that are identities. Nothing here makes the others (by-id, by-path).
fn is_node(text: &str) -> bool {
    let by = ["by-uuid/", "by-label/", "by-partuuid/", "by-partlabel/"];
    match text.strip_prefix("/dev/") {
        Some(name) => match name.strip_prefix("disk/") {
            Some(link) => by.iter().any(|by| link.strip_prefix(by).is_some_and(|id| !id.is_empty())),
            None => !name.is_empty(),
        },
        None => false,
    }
}

fn text(slot: &mut Option<String>, value: &str) -> bool {
    if !value.is_empty() {
        *slot = Some(value.to_owned());
    }
    !value.is_empty()
}

/// A list; what it names is added to what earlier words named.
fn volumes<T: PartialEq>(slot: &mut Vec<T>, value: &str, parse: fn(&str) -> Option<T>) -> bool {
    let Some(all) = value.split(',').map(parse).collect::<Option<Vec<T>>>() else { return false };
    all.into_iter().for_each(|one| {
        if !slot.contains(&one) {
            slot.push(one)
        }
    });
    true
}

/// `auto` is every volume on a removable device.
fn luks(text: &str) -> Option<StoreSpec> {
    let known = is_node(text) || text.split_once('=').is_some_and(is_identity);
    if text == "auto" { Some(StoreSpec::Any) } else { StoreSpec::parse(text).filter(|_| known) }
}

fn home(text: &str) -> Option<HomeWish> {
    Some(match text {
        "auto" => HomeWish::Found,
        "no" => HomeWish::No,
        // /dev of a store holds no home.
        _ if names_a_volume(text) => HomeWish::Volume(volume(text)?),
        _ if text.starts_with('/') && !text.starts_with("/dev/") => HomeWish::Path(text.to_owned()),
        _ => HomeWish::Share(Share::parse(text)?),
    })
}

/// Whether it is one device among others that is meant.
fn names_a_volume(text: &str) -> bool {
    is_node(text) || text.split_once('=').is_some_and(is_identity)
}

/// One device among others.
fn volume(text: &str) -> Option<StoreSpec> {
    if names_a_volume(text) { StoreSpec::parse(text) } else { None }
}

/// The name of a folder; `.` is the home itself.
fn is_folder(name: &str) -> bool {
    name != ".." && !name.contains(|c: char| c == '/' || c.is_control())
}

/// Names of modules, as the kernel allows them.
fn names(value: &str) -> bool {
    let letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    value.split(',').all(|name| !name.is_empty() && name.bytes().all(letter))
}

/// A profile, and how many of its last sessions are left out.
fn profile(value: &str) -> Option<PersistWish> {
    match value {
        "no" => return Some(PersistWish::No),
        "auto" => return Some(PersistWish::IfThere),
        _ => {}
    }
    let (name, back) = match value.split_once("@-") {
        Some((name, back)) => (name, back.parse().ok().filter(|n| *n <= 1000)?),
        None => (value, 0),
    };
    is_profile(name).then(|| PersistWish::Profile { name: name.to_owned(), back })
}

fn number(slot: &mut Option<u64>, value: &str, most: u64) -> bool {
    *slot = value.parse().ok().filter(|n| *n <= most);
    slot.is_some()
}

fn digest(slot: &mut Option<[u8; 32]>, value: &str) -> bool {
    *slot = blake3::Hash::from_hex(value).ok().map(|hash| *hash.as_bytes());
    slot.is_some()
}

fn extras(slot: &mut Option<Extras>, value: &str) -> bool {
    choice(slot, value, &[("yes", Extras::Use), ("no", Extras::Leave)])
}

fn choice<T: Copy>(slot: &mut Option<T>, value: &str, all: &[(&str, T)]) -> bool {
    *slot = all.iter().find(|(name, _)| *name == value).map(|(_, value)| *value);
    slot.is_some()
}

/// Bytes with an optional binary unit.
fn bytes(value: &str) -> Option<u64> {
    match size(value)? {
        Size::Bytes(bytes) => Some(bytes),
        Size::Percent(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_with_either_dash() {
        assert_eq!(find("isolde.overlay_size").map(|p| p.key), Some("isolde.overlay-size"));
        assert!(find("isolde.imagex").is_none());
    }

    #[test]
    fn no_name_stands_twice() {
        for (n, param) in PARAMS.iter().enumerate() {
            assert!(PARAMS.iter().skip(n + 1).all(|other| other.key != param.key), "{}", param.key);
        }
    }
}
