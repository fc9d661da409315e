//! Alpine: delegated.
//!
//! There is no image of a root: its init fills a tmpfs with the packages below `/apks` (alpinelinux/mkinitfs,
//! `initramfs-init`). It mounts every block device that is not mounted yet, loop devices too, and takes the one with
//! `.boot_repository` (`nlplug-findfs`), so a loop device is all it needs.

use super::{Asked, Family, Layout, NO_HABITS, Way};
use crate::source::{Named, StoreSpec};
use crate::words::Does::{Source, Userland};
use crate::words::{Word, Words, word};
use std::io;

/// See the module's own text.
pub const FAMILY: Family =
    Family { name: "alpine", systems: "Alpine", way: Way::Delegate, words: WORDS, sources, recognise, ..NO_HABITS };

const WORDS: &[Word] = &[
    word("alpine_dev", "UUID=ID|LABEL=NAME|NODE[:TYPE]", Source),
    word("alpine_repo", "URL|PATH", Userland),
    word("apkovl", "URL|[DEVICE[:TYPE]:]PATH", Userland),
    word("modloop", "PATH", Userland),
    word("modules", "NAME[,NAME]", Userland),
    word("pkgs", "NAME[,NAME]", Userland),
    word("usbdelay", "SECONDS", Userland),
    word("overlaytmpfs", "", Userland),
];

fn recognise(asked: &Asked) -> io::Result<Option<Layout>> {
    let found = asked.medium.is_file("apks/.boot_repository")?;
    Ok(found.then(|| Layout::new("/media/loop0", Vec::new())))
}

/// Old versions only; `cdrom` and `usbdisk` are names of its own fstab, and no devices.
fn sources(words: &Words) -> Vec<Named> {
    let Some(text) = words.get("alpine_dev") else { return Vec::new() };
    StoreSpec::parse(text).map(|store| Named::medium(format!("alpine_dev={text}"), store)).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::super::fake::{layers, medium, named};
    use super::*;

    #[test]
    fn it_has_packages_and_no_layer() {
        assert_eq!(layers(medium(&["apks/.boot_repository"]), "modules=loop"), Some(("alpine", Vec::new())));
        assert_eq!(layers(medium(&["apks/x86_64/a.apk"]), ""), None);
    }

    #[test]
    fn the_device_is_taken_where_it_is_one() {
        assert_eq!(named(&FAMILY, "alpine_dev=UUID=1-2")[0].store, StoreSpec::Uuid("1-2".into()));
        assert!(named(&FAMILY, "alpine_dev=cdrom:iso9660").is_empty());
    }
}
