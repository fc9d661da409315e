//! Linux Live Kit: Slax, MiniOS, and other kits made with it; delegated.
//!
//! Its init moves the initramfs to a tmpfs, unites the bundles below /memory and leaves with pivot_root
//! (Tomas-M/linux-live, `livekitlib`). It mounts what it searches for writing and passes over loop devices, so the ISO
//! has to be named by `from=`: a path on any device, or behind a device node.

use super::folders::matching;
use super::tree::Tree;
use super::{Asked, Family, Layer, Layout, NO_HABITS, Way, mount_name};
use crate::source::{Named, StoreSpec};
use crate::words::Does::{Source, Userland};
use crate::words::{Word, Words, word};
use std::io;

/// See the module's own text.
pub const FAMILY: Family = Family {
    name: "live-kit",
    systems: "Slax, MiniOS",
    way: Way::Delegate,
    words: WORDS,
    sources: |words| from(words).into_iter().collect(),
    recognise,
    ..NO_HABITS
};

const WORDS: &[Word] = &[
    word("from", "PATH.iso|/dev/NODE/PATH.iso|DIRECTORY|http:URL|ask", Source),
    word("load", "REGEX", Userland),
    word("noload", "REGEX", Userland),
    word("perch", "", Userland),
    word("perchdir", "resume|new|ask|NUMBER|DEVICE", Userland),
    word("perchsize", "MIB", Userland),
];

/// Folders of a medium's top that are looked into.
pub(super) const MOST_FOLDERS: usize = 64;
/// How deep bundles may lie below `modules`.
const DEEPEST: usize = 4;

fn recognise(asked: &Asked) -> io::Result<Option<Layout>> {
    let tree = asked.medium;
    for entry in tree.list("")?.into_iter().filter(|entry| entry.is_directory).take(MOST_FOLDERS) {
        let mut bundles = matching(tree, &entry.name, "", ".sb")?;
        if bundles.is_empty() {
            continue;
        }
        // By their numbers, as `sort -n` does, and by name where these are equal.
        bundles.sort_unstable_by(|one, other| (number(one), one).cmp(&(number(other), other)));
        let mut modules = Vec::new();
        collect(tree, &format!("{}/modules", entry.name), DEEPEST, &mut modules)?;
        modules.sort_unstable_by(|one, other| (base(one), one).cmp(&(base(other), other)));
        let layer = |file: String| {
            let at = format!("/run/initramfs/memory/bundles/{}", mount_name(&file));
            Layer::plain(file, at)
        };
        let layers = bundles.into_iter().chain(modules).map(layer).collect();
        return Ok(Some(Layout::new("/run/initramfs/memory/data", layers)));
    }
    Ok(None)
}

fn collect(tree: &dyn Tree, folder: &str, deepest: usize, found: &mut Vec<String>) -> io::Result<()> {
    found.extend(matching(tree, folder, "", ".sb")?);
    if deepest > 0 && tree.is_directory(folder)? {
        for entry in tree.list(folder)?.into_iter().filter(|entry| entry.is_directory) {
            collect(tree, &format!("{folder}/{}", entry.name), deepest - 1, found)?;
        }
    }
    Ok(())
}

fn base(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file)
}

fn number(file: &str) -> u64 {
    let name = base(file);
    let end = name.find(|c: char| !c.is_ascii_digit()).unwrap_or(name.len());
    name.get(..end).and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// `from=` as the Live Kit and Porteus read it. A value that ends in `.iso` is a file; anything else is a folder with
/// the system in it, which only counts when its device is named. antiX's classes of devices are neither.
pub(super) fn from(words: &Words) -> Option<Named> {
    let text = words.get("from")?;
    let (store, path) = place(text)?;
    let word = format!("from={text}");
    if is_iso(&path) {
        return Some(Named::file(word, store, &path));
    }
    (store != StoreSpec::Any).then(|| Named::medium(word, store))
}

/// A path with its device: `/dev/sda1/PATH`, Porteus' `/mnt/sda1/PATH`, `UUID:ID/PATH` and `LABEL:NAME/PATH`, or a path
/// on any device.
pub(super) fn place(text: &str) -> Option<(StoreSpec, String)> {
    let by_id = |key: &str, spec: fn(String) -> StoreSpec| {
        let (id, path) = text.strip_prefix(key)?.split_once('/')?;
        (!id.is_empty()).then(|| (spec(id.to_owned()), path.to_owned()))
    };
    if text.contains("://") {
        return None;
    }
    let node = text.strip_prefix("/mnt/").map(|rest| format!("/dev/{rest}"));
    by_id("UUID:", StoreSpec::Uuid).or_else(|| by_id("LABEL:", StoreSpec::Label)).or_else(|| {
        let named = StoreSpec::parse_with_path(node.as_deref().unwrap_or(text));
        Some(named.map_or_else(|| (StoreSpec::Any, text.to_owned()), |(store, path)| (store, path.to_owned())))
    })
}

fn is_iso(path: &str) -> bool {
    path.len() > 4 && path.get(path.len() - 4..).is_some_and(|end| end.eq_ignore_ascii_case(".iso"))
}

#[cfg(test)]
mod tests {
    use super::super::fake::{layers, medium, named};
    use super::*;

    #[test]
    fn bundles_are_in_the_order_of_their_numbers_and_modules_above_them() {
        let tree = medium(&[
            "EFI/boot/bootx64.efi",
            "slax/10-late.sb",
            "slax/01-core.sb",
            "slax/2-more.sb",
            "slax/modules/z/01-first.sb",
            "slax/modules/02-second.sb",
            "slax/boot/vmlinuz",
        ]);
        let wanted = ["01-core", "2-more", "10-late", "modules/z/01-first", "modules/02-second"];
        let wanted = wanted.map(|name| format!("slax/{name}.sb"));
        assert_eq!(layers(tree, ""), Some(("live-kit", wanted.into())));
        assert_eq!(layers(medium(&["other/01-core.sb"]), "").map(|(family, _)| family), Some("live-kit"));
        assert_eq!(layers(medium(&["slax/core.sbx", "a.sb"]), ""), None);
    }

    #[test]
    fn from_has_a_meaning_in_each_form() {
        let (any, disk) = (StoreSpec::Any, |name: &str| StoreSpec::Device(name.into()));
        for (text, store, path) in [
            ("/isos/slax.iso", any.clone(), Some("/isos/slax.iso")),
            ("isos/Slax.ISO", any.clone(), Some("/isos/Slax.ISO")),
            ("/dev/sdb1/slax.iso", disk("sdb1"), Some("/slax.iso")),
            ("/mnt/sdb1/slax.iso", disk("sdb1"), Some("/slax.iso")),
            ("UUID:12-34/a/b.iso", StoreSpec::Uuid("12-34".into()), Some("/a/b.iso")),
            ("LABEL:MY_STICK/b.iso", StoreSpec::Label("MY_STICK".into()), Some("/b.iso")),
            ("/dev/sdb1/slax", disk("sdb1"), None),
        ] {
            let [one] = &named(&FAMILY, &format!("from={text}"))[..] else { panic!("{text}") };
            assert_eq!((&one.store, one.path()), (&store, path), "{text}");
        }
        for text in ["usb,cd,hd", "all", "ask", "http://host/slax.iso", "slax", "UUID:/x.iso/", ".iso", "é.is"] {
            assert!(named(&FAMILY, &format!("from={text}")).is_empty(), "{text}");
        }
    }
}
