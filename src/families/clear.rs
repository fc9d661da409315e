//! Clear Linux: one squashfs under the name of a disk image.
//!
//! Its initrd finds the medium by its label alone, so that no word of its own says where the file is. Nothing is written
//! to the root (clr-installer: iso_templates/initrd_init_template). The installer asks for the loop device of
//! /mnt/media/images/rootfs.img (clr-installer: isoutils).

use super::{Asked, Family, Layer, Layout, NO_HABITS, Way};
use std::io;

/// See the module's own text.
pub const FAMILY: Family = Family { name: "clear", systems: "Clear Linux", way: Way::Mounts, recognise, ..NO_HABITS };

const IMAGE: &str = "images/rootfs.img";
const MEDIUM: &str = "/run/isolde/medium";
const ROOT: &str = "/run/isolde/layers/rootfs";

fn recognise(asked: &Asked) -> io::Result<Option<Layout>> {
    if !asked.medium.is_file(IMAGE)? || !asked.medium.is_file("EFI/BOOT/initrd.gz")? {
        return Ok(None);
    }
    Ok(Some(Layout {
        upper: ("w_root", "workdir"),
        source: "none",
        shown: vec![(MEDIUM.to_owned(), "/mnt/media"), (ROOT.to_owned(), "/mnt/rootfs")],
        ..Layout::new(MEDIUM, vec![Layer::plain(IMAGE, ROOT)])
    }))
}

#[cfg(test)]
mod tests {
    use crate::families::testing::{family_of, layers};
    use crate::sys::record::Tree;

    #[test]
    fn the_installer_finds_medium_and_image() {
        let medium =
            Tree::new().file("images/rootfs.img", "").file("EFI/BOOT/initrd.gz", "").file("kernel/kernel.xz", "");
        let (family, layout) = family_of(&medium, &Tree::new(), "").unwrap();
        assert_eq!(family.name, "clear");
        assert_eq!(layers(&layout), [("images/rootfs.img", "/run/isolde/layers/rootfs")]);
        let shown = [(layout.medium.to_owned(), "/mnt/media"), (layout.layers[0].at.clone(), "/mnt/rootfs")];
        assert_eq!(layout.shown, shown);
    }

    #[test]
    fn another_rootfs_img_is_not_taken_for_it() {
        assert!(family_of(&Tree::new().file("images/rootfs.img", ""), &Tree::new(), "").is_none());
    }
}
