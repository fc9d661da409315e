//! Porteus and PorteuX: delegated.
//!
//! Their init unites the modules with aufs of their own kernel and leaves with pivot_root (Sitwon/Porteus,
//! `initrd/linuxrc`). It passes over loop devices; the ISO is named by `from=`, in old ones by `from_iso=`.

use super::folders::matching;
use super::llk;
use super::{Asked, Family, Layer, Layout, NO_HABITS, Way, mount_name};
use crate::source::{Named, StoreSpec};
use crate::words::Does::{Choice, Source, Userland};
use crate::words::{Word, Words, word};
use std::io;

/// See the module's own text.
pub const FAMILY: Family = Family {
    name: "porteus",
    systems: "Porteus, PorteuX",
    way: Way::Delegate,
    words: WORDS,
    sources,
    recognise,
    ..NO_HABITS
};

const WORDS: &[Word] = &[
    word("from", "PATH.iso|/dev/NODE/PATH.iso|/mnt/NODE/PATH.iso|UUID:ID/PATH.iso|LABEL:NAME/PATH.iso", Source),
    word("from_iso", "the forms of from=", Source),
    word("from_dev", "/dev/NODE", Source),
    word("from_dir", "DIRECTORY", Choice),
    word("load", "NAME[;NAME]", Userland),
    word("noload", "NAME[;NAME]", Userland),
    word("changes", "PATH", Userland),
    word("rootcopy", "PATH", Userland),
    word("extramod", "PATH", Userland),
    word("copy2ram", "", Userland),
    word("ramsize", "PERCENT%", Userland),
];

fn recognise(asked: &Asked) -> io::Result<Option<Layout>> {
    let above = asked.words.path("from_dir", "");
    for name in ["porteus", "porteux"] {
        let folder = if above.is_empty() { name.to_owned() } else { format!("{above}/{name}") };
        let base = matching(asked.medium, &format!("{folder}/base"), "", ".xzm")?;
        if base.is_empty() {
            continue;
        }
        // `optional` is left out: its modules are chosen by load=.
        let modules = matching(asked.medium, &format!("{folder}/modules"), "", ".xzm")?;
        let layer = |file: String| {
            let at = format!("/mnt/live/memory/images/{}", mount_name(&file));
            Layer::plain(file, at)
        };
        let layers = base.into_iter().chain(modules).map(layer).collect();
        return Ok(Some(Layout::new("/mnt/isoloop", layers)));
    }
    Ok(None)
}

fn sources(words: &Words) -> Vec<Named> {
    let old = || {
        let text = words.get("from_iso")?;
        let (store, path) = llk::place(text)?;
        Some(Named::file(format!("from_iso={text}"), store, &path))
    };
    let device = || {
        let text = words.get("from_dev")?;
        Some(Named::medium(format!("from_dev={text}"), StoreSpec::parse(text)?))
    };
    llk::from(words).or_else(old).or_else(device).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::super::fake::{layers, medium, named};
    use super::*;

    #[test]
    fn modules_are_above_the_base() {
        let tree = [
            "porteus/base/000-kernel.xzm",
            "porteus/base/001-core.xzm",
            "porteus/modules/000-mine.xzm",
            "porteus/optional/x.xzm",
        ];
        let wanted = tree[..3].iter().map(|file| (*file).to_owned()).collect();
        assert_eq!(layers(medium(&tree), ""), Some(("porteus", wanted)));
        assert_eq!(layers(medium(&["a/porteus/base/0.xzm"]), "from_dir=/a").map(|(name, _)| name), Some("porteus"));
        assert_eq!(layers(medium(&["porteus/modules/0.xzm"]), ""), None);
    }

    #[test]
    fn old_and_new_words_name_the_same() {
        for line in ["from=/x.iso", "from_iso=/x.iso", "from_iso=x.iso from_dir=/a"] {
            assert_eq!(named(&FAMILY, line)[0].path(), Some("/x.iso"), "{line}");
        }
        assert_eq!(named(&FAMILY, "from_dev=/dev/sdb1")[0].store, StoreSpec::Device("sdb1".into()));
        assert!(named(&FAMILY, "from_dev=sdb1 from_iso=").is_empty());
    }
}
