//! NixOS: the image is not a root but the store of all programs.
//!
//! The root is an empty tmpfs with an overlay on /nix/store; the second stage, `init=/nix/store/…/init`, makes the rest
//! from there. Only the medium's own boot entry knows that path (nixpkgs: nixos/modules/installer/cd-dvd/iso-image.nix,
//! nixos/modules/system/boot/stage-1-init.sh).

use super::{Asked, Family, Layer, Layout, NO_HABITS, Target, Way};
use crate::source::{Named, StoreSpec};
use crate::words::{Does, Word, Words, word};
use std::io;

/// See the module's own text.
pub const FAMILY: Family =
    Family { name: "nixos", systems: "NixOS", way: Way::Mounts, words: WORDS, sources, recognise, ..NO_HABITS };

const WORDS: &[Word] = &[
    word("findiso", "PATH", Does::Source),
    word("root", "LABEL=|UUID=", Does::Source),
    word("boot.shell_on_fail", "", Does::Source),
    word("copytoram", "", Does::ToRam),
];

const IMAGE: &str = "nix-store.squashfs";
const MEDIUM: &str = "/run/isolde/medium";
const STORE: &str = "/run/isolde/layers/nix-store";
const UPPER: &str = "/run/isolde/upper";

fn recognise(asked: &Asked) -> io::Result<Option<Layout>> {
    if !asked.medium.is_file(IMAGE)? {
        return Ok(None);
    }
    let shown = [(MEDIUM, "/iso"), (STORE, "/nix/.ro-store"), (UPPER, "/nix/.rw-store")];
    Ok(Some(Layout {
        upper_mount: UPPER,
        upper: ("store", "work"),
        stack: "/nix/store",
        shown: shown.map(|(what, at)| (what.to_owned(), at)).into(),
        // Its fstab has /dev/root for /iso.
        links: vec![("/dev/root", Target::MediumDevice)],
        ..Layout::new(MEDIUM, vec![Layer::plain(IMAGE, STORE)])
    }))
}

/// `root=` is the medium, but an installed system has it too: only with the label that its media have, or with the word
/// that their entries have, is it one. `findiso=` is read by live-boot's row.
fn sources(words: &Words) -> Vec<Named> {
    let root = words.get("root").unwrap_or_default();
    let medium = match StoreSpec::parse(root) {
        Some(StoreSpec::Label(label)) if label.starts_with("nixos-") => Some(StoreSpec::Label(label)),
        Some(id @ (StoreSpec::Label(_) | StoreSpec::Uuid(_))) if words.is_set("boot.shell_on_fail") => Some(id),
        _ => None,
    };
    medium.map(|store| Named::medium(format!("root={root}"), store)).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::families::testing::{family_of, layers, plan};
    use crate::sys::record::Tree;

    #[test]
    fn the_store_is_stacked_and_its_parts_are_shown() {
        let medium = Tree::new().file(IMAGE, "").file("version.txt", "").file("boot/bzImage", "");
        let (family, layout) = family_of(&medium, &Tree::new(), "").unwrap();
        assert_eq!((family.name, layout.stack, layout.upper), ("nixos", "/nix/store", ("store", "work")));
        assert_eq!(layers(&layout), [(IMAGE, "/run/isolde/layers/nix-store")]);
        let shown = [
            (layout.medium.to_owned(), "/iso"),
            (layout.layers[0].at.clone(), "/nix/.ro-store"),
            (layout.upper_mount.to_owned(), "/nix/.rw-store"),
        ];
        assert_eq!(layout.shown, shown);
    }

    #[test]
    fn real_command_lines_name_file_and_medium() {
        let init = "init=/nix/store/6b2g-nixos-system-nixos-24.05/init";
        for (line, boot) in [
            ("findiso=/iso/nixos.iso root=LABEL=nixos-minimal-24.05-x86_64", "boot /iso/nixos.iso from any device"),
            (
                "root=LABEL=nixos-minimal-24.05-x86_64 boot.shell_on_fail nohibernate loglevel=4",
                "boot the medium itself from LABEL=nixos-minimal-24.05-x86_64",
            ),
            (
                "root=UUID=1970-01-01-00-00-01-00 boot.shell_on_fail",
                "boot the medium itself from UUID=1970-01-01-00-00-01-00",
            ),
        ] {
            assert_eq!(plan(&format!("{init} {line}")), boot, "{line}");
        }
        for line in
            ["root=LABEL=nixos ro", "root=/dev/sda2 boot.shell_on_fail", "root=UUID=1-2 boot.shell_on_fail=0", ""]
        {
            assert!(plan(&format!("{init} {line}")).contains("no parameter names an image"), "{line}");
        }
    }
}
