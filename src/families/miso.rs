//! miso: Manjaro, Garuda, and Artix, whose hooks are the same under other names.
//!
//! Up to four images below `BASE/ARCHITECTURE`, each over the one before; a `NAME.sfs` may hold `NAME.img`. Nothing is
//! written to the root; the live user comes from services in `livefs` (manjaro-tools: initcpio/hooks/miso, miso_loop_mnt;
//! artools: initcpio/hooks/artix).

use super::folders::find_below;
use super::naming::{BY_LABEL, media};
use super::{Asked, Family, Layer, Layout, NO_HABITS, Way};
use crate::source::Named;
use crate::words::{Does, Word, Words, word};
use std::io;

/// See the module's own text.
pub const FAMILY: Family = Family {
    name: "miso",
    systems: "Manjaro, Garuda, Artix, Netrunner",
    way: Way::Mounts,
    words: WORDS,
    sources,
    recognise,
    ..NO_HABITS
};

/// Beside those of archiso, `img_loop` and `img_dev` among them.
const WORDS: &[Word] = &[
    word("misobasedir", "DIRECTORY", Does::Choice),
    word("misolabel", "LABEL", Does::Source),
    word("misodevice", "DEVICE", Does::Source),
    word("artixbasedir", "DIRECTORY", Does::Choice),
    word("artixlabel", "LABEL", Does::Source),
    word("artixdevice", "DEVICE", Does::Source),
    word("overlay_root_size", "SIZE", Does::NotYet),
    word("overlay", "livefs|free", Does::Userland),
    word("driver", "free|nonfree", Does::Userland),
];

/// Lowest first. Artix has no mhwdfs, a net edition no desktopfs.
const IMAGES: [&str; 4] = ["rootfs", "desktopfs", "mhwdfs", "livefs"];

fn recognise(asked: &Asked) -> io::Result<Option<Layout>> {
    let (tree, words) = (asked.medium, asked.words);
    let base = words.get("misobasedir").or(words.get("artixbasedir")).map(|base| base.trim_matches('/'));
    let Some(lowest) = find_below(tree, base, words.get("arch"), &["rootfs.sfs"])? else { return Ok(None) };
    let folder = lowest.rsplit_once('/').map_or("", |(folder, _)| folder);
    let artix =
        folder.starts_with("artix/") || words.get("artixbasedir").is_some() || asked.initrd.is_file("hooks/artix")?;
    let (run, medium, upper_mount) = if artix {
        ("/run/artix", "/run/artix/bootmnt", "/run/artix/overlay_root")
    } else {
        ("/run/miso", "/run/miso/bootmnt", "/run/miso/overlay_root")
    };
    let mut layers = Vec::new();
    for name in IMAGES {
        let file = format!("{folder}/{name}.sfs");
        if tree.is_file(&file)? {
            layers.push(Layer {
                nested: vec![format!("{name}.img")],
                container: format!("{run}/container/{name}"),
                ..Layer::plain(file, format!("{run}/sfs/{name}"))
            });
        }
    }
    Ok(Some(Layout { upper_mount, upper: ("upper", "work"), ..Layout::new(medium, layers) }))
}

fn sources(words: &Words) -> Vec<Named> {
    let devices = [("misodevice", ""), ("misolabel", BY_LABEL), ("artixdevice", ""), ("artixlabel", BY_LABEL)];
    media(words, &devices)
}

#[cfg(test)]
mod tests {
    use crate::families::testing::{family_of, layers, plan};
    use crate::sys::record::Tree;

    fn medium(base: &str, images: &[&str]) -> Tree {
        images.iter().fold(Tree::new(), |tree, name| tree.file(&format!("{base}/x86_64/{name}.sfs"), ""))
    }

    #[test]
    fn four_layers_in_their_order_with_what_may_be_nested() {
        let tree = medium("manjaro", &["livefs", "mhwdfs", "rootfs", "desktopfs"]).file(".miso", "");
        let (family, layout) = family_of(&tree, &Tree::new(), "misobasedir=manjaro").unwrap();
        assert_eq!((family.name, layout.medium), ("miso", "/run/miso/bootmnt"));
        let all = [
            ("manjaro/x86_64/rootfs.sfs", "/run/miso/sfs/rootfs"),
            ("manjaro/x86_64/desktopfs.sfs", "/run/miso/sfs/desktopfs"),
            ("manjaro/x86_64/mhwdfs.sfs", "/run/miso/sfs/mhwdfs"),
            ("manjaro/x86_64/livefs.sfs", "/run/miso/sfs/livefs"),
        ];
        assert_eq!(layers(&layout), all);
        let nested: Vec<&str> = layout.layers.iter().flat_map(|layer| &layer.nested).map(String::as_str).collect();
        assert_eq!(nested, ["rootfs.img", "desktopfs.img", "mhwdfs.img", "livefs.img"]);
        let mut containers: Vec<&String> = layout.layers.iter().map(|layer| &layer.container).collect();
        containers.dedup();
        assert_eq!(containers.len(), 4, "each container needs a mount point of its own");
        assert_eq!((layout.upper_mount, layout.upper), ("/run/miso/overlay_root", ("upper", "work")));
    }

    #[test]
    fn missing_layers_are_passed_over_but_not_the_lowest() {
        let count =
            |images: &[&str]| family_of(&medium("garuda", images), &Tree::new(), "").map(|(_, l)| l.layers.len());
        assert_eq!(count(&["rootfs", "livefs"]), Some(2));
        assert_eq!(count(&["desktopfs", "livefs"]), None);
    }

    #[test]
    fn artix_finds_its_medium_under_its_own_name() {
        let artix = |base: &str, initrd: &Tree, line: &str| {
            family_of(&medium(base, &["rootfs", "livefs"]), initrd, line).unwrap().1
        };
        let hooks = Tree::new().file("hooks/artix", "");
        for layout in [
            artix("artix", &Tree::new(), ""),
            artix("other", &hooks, ""),
            artix("other", &Tree::new(), "artixbasedir=other"),
        ] {
            assert_eq!((layout.medium, layout.upper_mount), ("/run/artix/bootmnt", "/run/artix/overlay_root"));
            assert_eq!(layout.layers[1].at, "/run/artix/sfs/livefs");
        }
    }

    #[test]
    fn real_command_lines_name_file_and_medium() {
        for (line, boot) in [
            (
                "misobasedir=manjaro misolabel=MANJARO_KDE_2403 img_dev=/dev/disk/by-uuid/1501-DE00 img_loop=/iso/manjaro.iso",
                "boot /iso/manjaro.iso from UUID=1501-DE00",
            ),
            (
                "img_dev=/dev/disk/by-uuid/1501-DE00 img_loop=/iso/artix.iso overlay=livefs driver=free",
                "boot /iso/artix.iso from UUID=1501-DE00",
            ),
            (
                "misobasedir=manjaro misolabel=MANJARO_KDE_2403 quiet",
                "boot the medium itself from LABEL=MANJARO_KDE_2403",
            ),
            ("artixlabel=ARTIX_202404 overlay=livefs", "boot the medium itself from LABEL=ARTIX_202404"),
        ] {
            assert_eq!(plan(line), boot, "{line}");
        }
    }
}
