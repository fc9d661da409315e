use super::super::fake::{layers, medium, named};
use super::super::testing::ask;
use super::*;
use crate::sys::record::Tree;

const DEBIAN: &str = "live/filesystem.squashfs";

fn files_of(tree: Tree, line: &str) -> Vec<String> {
    layers(tree, line).map(|(_, files)| files).unwrap_or_default()
}

#[test]
fn images_of_every_kind_are_in_the_order_of_their_names() {
    let tree = medium(&["live/b.squashfs", "live/a.ext4", "live/c.xfs", "live/filesystem.size", "live/vmlinuz"]);
    assert_eq!(files_of(tree, "boot=live"), ["live/a.ext4", "live/b.squashfs", "live/c.xfs"]);
    assert_eq!(layers(medium(&["live/vmlinuz"]), "boot=live"), None);
}

#[test]
fn a_list_says_which_and_in_which_order() {
    let tree = medium(&["live/a.squashfs", "live/b.squashfs", "live/c.squashfs"]);
    let tree = tree.file("live/filesystem.module", "b.squashfs missing.squashfs\n a.squashfs\n");
    let tree = tree.file("live/other.module", "c.squashfs").file("live/filesystem.third.module", "a.squashfs");
    assert_eq!(files_of(tree.clone(), ""), ["live/b.squashfs", "live/a.squashfs"]);
    assert_eq!(files_of(tree.clone(), "module=other"), ["live/c.squashfs"]);
    assert_eq!(files_of(tree, "module=third"), ["live/a.squashfs"]);
}

#[test]
fn a_list_cannot_be_endless() {
    let list = "a.squashfs ".repeat(2000);
    let tree = medium(&["live/a.squashfs"]).file("live/filesystem.module", list.as_str());
    assert_eq!(files_of(tree, "").len(), MOST_LAYERS);
}

#[test]
fn the_live_user_is_live_configs() {
    let named = |root: &Tree, line: &str| {
        let root = crate::families::account::fake::Fake::new(root.clone());
        ask(&medium(&[DEBIAN]), &Tree::new(), line, |asked| user(asked, &root).unwrap()).map(|user| user.name)
    };
    let debian = Tree::new().directory("lib/live/config");
    let kali = debian.clone().file("etc/live/config.conf", "LIVE_USERNAME=\"kali\"\n");
    let later = kali
        .clone()
        .file("etc/live/config.conf.d/x.conf", "LIVE_USERNAME=later")
        .file("etc/live/config.conf.d/y", "LIVE_USERNAME=no");
    for (root, line, wanted) in [
        (&debian, "", Some("user")),
        (&kali, "", Some("kali")),
        (&later, "", Some("later")),
        (&kali, "username=anna", Some("anna")),
        (&kali, "live-config.username=bob username=anna", Some("bob")),
        (&debian, "username=../x", Some("user")),
        (&Tree::new(), "username=anna", None),
    ] {
        assert_eq!(named(root, line).as_deref(), wanted, "{line}");
    }
}

#[test]
fn grml_is_one_folder_deeper() {
    let one = ["live/grml64-full/grml64-full.squashfs"];
    assert_eq!(files_of(medium(&one), "boot=live"), one);
    assert_eq!(files_of(medium(&one), "live-media-path=/live/grml64-full/"), one);
    let two = ["live/grml32/grml32.squashfs", "live/grml64/grml64.squashfs"];
    assert_eq!(files_of(medium(&two), "live-media-path=/live/grml64"), [two[1]]);
    assert_eq!(layers(medium(&two), "boot=live"), None, "two of them, and no word says which");
    assert_eq!(files_of(medium(&[DEBIAN, two[0]]), ""), [DEBIAN], "the folder itself comes first");
}

#[test]
fn initrd_and_medium_are_compared_by_the_id_that_both_carry() {
    let asked = |tree: Tree, initrd: Tree, line: &str| ask(&tree, &initrd, line, |asked| pair(asked).unwrap());
    let (debian, grml) = (Tree::new().file("conf/uuid.conf", "one\n"), Tree::new().file("conf/bootid.txt", "two\n"));
    let tree = || medium(&[DEBIAN]).file(".disk/live-uuid-generic", "one\n").file(".disk/info", "Debian");
    let found = |initrd: &str, medium: &[&str]| {
        Some(Pair { initrd: initrd.into(), medium: medium.iter().map(|id| (*id).to_owned()).collect() })
    };
    assert_eq!(asked(tree(), debian.clone(), ""), found("one", &["one"]));
    assert_eq!(asked(medium(&[DEBIAN]), debian.clone(), ""), found("one", &[]));
    assert_eq!(asked(tree(), debian, "ignore_uuid"), None);
    assert_eq!(asked(tree(), Tree::new(), ""), None);
    assert_eq!(asked(grml.clone(), grml.clone(), ""), found("two", &["two"]));
    assert_eq!(asked(grml.clone(), Tree::new(), "bootid=three"), found("three", &["two"]));
    assert_eq!(asked(grml.clone(), grml, "bootid=three ignore_bootid"), None);
}

#[test]
fn fstab_is_completed_and_the_medium_is_shown_at_its_old_place() {
    let edits = |root: Tree, line: &str| {
        ask(&root, &Tree::new(), line, |asked| duties(asked, asked.medium).unwrap()) // the medium stands for the root
    };
    let fstab = |text: &str| vec![Edit::write("etc/fstab", text)];
    let both = "overlay / overlay rw 0 0\ntmpfs /tmp tmpfs nosuid,nodev 0 0\n";
    assert_eq!(edits(Tree::new(), ""), fstab(both));
    let mine = "# / is mine\n/dev/sda1 /tmp ext4 defaults 0 0";
    assert_eq!(edits(Tree::new().file("etc/fstab", mine), ""), fstab(&format!("{mine}\noverlay / overlay rw 0 0\n")));
    let link = Edit::link("lib/live/mount", "/run/live");
    assert_eq!(edits(Tree::new().directory("lib/live"), "nofstab"), [link]);
    assert_eq!(edits(Tree::new().directory("lib/live/mount"), "skipconfig"), []);
}

#[test]
fn its_own_init_is_told_the_device_and_no_file() {
    let edits = hints(&Attached { device: "/dev/loop0".into(), file: Some("/x.iso".into()) });
    let text = "LIVE_MEDIA=/dev/loop0\nFINDISO=\nFROMISO=\n";
    assert_eq!(edits, [Edit::MakeDir { path: "conf".into() }, Edit::write("conf/param.conf", text)]);
}

#[test]
fn words_name_files_and_media() {
    let disk = |name: &str| StoreSpec::Device(name.into());
    for (line, store, path) in [
        ("findiso=/x.iso", StoreSpec::Any, Some("/x.iso")),
        ("fromiso=ext4:/dev/sda1/a/x.iso", disk("sda1"), Some("/a/x.iso")),
        ("isofrom=/x.iso", StoreSpec::Any, Some("/x.iso")),
        ("live-media=/dev/sdb", disk("sdb"), None),
        ("bootfrom=/dev/disk/by-label/LIVE", StoreSpec::Label("LIVE".into()), None),
        ("boot=live", StoreSpec::Any, None),
    ] {
        let [one] = &named(&FAMILY, line)[..] else { panic!("{line}") };
        assert_eq!((&one.store, one.path()), (&store, path), "{line}");
    }
    for line in ["live-media=removable", "bootfrom=/mnt-iso/x.iso", "isofrom=/dev/sda1:/x.iso", "boot=local"] {
        assert!(named(&FAMILY, line).is_empty(), "{line}");
    }
}
