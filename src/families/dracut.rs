//! dracut's dmsquash-live: Fedora, CentOS, Alma, Rocky, and whoever uses its layout.
//!
//! One image, `LiveOS/squashfs.img`, squashfs or erofs; older ones hold `LiveOS/rootfs.img` in it. The userland finds
//! the medium at /run/initramfs/live, and the installer takes the device of the mount at /run/rootfsbase
//! (dracut.cmdline(7); modules.d/90dmsquash-live/dmsquash-live-root.sh).

use super::tree::Tree;
use super::{Asked, Family, Layer, Layout, LiveUser, NO_HABITS, Target, Way};
use crate::source::{Named, StoreSpec};
use crate::words::Does::{Choice, Discard, NotYet, OverlayMib, Persist, Source, ToRam, Userland};
use crate::words::{Word, Words, word};
use std::io;

/// See the module's own text.
pub const FAMILY: Family = Family {
    name: "dracut",
    systems: "Fedora, CentOS Stream, Alma, Rocky, Nobara, Solus, OpenMandriva, Calculate",
    way: Way::Userland,
    words: WORDS,
    sources,
    recognise,
    user,
    ..NO_HABITS
};

const WORDS: &[Word] = &[
    word("iso-scan/filename", "PATH", Source),
    word("root", "live:SPEC|SPEC", Source),
    word("rd.live.image", "", Source),
    word("liveimg", "", Source),
    word("rd.live.dir", "DIRECTORY", Choice),
    word("live_dir", "DIRECTORY", Choice),
    word("rd.live.squashimg", "FILE", Choice),
    word("rd.live.ram", "", ToRam),
    word("live_ram", "", ToRam),
    word("rd.live.overlay", "DEVICE[:PATH]|none", Persist),
    word("rd.overlay", "DEVICE[:PATH]|tmpfs:OPTIONS", NotYet),
    word("rd.overlay.crypt", "DEVICE", NotYet),
    word("rd.live.overlay.size", "MIB", OverlayMib),
    word("rd.live.overlay.readonly", "", Discard),
    word("rd.live.overlay.reset", "", NotYet),
    word("rd.live.overlay.cowfs", "btrfs|ext4|xfs", NotYet),
    word("rd.writable.fsimg", "", NotYet),
    word("rd.live.check", "", NotYet),
    // Its layers are stacked by overlayfs in any case: these ask for what is done.
    word("rd.live.overlay.overlayfs", "", Userland),
    word("rd.overlayfs", "", Userland),
    word("rd.live.overlay.thin", "", Userland),
    word("rd.live.overlay.nouserconfirmprompt", "", Userland),
    word("rd.minmem", "MIB", Userland),
];

/// File names that dracut looks for inside the container; the second is what Void and old Fedora images have.
const NESTED: [&str; 2] = ["LiveOS/rootfs.img", "LiveOS/ext3fs.img"];

fn recognise(asked: &Asked) -> io::Result<Option<Layout>> {
    let (tree, words) = (asked.medium, asked.words);
    let folder = words.path("rd.live.dir", words.path("live_dir", "LiveOS"));
    let path = |name: &str| if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
    let named = words.get("rd.live.squashimg");
    let squashed = path(named.unwrap_or("squashfs.img"));
    let plain = path("rootfs.img");
    // Calculate names its image and no folder, and has it at the top.
    let top = named.unwrap_or(&squashed).to_owned();
    let file = if tree.is_file(&squashed)? {
        squashed
    } else if tree.is_file(&plain)? {
        plain
    } else if tree.is_file(&top)? {
        top
    } else {
        return Ok(None);
    };
    let layer = Layer {
        nested: NESTED.map(str::to_owned).into(),
        container: "/run/initramfs/squashfs".into(),
        ..Layer::plain(file, "/run/rootfsbase")
    };
    Ok(Some(Layout {
        upper_mount: "/run/initramfs/overlay",
        upper: ("overlayfs", "ovlwork"),
        source: "LiveOS_rootfs",
        links: vec![("/run/initramfs/livedev", Target::MediumDevice)],
        ..Layout::new("/run/initramfs/live", vec![layer])
    }))
}

/// Fedora's livesys-scripts make it at each start of the system, before which it was a script of spin-kickstarts.
fn user(_: &Asked, root: &dyn Tree) -> io::Result<Option<LiveUser>> {
    for script in ["usr/libexec/livesys/livesys-main", "etc/rc.d/init.d/livesys"] {
        if root.is_file(script)? {
            return Ok(Some(LiveUser::named("liveuser")));
        }
    }
    Ok(None)
}

fn sources(words: &Words) -> Vec<Named> {
    let file = words.get("iso-scan/filename").map(iso_scan);
    file.into_iter().chain(live_root(words)).collect()
}

/// The word that casper, dracut and kiwi share: the image file, on any device.
fn iso_scan(path: &str) -> Named {
    Named::file(format!("iso-scan/filename={path}"), StoreSpec::Any, path)
}

/// dracut's `root=live:SPEC`, or a plain `root=SPEC` together with `rd.live.image`, which was `liveimg` up to dracut 059
/// (dracut.cmdline(7)). An address of the network is no device here.
fn live_root(words: &Words) -> Option<Named> {
    let root = words.get("root")?;
    let live = match root.strip_prefix("live:") {
        Some(live) => live,
        None if words.is_set("rd.live.image") || words.is_set("liveimg") => root,
        None => return None,
    };
    let live = live.strip_prefix("CD").filter(|rest| rest.starts_with("LABEL=")).unwrap_or(live);
    let store = StoreSpec::parse(live)?;
    Some(Named::medium(format!("root={root}"), store))
}

#[cfg(test)]
mod tests {
    use super::super::fake::{layers, medium, named};
    use super::*;
    use crate::sys::record::Tree;

    #[test]
    fn the_image_is_where_the_words_say() {
        let files = |tree: &[&str], line| layers(medium(tree), line).map(|(_, files)| files.concat());
        assert_eq!(files(&["LiveOS/squashfs.img", "LiveOS/rootfs.img"], ""), Some("LiveOS/squashfs.img".into()));
        assert_eq!(files(&["LiveOS/rootfs.img"], ""), Some("LiveOS/rootfs.img".into()));
        assert_eq!(files(&["os/x.img"], "live_dir=/os rd.live.squashimg=x.img"), Some("os/x.img".into()));
        assert_eq!(files(&["x.squashfs"], "rd.live.dir=/ rd.live.squashimg=x.squashfs"), Some("x.squashfs".into()));
        assert_eq!(files(&["x.squashfs"], "rd.live.squashimg=x.squashfs"), Some("x.squashfs".into()));
        assert_eq!(files(&["LiveOS/other.img"], ""), None);
    }

    #[test]
    fn the_live_user_is_there_where_livesys_is() {
        let user = |root: Tree| {
            let root = crate::families::account::fake::Fake::new(root);
            crate::families::testing::ask(&Tree::new(), &Tree::new(), "", |asked| user(asked, &root).unwrap())
        };
        for script in ["usr/libexec/livesys/livesys-main", "etc/rc.d/init.d/livesys"] {
            assert_eq!(user(Tree::new().program(script)), Some(LiveUser::named("liveuser")));
        }
        assert_eq!(user(Tree::new()), None);
    }

    #[test]
    fn the_medium_is_named_by_root() {
        for (line, store) in [
            ("root=live:CDLABEL=F", StoreSpec::Label("F".into())),
            ("root=live:CDLABEL=A\\x20B", StoreSpec::Label("A B".into())),
            ("root=CDLABEL=F liveimg", StoreSpec::Label("F".into())),
            ("root=live:UUID=2026-11-21-00-00-00-00 rd.live.image", StoreSpec::Uuid("2026-11-21-00-00-00-00".into())),
            ("root=live:/dev/sdb1", StoreSpec::Device("sdb1".into())),
        ] {
            let [one] = &named(&FAMILY, line)[..] else { panic!("{line}") };
            assert_eq!((&one.store, one.path()), (&store, None), "{line}");
        }
        for line in ["root=live:http://host/x.iso", "root=UUID=1-2", "root=live:nfs:host:/x", "root=live:/x.iso"] {
            assert!(named(&FAMILY, line).is_empty(), "{line}");
        }
    }
}
