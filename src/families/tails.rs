//! Tails: live-boot's layout, delegated.
//!
//! Its initrd carries scripts of its own, one of which gives the stick a new partition table at the first start, and
//! its security rests on that initrd. So it boots itself; live-boot in it is told where the medium is.

use super::live_boot::{self, layout};
use super::{Asked, Family, Layout, NO_HABITS, Way};
use std::io;

/// See the module's own text.
pub const FAMILY: Family =
    Family { name: "tails", systems: "Tails", way: Way::Delegate, recognise, hints: live_boot::hints, ..NO_HABITS };

/// The script that partitions the stick.
const SCRIPT: &str = "scripts/init-premount/partitioning";

fn recognise(asked: &Asked) -> io::Result<Option<Layout>> {
    if !asked.medium.is_file("live/Tails.module")? && !asked.initrd.is_file(SCRIPT)? {
        return Ok(None);
    }
    layout(asked.medium, "live", Some(asked.words.get("module").unwrap_or("Tails")))
}

#[cfg(test)]
mod tests {
    use super::super::fake::{files, layers, medium};
    use super::super::testing::ask;
    use super::*;
    use crate::sys::record::Tree;

    #[test]
    fn it_is_known_by_its_list_or_by_its_initrd() {
        let tree = medium(&["live/filesystem.squashfs", "live/7.1.squashfs"]);
        let listed = tree.clone().file("live/Tails.module", "filesystem.squashfs\n7.1.squashfs\n");
        let both = vec!["live/filesystem.squashfs".to_owned(), "live/7.1.squashfs".to_owned()];
        assert_eq!(layers(listed, "boot=live module=Tails"), Some(("tails", both)));
        let initrd = Tree::new().file(SCRIPT, "");
        let layout = ask(&tree, &initrd, "", |asked| recognise(asked).unwrap().unwrap());
        assert_eq!(files(&layout).len(), 2);
        assert_eq!(layers(tree, "").map(|(family, _)| family), Some("live-boot"));
    }
}
