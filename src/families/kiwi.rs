//! kiwi: openSUSE's live media.
//!
//! The same image as dracut's, in other places of /run (kiwi: dracut/modules.d/55kiwi-live/kiwi-live-lib.sh). Nothing is
//! written to the root. Fedora builds with kiwi too and has the same files on the medium, but dracut's own module in its
//! initrd; so the initrd decides where it is there.

use super::folders::ARCHITECTURES;
use super::naming::{file_behind, file_on};
use super::{Asked, Family, Layer, Layout, NO_HABITS, Target, Way};
use crate::source::Named;
use crate::words::{Does, Word, Words, word};
use std::io;

/// See the module's own text.
pub const FAMILY: Family = Family {
    name: "kiwi",
    systems: "openSUSE Tumbleweed and Leap live",
    way: Way::Mounts,
    words: WORDS,
    sources,
    recognise,
    ..NO_HABITS
};

/// Beside dracut's, whose `root=live:` and `iso-scan/filename` it has.
const WORDS: &[Word] = &[
    word("isofrom_device", "DEVICE", Does::Source),
    word("isofrom_system", "PATH|DEVICE:PATH", Does::Source),
    word("rd.live.dir", "DIRECTORY", Does::Choice),
    word("rd.live.squashimg", "FILE", Does::Choice),
    word("rd.live.overlay.size", "MIB", Does::OverlayMib),
    word("rd.live.overlay.persistent", "", Does::Persist),
    word("rd.live.overlay.cowfs", "TYPE", Does::NotYet),
    word("rd.live.cowfile.mbsize", "MIB", Does::NotYet),
    word("rd.live.cowfile.path", "PATH", Does::NotYet),
    word("rd.live.encrypt", "", Does::NotYet),
    word("rd.kiwi.live.system", "DEVICE", Does::NotYet),
    word("rd.kiwi.live.pxe", "", Does::NotYet),
    word("rd.kiwi.live.reset", "", Does::NotYet),
    word("mediacheck", "1", Does::NotYet),
];

fn recognise(asked: &Asked) -> io::Result<Option<Layout>> {
    let (tree, words) = (asked.medium, asked.words);
    let folder = words.path("rd.live.dir", "LiveOS");
    let name = words.get("rd.live.squashimg").unwrap_or("squashfs.img");
    let file = format!("{folder}/{name}");
    let file = file.trim_start_matches('/');
    if !tree.is_file(file)? {
        return Ok(None);
    }
    let certain = asked.initrd.is_file("lib/kiwi-live-lib.sh")?;
    if !certain && (asked.initrd.is_file("sbin/dmsquash-live-root")? || !has_loader(asked)?) {
        return Ok(None);
    }
    let layer = Layer {
        nested: vec![format!("{folder}/rootfs.img")],
        container: "/run/overlay/squashfs_container".into(),
        ..Layer::plain(file, "/run/overlay/rootfsbase")
    };
    let mut links = vec![("/run/overlay/isodev", Target::MediumDevice)];
    if !certain {
        // A Fedora without its initrd looks the same; its userland finds its places by these.
        links.push(("/run/initramfs/livedev", Target::MediumDevice));
        links.push(("/run/initramfs/live", Target::Text("/run/overlay/live")));
        links.push(("/run/rootfsbase", Target::Text("/run/overlay/rootfsbase")));
    }
    Ok(Some(Layout {
        upper_mount: "/run/overlay/overlayfs",
        upper: ("rw", "work"),
        source: "LiveOS_rootfs",
        links,
        ..Layout::new("/run/overlay/live", vec![layer])
    }))
}

/// kiwi puts the kernel into `boot/ARCHITECTURE/loader`.
fn has_loader(asked: &Asked) -> io::Result<bool> {
    for architecture in ARCHITECTURES {
        if asked.medium.is_file(&format!("boot/{architecture}/loader/linux"))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The words of kiwi 7; openSUSE 12 had device and path in one of them.
fn sources(words: &Words) -> Vec<Named> {
    let word = "isofrom_system";
    let whole = words.get(word).and_then(|text| file_behind(word, text));
    whole.or_else(|| file_on(words, &[("isofrom_device", "")], word)).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::families::testing::{family_of, layers, plan};
    use crate::sys::record::Tree;

    fn medium() -> Tree {
        Tree::new().file("LiveOS/squashfs.img", "").file("boot/x86_64/loader/linux", "")
    }

    fn kiwi() -> Tree {
        Tree::new().file("usr/lib/kiwi-live-lib.sh", "").link("lib", "usr/lib")
    }

    fn dracut() -> Tree {
        Tree::new().file("usr/sbin/dmsquash-live-root", "").link("sbin", "usr/sbin")
    }

    #[test]
    fn container_and_root_are_mounted_where_the_userland_looks() {
        let (family, layout) = family_of(&medium(), &kiwi(), "root=live:CDLABEL=CDROM rd.live.image").unwrap();
        assert_eq!((family.name, layout.medium, layout.source), ("kiwi", "/run/overlay/live", "LiveOS_rootfs"));
        assert_eq!(layers(&layout), [("LiveOS/squashfs.img", "/run/overlay/rootfsbase")]);
        assert_eq!(layout.layers[0].nested, ["LiveOS/rootfs.img"]);
        assert_eq!(layout.layers[0].container, "/run/overlay/squashfs_container");
        assert_eq!((layout.upper_mount, layout.upper), ("/run/overlay/overlayfs", ("rw", "work")));
        assert_eq!(layout.links, [("/run/overlay/isodev", Target::MediumDevice)]);
    }

    #[test]
    fn the_initrd_tells_opensuse_from_fedora() {
        let plain = Tree::new().file("LiveOS/squashfs.img", "");
        for (medium, initrd, family) in [
            (medium(), kiwi(), "kiwi"),
            (medium(), Tree::new(), "kiwi"),
            (medium(), dracut(), "dracut"),
            (plain.clone(), kiwi(), "kiwi"),
            (plain.clone(), Tree::new(), "dracut"),
            (plain, dracut(), "dracut"),
        ] {
            assert_eq!(family_of(&medium, &initrd, "").unwrap().0.name, family, "{medium:?} {initrd:?}");
        }
        let unsure = family_of(&medium(), &Tree::new(), "").unwrap().1;
        assert!(unsure.links.contains(&("/run/rootfsbase", Target::Text("/run/overlay/rootfsbase"))));
    }

    #[test]
    fn folder_and_image_are_chosen_by_word() {
        let medium = medium().file("Other/x.img", "");
        let (_, layout) = family_of(&medium, &kiwi(), "rd.live.dir=/Other/ rd.live.squashimg=x.img").unwrap();
        assert_eq!(layout.layers[0].file, "Other/x.img");
        assert_eq!(layout.layers[0].nested, ["Other/rootfs.img"]);
    }

    #[test]
    fn real_command_lines_name_file_and_medium() {
        for (line, boot) in [
            (
                "root=live:CDLABEL=openSUSE_Leap iso-scan/filename=/iso/leap.iso rd.live.overlay.persistent rd.live.overlay.cowfs=ext4",
                "boot /iso/leap.iso from any device",
            ),
            ("root=live:CDLABEL=CDROM rd.live.image", "boot the medium itself from LABEL=CDROM"),
            (
                "isofrom_device=/dev/disk/by-uuid/1501-DE00 isofrom_system=/iso/leap42.iso splash=silent",
                "boot /iso/leap42.iso from UUID=1501-DE00",
            ),
            ("isofrom_system=/dev/disk/by-uuid/1501-DE00:/leap.iso", "boot /leap.iso from UUID=1501-DE00"),
        ] {
            assert_eq!(plan(line), boot, "{line}");
        }
        let network = "isofrom_device=nfs:192.168.1.200:/isos isofrom_system=x.iso";
        assert!(plan(network).contains("no parameter names an image"), "{}", plan(network));
    }
}
