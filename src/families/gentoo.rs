//! Gentoo with genkernel, which came before dracut there.
//!
//! One image at the medium's top and files that are laid below it (genkernel: defaults/linuxrc, defaults/initrd.scripts,
//! setup_overlayfs). Media with dracut are dracut's, which their own words say.

use super::folders::matching;
use super::{Asked, Edit, Family, Layer, Layout, NO_HABITS, Way, tree::Tree};
use crate::source::{Named, StoreSpec};
use crate::words::{Does, Word, Words, word};
use std::io;

/// See the module's own text.
pub const FAMILY: Family = Family {
    name: "gentoo",
    systems: "Gentoo with genkernel, Pentoo, Sabayon",
    way: Way::Scripts,
    words: WORDS,
    sources,
    recognise,
    duties,
    ..NO_HABITS
};

const WORDS: &[Word] = &[
    word("isoboot", "PATH", Does::Source),
    word("isoloop", "PATH", Does::Source),
    word("cdroot", "[DEVICE]", Does::Source),
    word("cdroot_marker", "FILE", Does::Choice),
    word("loop", "FILE", Does::Choice),
    word("looptype", "squashfs|normal", Does::Choice),
    word("subdir", "DIRECTORY", Does::NotYet),
    word("docache", "", Does::ToRam),
    word("verify", "", Does::NotYet),
    word("overlayfs", "DEVICE", Does::NotYet),
    word("aufs", "DEVICE", Does::NotYet),
    word("dokeymap", "", Does::Userland),
    word("nodhcp", "", Does::Userland),
];

/// genkernel takes the last that is there of its own list; what needs a driver that no kernel has any more is not here.
const IMAGES: [&str; 3] = ["image.squashfs", "livecd.squashfs", "livecd.loop"];
const MEDIUM: &str = "/run/isolde/medium";
const IMAGE: &str = "/run/isolde/layers/livecd";
const UPPER: &str = "/run/isolde/upper";

fn recognise(asked: &Asked) -> io::Result<Option<Layout>> {
    let (tree, words) = (asked.medium, asked.words);
    if !matches!(words.get("looptype"), None | Some("squashfs" | "normal")) {
        return Ok(None);
    }
    let image = match words.get("loop").map(|file| file.trim_matches('/')) {
        Some(file) if tree.is_file(file)? => Some(file),
        Some(_) => None,
        None if has_mark(asked)? => first(tree, &IMAGES)?,
        None => None,
    };
    let Some(image) = image else { return Ok(None) };
    // In genkernel's list of layers the image is first, so that it lies above the modules, the first of them highest.
    let modules = (1..).zip(matching(tree, "modules", "", ".lzm")?);
    let modules = modules.map(|(n, file)| Layer::plain(file, format!("/run/isolde/layers/module{n}")));
    let mut layers: Vec<Layer> = modules.collect();
    layers.reverse();
    layers.push(Layer::plain(image, IMAGE));
    let shown = [(MEDIUM, "/mnt/cdrom"), (IMAGE, "/mnt/livecd"), (UPPER, "/mnt/overlay")];
    Ok(Some(Layout {
        upper_mount: UPPER,
        upper: (".upper", ".work"),
        shown: shown.map(|(what, at)| (what.to_owned(), at)).into(),
        ..Layout::new(MEDIUM, layers)
    }))
}

/// The marker of genkernel, or catalyst's kernel.
fn has_mark(asked: &Asked) -> io::Result<bool> {
    let marks = [asked.words.path("cdroot_marker", "livecd"), "boot/gentoo", "isolinux/gentoo"];
    Ok(first(asked.medium, &marks)?.is_some())
}

fn first<'a>(tree: &dyn Tree, files: &[&'a str]) -> io::Result<Option<&'a str>> {
    for file in files {
        if tree.is_file(file)? {
            return Ok(Some(file));
        }
    }
    Ok(None)
}

/// The medium's own fstab is for genkernel's other way, with a tmpfs as the root.
fn duties(_: &Asked, root: &dyn Tree) -> io::Result<Vec<Edit>> {
    let fstab = Edit::write("etc/fstab", "overlay / overlay defaults 0 0\n");
    Ok(if root.is_directory("etc")? { vec![fstab] } else { Vec::new() })
}

fn sources(words: &Words) -> Vec<Named> {
    let file = |name: &str| words.get(name).map(|path| Named::file(format!("{name}={path}"), StoreSpec::Any, path));
    let medium = words.is_set("cdroot").then(|| {
        let device = words.get("cdroot").unwrap_or_default();
        Named::medium(format!("cdroot={device}"), StoreSpec::parse(device).unwrap_or(StoreSpec::Any))
    });
    file("isoboot").into_iter().chain(file("isoloop")).chain(medium).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::families::testing::{ask, family_of, layers, plan};
    use crate::sys::record::Tree as Files;

    fn medium() -> Files {
        Files::new().file("image.squashfs", "").file("livecd", "").file("boot/gentoo", "").file("boot/gentoo.igz", "")
    }

    const LINE: &str = "looptype=squashfs loop=/image.squashfs cdroot dokeymap";

    #[test]
    fn the_image_lies_above_the_modules_and_is_shown() {
        let tree = medium().file("modules/a:b,c.lzm", "").file("modules/z.lzm", "").file("modules/readme", "");
        let (family, layout) = family_of(&tree, &Files::new(), LINE).unwrap();
        assert_eq!((family.name, layout.upper), ("gentoo", (".upper", ".work")));
        let all = [
            ("modules/z.lzm", "/run/isolde/layers/module2"),
            ("modules/a:b,c.lzm", "/run/isolde/layers/module1"),
            ("image.squashfs", "/run/isolde/layers/livecd"),
        ];
        assert_eq!(layers(&layout), all);
        let shown = [
            (layout.medium.to_owned(), "/mnt/cdrom"),
            (layout.layers[2].at.clone(), "/mnt/livecd"),
            (layout.upper_mount.to_owned(), "/mnt/overlay"),
        ];
        assert_eq!(layout.shown, shown);
    }

    #[test]
    fn the_image_is_named_or_marked() {
        let file = |tree: &Files, line: &str| {
            family_of(tree, &Files::new(), line).map(|(family, layout)| format!("{family:?} {}", layout.layers[0].file))
        };
        let bare = Files::new().file("image.squashfs", "").file("other/x.squashfs", "");
        assert_eq!(file(&medium(), "").as_deref(), Some("gentoo image.squashfs"));
        assert_eq!(file(&medium().file("livecd.loop", ""), "").as_deref(), Some("gentoo image.squashfs"));
        assert_eq!(file(&bare, ""), None);
        assert_eq!(
            file(&bare.clone().file("mark", ""), "cdroot_marker=/mark").as_deref(),
            Some("gentoo image.squashfs")
        );
        assert_eq!(file(&bare, "loop=/other/x.squashfs").as_deref(), Some("gentoo other/x.squashfs"));
        assert_eq!(file(&medium(), "loop=/missing"), None);
        assert_eq!(file(&medium(), "loop=/image.squashfs looptype=gcloop"), None);
    }

    #[test]
    fn an_image_with_dracut_is_dracuts() {
        let line = "root=live:CDLABEL=Gentoo rd.live.dir=/ rd.live.squashimg=image.squashfs cdroot";
        assert_eq!(family_of(&medium(), &Files::new(), line).unwrap().0.name, "dracut");
        assert_eq!(plan(line), "boot the medium itself from LABEL=Gentoo");
    }

    #[test]
    fn a_crowd_of_modules_is_refused() {
        let many = (0..1000).fold(medium(), |tree, n| tree.file(&format!("modules/{n}.lzm"), ""));
        assert!(ask(&many, &Files::new(), LINE, recognise).is_err());
    }

    #[test]
    fn the_root_gets_the_fstab_of_an_overlay() {
        let duties = |root: &Files| ask(root, &Files::new(), LINE, |asked| duties(asked, asked.medium)).unwrap();
        assert_eq!(
            duties(&Files::new().directory("etc")),
            [Edit::write("etc/fstab", "overlay / overlay defaults 0 0\n")]
        );
        assert!(duties(&Files::new()).is_empty());
    }

    #[test]
    fn real_command_lines_name_file_and_medium() {
        for (line, boot) in [
            (
                "isoboot=/iso/install-amd64-minimal.iso looptype=squashfs loop=/image.squashfs cdroot dokeymap",
                "boot /iso/install-amd64-minimal.iso from any device",
            ),
            (
                "root=/dev/ram0 init=/linuxrc dokeymap looptype=squashfs loop=/image.squashfs cdroot",
                "boot the medium itself from any device",
            ),
            ("cdroot=/dev/sr0 loop=/image.squashfs", "boot the medium itself from /dev/sr0"),
            ("isoloop=/systemrescuecd-x86-5.3.2.iso setkmap=us", "boot /systemrescuecd-x86-5.3.2.iso from any device"),
        ] {
            assert_eq!(plan(line), boot, "{line}");
        }
    }
}
