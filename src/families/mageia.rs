//! Mageia: one squashfs below /loopbacks, with the mount points of draklive in the root.
//!
//! Its initrd mounts the medium at /live/media, the image at /live/distrib and the upper at /live/tmpfs, and writes nothing
//! to the root (Mageia's dracut module mgalive; the overlay as mklivecd's issue 7 shows it).

use super::folders::matching;
use super::naming::file_behind;
use super::{Asked, Family, Layer, Layout, NO_HABITS, Way};
use crate::source::{Named, StoreSpec};
use crate::words::{Does, Word, Words, word};
use std::io;

/// See the module's own text.
pub const FAMILY: Family =
    Family { name: "mageia", systems: "Mageia live", way: Way::Mounts, words: WORDS, sources, recognise, ..NO_HABITS };

const WORDS: &[Word] = &[
    word("isofrom", "DEVICE:PATH", Does::Source),
    word("root", "mgalive:SPEC", Does::Source),
    // PCLinuxOS, whose medium cannot be taken over: the message about that needs the medium.
    word("bootfromiso", "PATH", Does::Source),
];

const MEDIUM: &str = "/run/isolde/medium";
const IMAGE: &str = "/run/isolde/layers/distrib";
const UPPER: &str = "/run/isolde/upper";

fn recognise(asked: &Asked) -> io::Result<Option<Layout>> {
    // distrib.sqfs; distrib-lzma.sqfs until Mageia 6.
    let Some(file) = matching(asked.medium, "loopbacks", "distrib", ".sqfs")?.into_iter().next() else {
        return Ok(None);
    };
    let shown = [(MEDIUM, "/live/media"), (IMAGE, "/live/distrib"), (UPPER, "/live/tmpfs")];
    Ok(Some(Layout {
        upper_mount: UPPER,
        upper: ("memory", "work"),
        shown: shown.map(|(what, at)| (what.to_owned(), at)).into(),
        ..Layout::new(MEDIUM, vec![Layer::plain(file, IMAGE)])
    }))
}

fn sources(words: &Words) -> Vec<Named> {
    let isofrom = words.get("isofrom").and_then(|text| file_behind("isofrom", text));
    let bootfromiso = words.get("bootfromiso").map(|path| {
        // Its initrd searches every device; the loaders that write the word also say which.
        let root = words.get("root").and_then(StoreSpec::parse).filter(|root| !matches!(root, StoreSpec::Device(_)));
        Named::file(format!("bootfromiso={path}"), root.unwrap_or(StoreSpec::Any), path)
    });
    let medium = words.get("root").and_then(|root| {
        let store = StoreSpec::parse(root.strip_prefix("mgalive:")?)?;
        Some(Named::medium(format!("root={root}"), store))
    });
    isofrom.into_iter().chain(bootfromiso).chain(medium).collect()
}

#[cfg(test)]
mod tests {
    use crate::families::testing::{family_of, layers, plan};
    use crate::sys::record::Tree;

    #[test]
    fn image_and_medium_are_shown_where_the_userland_looks() {
        for name in ["distrib.sqfs", "distrib-lzma.sqfs", "distrib:a,b.sqfs"] {
            let file = format!("loopbacks/{name}");
            let (family, layout) = family_of(&Tree::new().file(&file, ""), &Tree::new(), "").unwrap();
            assert_eq!((family.name, layout.upper), ("mageia", ("memory", "work")));
            assert_eq!(layers(&layout), [(file.as_str(), "/run/isolde/layers/distrib")]);
            let shown = [
                (layout.medium.to_owned(), "/live/media"),
                (layout.layers[0].at.clone(), "/live/distrib"),
                (layout.upper_mount.to_owned(), "/live/tmpfs"),
            ];
            assert_eq!(layout.shown, shown);
        }
        assert!(family_of(&Tree::new().file("loopbacks/other.sqfs", ""), &Tree::new(), "").is_none());
    }

    #[test]
    fn real_command_lines_name_file_and_medium() {
        for (line, boot) in [
            (
                "isofrom=/dev/disk/by-uuid/1501-DE00:/iso/Mageia-9-Live.iso root=mgalive:LABEL=Mageia-9-Live splash quiet",
                "boot /iso/Mageia-9-Live.iso from UUID=1501-DE00",
            ),
            (
                "root=mgalive:LABEL=Mageia-9-Live splash quiet noiswmd",
                "boot the medium itself from LABEL=Mageia-9-Live",
            ),
            (
                "livecd=livecd root=/dev/rd/3 acpi=on keyb=us fromusb root=UUID=1501-DE00 bootfromiso=/iso/pclinuxos.iso",
                "boot /iso/pclinuxos.iso from UUID=1501-DE00",
            ),
            ("livecd=livecd root=/dev/rd/3 bootfromiso=/pclinuxos.iso", "boot /pclinuxos.iso from any device"),
        ] {
            assert_eq!(plan(line), boot, "{line}");
        }
    }
}
