//! Slackware Live (liveslak) and those made with it: delegated.
//!
//! Its init edits keyboard, language, passwords, fstab and more in the new root and binds /mnt/live, /mnt/livemedia and
//! /mnt/liveslakfs into it (liveslak, `liveinit`). It finds the medium by its label on any device, loop devices too,
//! or the ISO by `livemedia=`.

use super::folders::matching;
use super::{Asked, Family, Layer, Layout, NO_HABITS, Way, mount_name};
use crate::source::{Named, StoreSpec};
use crate::words::Does::{Choice, Source, Userland};
use crate::words::{Word, Words, word};
use std::io;

/// See the module's own text.
pub const FAMILY: Family = Family {
    name: "liveslak",
    systems: "Slackware Live, Wifislax",
    way: Way::Delegate,
    words: WORDS,
    sources,
    recognise,
    ..NO_HABITS
};

const WORDS: &[Word] = &[
    word("livemedia", "DEVICE[:PATH]|scandev:PATH|UUID|LABEL", Source),
    word("livemain", "DIRECTORY", Choice),
    word("load", "NAME[,NAME]", Userland),
    word("noload", "NAME[,NAME]", Userland),
    word("nop", "[wipe]", Userland),
    word("luksvol", "FILE[:DIRECTORY]", Userland),
    word("livepw", "PASSWORD", Userland),
    word("rootpw", "PASSWORD", Userland),
    word("tweaks", "LIST", Userland),
    word("localhd", "", Userland),
];

/// Each higher than the one before; `optional` is chosen by load=.
const FOLDERS: [&str; 2] = ["system", "addons"];

fn recognise(asked: &Asked) -> io::Result<Option<Layout>> {
    let main = asked.words.path("livemain", "liveslak");
    let mut layers = Vec::new();
    for folder in FOLDERS {
        for file in matching(asked.medium, &format!("{main}/{folder}"), "", ".sxz")? {
            let at = format!("/mnt/live/modules/{}", mount_name(&file));
            layers.push(Layer::plain(file, at));
        }
        if layers.is_empty() {
            return Ok(None);
        }
    }
    Ok(Some(Layout::new("/mnt/livemedia", layers)))
}

fn sources(words: &Words) -> Vec<Named> {
    let Some(text) = words.get("livemedia") else { return Vec::new() };
    let (device, path) = text.split_once(':').unwrap_or((text, ""));
    // A bare name may be a UUID or a label: every device is searched for the file.
    let store = StoreSpec::parse(device).unwrap_or(StoreSpec::Any);
    let word = format!("livemedia={text}");
    match path {
        "" if store == StoreSpec::Any => Vec::new(),
        "" => vec![Named::medium(word, store)],
        path => vec![Named::file(word, store, path)],
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::{layers, medium, named};
    use super::*;

    #[test]
    fn addons_are_above_the_system() {
        let tree = ["liveslak/addons/0001-a.sxz", "liveslak/system/0001-b.sxz", "liveslak/system/0099-c_zzzconf.sxz"];
        let wanted = [tree[1], tree[2], tree[0]].map(str::to_owned).into();
        assert_eq!(layers(medium(&tree), ""), Some(("liveslak", wanted)));
        assert_eq!(layers(medium(&["wifislax/system/1.sxz"]), "livemain=wifislax").map(|(n, _)| n), Some("liveslak"));
        assert_eq!(layers(medium(&["liveslak/addons/1.sxz"]), ""), None);
    }

    #[test]
    fn livemedia_names_a_device_and_a_file() {
        for (text, store, path) in [
            ("/dev/disk/by-uuid/12-34:/a.iso", StoreSpec::Uuid("12-34".into()), Some("/a.iso")),
            ("scandev:/isos/a.iso", StoreSpec::Any, Some("/isos/a.iso")),
            ("STICK:/a.iso", StoreSpec::Any, Some("/a.iso")),
            ("/dev/sdb1", StoreSpec::Device("sdb1".into()), None),
        ] {
            let [one] = &named(&FAMILY, &format!("livemedia={text}"))[..] else { panic!("{text}") };
            assert_eq!((&one.store, one.path()), (&store, path), "{text}");
        }
        assert!(named(&FAMILY, "livemedia=scandev").is_empty());
    }
}
