//! archiso: Arch, EndeavourOS, CachyOS, BlackArch.
//!
//! One image, `BASE/ARCHITECTURE/airootfs.sfs` or `.erofs`; media of an older profile hold an ext4 file in it. Nothing is
//! written to the root (mkinitcpio-archiso: hooks/archiso, hooks/archiso_loop_mnt, docs/README.bootparams).

use super::folders::find_below;
use super::naming::{BY_LABEL, BY_UUID, file_on, media};
use super::{Asked, Family, Layer, Layout, NO_HABITS, Pair, Way};
use crate::source::{Named, StoreSpec};
use crate::words::{Does, Word, Words, word};
use std::io;

/// See the module's own text.
pub const FAMILY: Family = Family {
    name: "archiso",
    systems: "Arch, EndeavourOS, CachyOS, BlackArch",
    way: Way::Mounts,
    words: WORDS,
    sources,
    recognise,
    pair,
    ..NO_HABITS
};

const WORDS: &[Word] = &[
    word("img_loop", "PATH", Does::Source),
    word("img_dev", "DEVICE", Does::Source),
    word("img_label", "LABEL", Does::Source),
    word("img_flags", "OPTIONS", Does::NotYet),
    word("archisodevice", "DEVICE", Does::Source),
    word("archisolabel", "LABEL", Does::Source),
    // A source as well; the family sees it because it is compared with the medium.
    word("archisosearchuuid", "UUID", Does::Choice),
    word("archisosearchfilename", "PATH", Does::Source),
    word("archisobasedir", "DIRECTORY", Does::Choice),
    word("arch", "ARCHITECTURE", Does::Choice),
    word("copytoram", "[y|n|auto]", Does::ToRam),
    word("copytoram_size", "SIZE", Does::NotYet),
    word("cow_spacesize", "SIZE", Does::OverlaySize),
    word("cow_device", "DEVICE", Does::NotYet),
    word("cow_label", "LABEL", Does::NotYet),
    word("cow_flags", "OPTIONS", Does::NotYet),
    word("cow_directory", "DIRECTORY", Does::NotYet),
    word("cow_persistent", "P|N", Does::NotYet),
    word("cow_chunksize", "BLOCKS", Does::NotYet),
    word("dm_snap_prefix", "NAME", Does::NotYet),
    word("checksum", "[y]", Does::NotYet),
    word("verify", "[y]", Does::NotYet),
    word("cms_verify", "[y]", Does::NotYet),
    word("script", "PATH|URL", Does::Userland),
    word("mirror", "URL", Does::Userland),
    word("accessibility", "on", Does::Userland),
];

/// Ids that a medium may carry; a real one carries one.
const MOST_IDS: usize = 8;

fn recognise(asked: &Asked) -> io::Result<Option<Layout>> {
    layout(asked, asked.words.get("archisobasedir").map(|base| base.trim_matches('/')))
}

/// The layout below this folder, or below any at the top.
pub(super) fn layout(asked: &Asked, base: Option<&str>) -> io::Result<Option<Layout>> {
    let files = ["airootfs.sfs", "airootfs.erofs"];
    let Some(file) = find_below(asked.medium, base, asked.words.get("arch"), &files)? else { return Ok(None) };
    let layer = Layer {
        nested: vec!["airootfs.img".into()],
        container: "/run/archiso/sfs/airootfs".into(),
        ..Layer::plain(file, "/run/archiso/airootfs")
    };
    Ok(Some(Layout {
        upper_mount: "/run/archiso/cowspace",
        upper: ("upperdir", "workdir"),
        source: "airootfs",
        ..Layout::new("/run/archiso/bootmnt", vec![layer])
    }))
}

fn sources(words: &Words) -> Vec<Named> {
    let devices = [("archisosearchuuid", BY_UUID), ("archisodevice", ""), ("archisolabel", BY_LABEL)];
    let searched = words.get("archisosearchfilename").map(|path| format!("archisosearchfilename={path}"));
    let file = file_on(words, &[("img_dev", ""), ("img_label", BY_LABEL)], "img_loop").into_iter();
    file.chain(media(words, &devices)).chain(searched.map(|word| Named::medium(word, StoreSpec::Any))).collect()
}

/// mkarchiso puts the same id into the boot entries and into the name of a file, `boot/ID.uuid`. A medium without such
/// a file was made without that search.
fn pair(asked: &Asked) -> io::Result<Option<Pair>> {
    let Some(id) = asked.words.get("archisosearchuuid") else { return Ok(None) };
    if !asked.medium.is_directory("boot")? {
        return Ok(None);
    }
    let names = asked.medium.list("boot")?.into_iter();
    let ids = names.filter_map(|entry| Some(entry.name.strip_suffix(".uuid")?.to_owned()));
    let medium: Vec<String> = ids.take(MOST_IDS).collect();
    Ok((!medium.is_empty()).then(|| Pair { initrd: id.to_owned(), medium }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::families::testing::{ask, family_of, layers, plan};
    use crate::sys::record::Tree;

    fn arch() -> Tree {
        Tree::new().file("arch/x86_64/airootfs.sfs", "").file("boot/2024-04-01-14-30-25-00.uuid", "")
    }

    #[test]
    fn the_image_is_mounted_where_the_userland_looks() {
        let (family, layout) = family_of(&arch(), &Tree::new(), "archisobasedir=arch").unwrap();
        assert_eq!((family.name, layout.medium, layout.source), ("archiso", "/run/archiso/bootmnt", "airootfs"));
        assert_eq!(layers(&layout), [("arch/x86_64/airootfs.sfs", "/run/archiso/airootfs")]);
        assert_eq!(layout.layers[0].nested, ["airootfs.img"]);
        assert_eq!((layout.upper_mount, layout.stack), ("/run/archiso/cowspace", "/"));
    }

    #[test]
    fn base_and_architecture_are_chosen_by_word_or_found() {
        let two = arch().file("blackarch/aarch64/airootfs.erofs", "").file("blackarch/i686/airootfs.sfs", "");
        for (line, file) in [
            ("", "arch/x86_64/airootfs.sfs"),
            ("archisobasedir=blackarch", "blackarch/aarch64/airootfs.erofs"),
            ("archisobasedir=/blackarch/ arch=i686", "blackarch/i686/airootfs.sfs"),
        ] {
            assert_eq!(family_of(&two, &Tree::new(), line).unwrap().1.layers[0].file, file, "{line}");
        }
        assert!(family_of(&arch(), &Tree::new(), "archisobasedir=other").is_none());
    }

    #[test]
    fn a_hostile_base_never_becomes_a_mount_point() {
        let medium = Tree::new().file("a:b,upperdir=c/x86_64/airootfs.sfs", "");
        for line in ["", "archisobasedir=a:b,upperdir=c", "archisobasedir=../../a:b,upperdir=c"] {
            let (_, layout) = family_of(&medium, &Tree::new(), line).unwrap();
            assert_eq!(layout.layers[0].at, "/run/archiso/airootfs", "{line}");
        }
    }

    #[test]
    fn real_command_lines_name_file_and_medium() {
        for (line, boot) in [
            (
                "archisobasedir=arch img_dev=UUID=0b1c-2d3e img_loop=/iso/arch.iso",
                "boot /iso/arch.iso from UUID=0b1c-2d3e",
            ),
            (
                "archisobasedir=arch img_dev=UUID=0b1c-2d3e img_loop=/cachyos.iso cow_spacesize=10G quiet",
                "boot /cachyos.iso from UUID=0b1c-2d3e",
            ),
            ("img_label=STICK img_loop=arch.iso archisolabel=ARCH_202404", "boot /arch.iso from LABEL=STICK"),
            (
                "archisobasedir=arch archisosearchuuid=2024-04-01-14-30-25-00",
                "boot the medium itself from UUID=2024-04-01-14-30-25-00",
            ),
            ("archisobasedir=arch archisolabel=EOS_202404", "boot the medium itself from LABEL=EOS_202404"),
            ("archisodevice=/dev/sr0", "boot the medium itself from /dev/sr0"),
            ("archisobasedir=arch archisosearchfilename=/a.uuid", "boot the medium itself from any device"),
        ] {
            assert_eq!(plan(line), boot, "{line}");
        }
    }

    #[test]
    fn initrd_and_medium_are_compared_where_both_carry_an_id() {
        let pair = |medium: &Tree, line: &str| ask(medium, &Tree::new(), line, pair).unwrap();
        let found = pair(&arch(), "archisosearchuuid=2023-01-01-00-00-00-00").unwrap();
        assert_eq!(found.initrd, "2023-01-01-00-00-00-00");
        assert_eq!(found.medium, ["2024-04-01-14-30-25-00"]);
        assert_eq!(pair(&arch(), "archisobasedir=arch"), None);
        assert_eq!(pair(&Tree::new().directory("boot"), "archisosearchuuid=x"), None);
        let many = (0..100).fold(Tree::new(), |tree, n| tree.file(&format!("boot/{n}.uuid"), ""));
        assert_eq!(pair(&many, "archisosearchuuid=x").unwrap().medium.len(), MOST_IDS);
    }
}
