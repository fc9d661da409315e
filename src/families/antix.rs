//! antiX and MX: delegated.
//!
//! Their init keeps `/live` with its own programs and state files for the running system, runs scripts in the new root
//! and owns persistence, so it boots itself (MX-Linux/live-initrd-initramfs, `init`). It finds the ISO by `fromiso=`
//! on a device that `buuid=`, `bdev=` or `blab=` names; in `from=` it takes classes of devices, not a path.

use super::{Asked, Attached, Edit, Family, Layer, Layout, NO_HABITS, Way};
use crate::source::{Named, StoreSpec};
use crate::words::Does::{Choice, Source, Userland};
use crate::words::{Word, Words, word};
use std::io;

/// See the module's own text.
pub const FAMILY: Family = Family {
    name: "antix",
    systems: "antiX, MX Linux",
    way: Way::Delegate,
    words: WORDS,
    sources,
    recognise,
    hints,
    ..NO_HABITS
};

// `toram`, `overlayfs` and others that live-boot or genkernel have too are not repeated: its own init reads them all.
const WORDS: &[Word] = &[
    word("fromiso", "PATH", Source),
    word("iso", "PATH", Source),
    word("from", "usb,cd,hd,mmc|all", Source),
    word("bootuuid", "UUID", Source),
    word("buuid", "UUID", Source),
    word("bootlabel", "LABEL", Source),
    word("blab", "LABEL", Source),
    word("bootdev", "NODE", Source),
    word("bdev", "NODE", Source),
    word("bootdir", "DIRECTORY", Choice),
    word("bdir", "DIRECTORY", Choice),
    word("sq", "PATH", Choice),
    word("sqname", "FILE", Choice),
    word("sqext", "EXTENSION", Choice),
    word("persist", "[LIST]", Userland),
    word("persist_all", "", Userland),
    word("frugal", "[LIST]", Userland),
    word("checkmd5", "", Userland),
    word("disable", "LETTERS", Userland),
];

/// Where a bare `fromiso` looks.
const DEFAULT_ISO: &str = "/antiX/antiX.iso";

/// A script that its init reads before it looks for the squashfs ("breakpoint 3"). Its search leaves loop devices out
/// unless one is named; words that name another place keep their meaning.
const AT_THE_SEARCH: &str = "[ \"$ISO_FILE$FROM_ISO$FRUGAL_ID$BOOT_ID\" ] || { FROM_BOOT=; BOOT_ID=name=";

fn recognise(asked: &Asked) -> io::Result<Option<Layout>> {
    let words = asked.words;
    let whole = words.path("sq", "antiX/linuxfs");
    let (folder, name) = whole.rsplit_once('/').unwrap_or(("", whole));
    let folder = words.path("bdir", words.path("bootdir", folder));
    let mut file = format!("{folder}/{}", words.path("sqname", name));
    if let Some(extension) = words.get("sqext") {
        file = format!("{file}.{extension}");
    }
    if !asked.medium.is_file(&file)? {
        return Ok(None);
    }
    Ok(Some(Layout::new("/live/boot-dev", vec![Layer::plain(file, "/live/linux")])))
}

fn sources(words: &Words) -> Vec<Named> {
    let first = |names: &[&str]| names.iter().find_map(|name| words.get(name)).map(str::to_owned);
    let store = None
        .or_else(|| first(&["buuid", "bootuuid"]).map(StoreSpec::Uuid))
        .or_else(|| first(&["blab", "bootlabel"]).map(StoreSpec::Label))
        .or_else(|| {
            first(&["bdev", "bootdev"]).map(|node| StoreSpec::Device(node.trim_start_matches("/dev/").to_owned()))
        });
    let bare = || ["fromiso", "iso"].iter().any(|name| words.is_set(name)).then_some(DEFAULT_ISO.to_owned());
    let path = first(&["fromiso", "iso"]).or_else(bare);
    match (path, store) {
        // live-boot's and TinyCore's forms of the same words, which name a device as well.
        (Some(path), _) if StoreSpec::parse(&path).is_some() || path.contains(':') => Vec::new(),
        (Some(path), store) => vec![Named::file(format!("fromiso={path}"), store.unwrap_or(StoreSpec::Any), &path)],
        (None, Some(store)) => vec![Named::medium(format!("the boot device {store}"), store)],
        (None, None) => Vec::new(),
    }
}

fn hints(attached: &Attached) -> Vec<Edit> {
    let name = attached.device.rsplit('/').next().unwrap_or_default();
    let script = format!("{AT_THE_SEARCH}{name}; }}\n");
    let folders = ["live/custom/antiX", "live/custom/MX"].into_iter();
    folders
        .flat_map(|folder| {
            [Edit::MakeDir { path: folder.to_owned() }, Edit::write(format!("{folder}/3.sh"), script.clone())]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::fake::{layers, medium, named};
    use super::*;

    #[test]
    fn its_squashfs_is_found_where_the_words_say() {
        let files = |tree: &[&str], line| layers(medium(tree), line);
        assert_eq!(files(&["antiX/linuxfs"], "quiet"), Some(("antix", vec!["antiX/linuxfs".into()])));
        assert_eq!(files(&["frugal/linuxfs"], "bdir=/frugal"), Some(("antix", vec!["frugal/linuxfs".into()])));
        assert_eq!(files(&["a/b.sq"], "sq=/a/b sqext=sq"), Some(("antix", vec!["a/b.sq".into()])));
        assert_eq!(files(&["antiX/vmlinuz"], ""), None);
    }

    #[test]
    fn the_device_is_named_by_a_word_of_its_own() {
        for (line, store) in [
            ("fromiso=/x.iso buuid=ab-cd from=hd,usb", StoreSpec::Uuid("ab-cd".into())),
            ("iso=x.iso blab=STICK", StoreSpec::Label("STICK".into())),
            ("fromiso=/x.iso bdev=sda1", StoreSpec::Device("sda1".into())),
            ("fromiso=/x.iso", StoreSpec::Any),
        ] {
            let [one] = &named(&FAMILY, line)[..] else { panic!("{line}") };
            assert_eq!((one.path(), &one.store), (Some("/x.iso"), &store), "{line}");
        }
        assert_eq!(named(&FAMILY, "fromiso")[0].path(), Some(DEFAULT_ISO));
        assert_eq!(named(&FAMILY, "buuid=ab-cd bdir=frugal")[0].path(), None, "a frugal installation");
        assert!(named(&FAMILY, "fromiso=/dev/sda1/x.iso").is_empty(), "live-boot's form");
        assert!(named(&FAMILY, "iso=UUID=ab-cd/x.iso").is_empty(), "TinyCore's form");
        assert!(named(&FAMILY, "from=usb,cd,all").is_empty(), "classes are no path");
    }

    #[test]
    fn its_search_is_told_the_loop_device() {
        let edits = hints(&Attached { device: "/dev/loop3".into(), file: None });
        let Some(Edit::Write { path, text }) = edits.last() else { panic!("{edits:?}") };
        assert_eq!(path, "live/custom/MX/3.sh");
        assert!(text.contains("BOOT_ID=name=loop3;"), "{text}");
    }
}
