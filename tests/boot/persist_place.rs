//! Where sessions are saved when it is not a folder of the store: a device of its own, and an image file that is made,
//! grown or put together.

use super::containers::{LUKS, luks};
use super::harness::{Outcome, boot, boot_and_leave, boot_with};
use super::worlds::*;
use isolde::sys::Space;
use isolde::sys::record::{Content, Medium, Tree, World};
use rustix::io::Errno;
use serde_json::Value;

const IMAGE: &str = "boot/isolde/persist.img";
const KEEP: &str = "7b1f1d5e-0000-4000-8000-00000000cafe";

fn world(words: &str, stick: &Medium) -> World {
    let line = format!("boot=live components findiso=/iso/debian.iso isolde.onfail=poweroff {words}");
    with(machine(&line), [partition("sdb1", stick)])
}

/// The same with another stick, for what is saved.
fn beside(words: &str, stick: Medium) -> World {
    let words = format!("isolde.persist=work isolde.persist-on=LABEL=KEEP isolde.wait=5 {words}");
    with(world(&words, &ext4(store())), [partition("sdc1", &stick)])
}

fn keep(fstype: &'static str, tree: Tree) -> Medium {
    Medium::new(fstype, tree).labelled("KEEP").identified(KEEP)
}

fn report(outcome: &Outcome) -> Value {
    serde_json::from_str(outcome.end.report.as_deref().unwrap_or_else(|| panic!("{}", outcome.end.journal))).unwrap()
}

fn changes(outcome: &Outcome, part: &str) -> Vec<String> {
    outcome.end.journal.changes().filter(|line| line.contains(part)).map(str::to_owned).collect()
}

fn error(outcome: Outcome) -> String {
    let error = outcome.error.unwrap_or_else(|| panic!("it boots: {}", outcome.end.journal));
    error.0.to_string()
}

/// A root that can make an ext4.
fn store_with_mke2fs() -> Tree {
    let system = root().program("usr/sbin/mke2fs");
    let tree = Tree::new().file("live/filesystem.squashfs", squashfs(system)).file(".disk/info", "Debian");
    Tree::new().file("iso/debian.iso", Content::image(&Medium::new("iso9660", tree).labelled("DEBIAN LIVE")))
}

fn image(size: u64) -> Content {
    Content::image(&Medium::new("ext4", Tree::new().directory("lost+found"))).resized(size)
}

#[test]
fn a_device_of_its_own() {
    let outcome = boot(&beside("", keep("ext4", Tree::new())));
    let report = report(&outcome);
    assert_eq!((report["session"].as_u64(), &report["store"]["writable"]), (Some(1), &Value::Bool(false)));
    let bind = "mount --bind /run/initramfs/isolde/persist-on/boot/isolde/persist /run/initramfs/isolde/persist";
    assert_eq!(changes(&outcome, "mount --bind /run/initramfs"), [bind]);
    let end = boot_and_leave(&beside("", keep("ext4", Tree::new())), "poweroff", |_| {}).unwrap();
    assert!(!end.mounted.iter().any(|mounted| mounted.source.starts_with("/dev/")), "{:?}", end.mounted);
    let ram = boot(&beside("toram", keep("ext4", Tree::new())));
    assert!(self::report(&ram)["store"]["in_memory"].as_u64() > Some(0), "the store may go: {}", ram.end.journal);
}

#[test]
fn an_encrypted_device() {
    let tree = luks(Content::image(&keep("ext4", Tree::new())));
    let words = format!("isolde.persist=work isolde.persist-on=UUID={LUKS}");
    let mut world = with(world(&words, &ext4(store())), [disk("sdc1", tree)]);
    world.arrivals.push(typed("correct horse\r", 5));
    let outcome = boot(&world);
    assert_eq!(report(&outcome)["session"], 1, "{}", outcome.end.journal);
}

#[test]
fn a_device_that_is_only_read() {
    let mount = "mount -t ext4 -o ro,nosuid,nodev,noatime,noload /dev/sdc1 /run/initramfs/isolde/persist-on";
    let outcome = boot(&beside("isolde.session=discard", keep("ext4", Tree::new())));
    assert_eq!(changes(&outcome, "persist-on"), ["mkdir /run/initramfs/isolde/persist-on", mount]);
    assert_eq!(report(&outcome)["session"], Value::Null);
    let auto = beside("isolde.persist=auto", keep("ext4", Tree::new()));
    let outcome = boot(&auto);
    let warnings = report(&outcome)["warnings"].to_string();
    assert!(warnings.contains("LABEL=KEEP: /boot/isolde/persist is not there"), "{warnings}");
    assert_eq!(changes(&outcome, "umount"), ["umount /run/initramfs/isolde/persist-on"]);
}

#[test]
fn devices_that_are_refused() {
    for (world, says) in [
        (beside("", keep("vfat", Tree::new())), "LABEL=KEEP: wanted a file system like ext4, saw vfat"),
        (beside("", Medium::new("ext4", Tree::new()).labelled("OTHER")), "LABEL=KEEP: no such device after 5 s"),
        (beside("isolde.persist-on=LABEL=LIVE", keep("ext4", Tree::new())), "LABEL=LIVE: it is the store"),
    ] {
        let outcome = boot(&world);
        assert!(changes(&outcome, "persist-on").is_empty(), "{}", outcome.end.journal);
        let error = error(outcome);
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn an_image_is_made_where_somebody_says_how_large() {
    let words = "isolde.persist=work isolde.persist-size=100M";
    let outcome = boot(&world(words, &vfat(store_with_mke2fs())));
    assert_eq!(report(&outcome)["session"], 1, "{}", outcome.end.journal);
    let made = changes(&outcome, "persist.img");
    let run = changes(&outcome, "mke2fs");
    assert_eq!(
        run,
        ["chroot /run/live/rootfs/filesystem.squashfs /usr/sbin/mke2fs -q -F -t ext4 -L persist /dev/dm-0"]
    );
    let wanted = [
        "rm -rf /run/isolde/store/boot/isolde/persist.img.new",
        "fallocate -l 104857600 /run/isolde/store/boot/isolde/persist.img.new",
        "open /run/isolde/store/boot/isolde/persist.img.new",
        "dmsetup create isolde-persist --table \"0 204800 linear /run/isolde/store/boot/isolde/persist.img.new 0\"",
        "mv -n /run/isolde/store/boot/isolde/persist.img.new /run/isolde/store/boot/isolde/persist.img",
    ];
    assert_eq!(made.get(..5).unwrap_or_default(), wanted, "{}", outcome.end.journal);
    assert_eq!(changes(&outcome, "squashfs/dev").len(), 2, "bound and taken away: {}", outcome.end.journal);
    // The next boot finds it, and makes nothing.
    let next = boot(&world(words, &vfat(outcome.end.stick.unwrap())));
    assert_eq!(report(&next)["session"], 1, "the fake kernel keeps no image's content");
    assert!(changes(&next, "fallocate").is_empty(), "{}", next.end.journal);
}

#[test]
fn an_image_in_pieces() {
    let two = |second: u64| {
        vfat(store().file(IMAGE, image(4095 << 20)).file(&format!("{IMAGE}.1"), Content::default().resized(second)))
    };
    let outcome = boot(&world("isolde.persist=work", &two(64 << 20)));
    assert_eq!(report(&outcome)["session"], 1, "{}", outcome.end.journal);
    assert_eq!(changes(&outcome, "mount -t ext4 -o noatime").len(), 1, "{}", outcome.end.journal);
    assert_eq!(changes(&outcome, "dmsetup remove --deferred"), ["dmsetup remove --deferred isolde-persist"]);
    let end = boot_and_leave(&world("isolde.persist=work", &two(64 << 20)), "poweroff", |_| {}).unwrap();
    assert!(!end.mounted.iter().any(|mounted| mounted.source.starts_with("/dev/")), "{:?}", end.mounted);
    let cut = error(boot(&world("isolde.persist=work", &two(5000))));
    assert!(cut.contains("persist.img.1 has 5000 bytes, wanted a multiple of 4096"), "{cut}");
    let made = boot(&world("isolde.persist=work isolde.persist-size=5000M", &vfat(store_with_mke2fs())));
    let pieces = changes(&made, "fallocate");
    assert_eq!(pieces.len(), 2, "{pieces:?}");
    assert!(pieces[1].starts_with("fallocate -l 948961280 ") && pieces[1].ends_with(".new.1"), "{pieces:?}");
    let names = changes(&made, "mv -n");
    assert!(names[1].ends_with("/persist.img"), "the first piece makes it an image, so it is last: {names:?}");
}

#[test]
fn an_image_grows_and_never_shrinks() {
    let sized =
        |words: &str| world(&format!("isolde.persist=work {words}"), &vfat(store().file(IMAGE, image(64 << 20))));
    let outcome = boot(&sized("isolde.persist-size=100M"));
    assert_eq!(changes(&outcome, "fallocate").len(), 1);
    assert_eq!(changes(&outcome, "resize2fs"), ["resize2fs /run/initramfs/isolde/persist"]);
    assert_eq!(report(&outcome)["session"], 1);
    for words in ["", "isolde.persist-size=64M", "isolde.persist-size=32M"] {
        assert!(changes(&boot(&sized(words)), "fallocate").is_empty(), "{words}");
    }
    let discard = boot(&sized("isolde.persist-size=100M isolde.session=discard"));
    assert!(changes(&discard, "fallocate").is_empty() && changes(&discard, "resize2fs").is_empty());
    let full = World { space: Some(Space { free: 30 << 20, size: 1 << 30 }), ..sized("isolde.persist-size=100M") };
    let outcome = boot(&full);
    let warnings = report(&outcome)["warnings"].to_string();
    assert!(warnings.contains("wants 52 MiB more of the store, and 30 are free"), "{warnings}");
    assert_eq!(report(&outcome)["session"], 1, "as large as it was");
}

#[test]
fn an_image_that_cannot_be_made_leaves_nothing_behind() {
    let words = "isolde.persist=work isolde.persist-size=100M";
    let able = || world(words, &vfat(store_with_mke2fs()));
    let without = boot(&world(words, &vfat(store())));
    assert!(error(without).contains("has no mke2fs to make /boot/isolde/persist.img with"));
    let small = boot(&world("isolde.persist=work isolde.persist-size=1M", &vfat(store_with_mke2fs())));
    assert!(error(small).contains("wants at least 64 MiB"));
    let piece = store_with_mke2fs().file(&format!("{IMAGE}.1"), "somebody's").file("x", "y");
    let piece = boot(&world("isolde.persist=work isolde.persist-size=5000M", &vfat(piece)));
    assert!(error(piece).contains("persist.img.1 is there"));
    let full = World { space: Some(Space { free: 30 << 20, size: 1 << 30 }), ..able() };
    assert!(error(boot(&full)).contains("wants 116 MiB more of the store, and 30 are free"));
    for text in ["fallocate", "chroot /run/live/rootfs/filesystem.squashfs /usr/sbin/mke2fs", "dmsetup create", "mv -n"]
    {
        let outcome = boot_with(&able(), |record| record.fail_when(text, Errno::IO));
        let stick = outcome.end.stick.clone().unwrap();
        assert!(!stick.has(IMAGE) && !stick.has(&format!("{IMAGE}.new")), "{text}: {}", outcome.end.journal);
        assert!(outcome.error.is_some(), "{text}");
    }
    // The last piece has its name when the first one does not get it.
    let two = world("isolde.persist=work isolde.persist-size=5000M", &vfat(store_with_mke2fs()));
    let outcome = boot_with(&two, |record| record.fail_when("/persist.img.new /", Errno::IO));
    let named = changes(&outcome, "mv -n");
    assert!(outcome.error.is_some() && named[0].ends_with("/persist.img.1"), "{named:?}");
    let stick = outcome.end.stick.clone().unwrap();
    for name in ["", ".1", ".new", ".new.1"] {
        assert!(!stick.has(&format!("{IMAGE}{name}")), "{name}: {}", outcome.end.journal);
    }
}

/// An NTFS with Debian and a driver for it.
fn on_ntfs(words: &str, stick: &Medium) -> World {
    let mut world = world(words, &stick.clone().identified("0123456789ABCDEF"));
    world.built_in.push("ntfs3".into());
    world
}

#[test]
fn on_ntfs_an_image_is_made_and_used() {
    let words = "isolde.persist=work isolde.persist-size=100M";
    let outcome = boot(&on_ntfs(words, &Medium::new("ntfs3", store_with_mke2fs())));
    assert_eq!(report(&outcome)["session"], 1, "{}", outcome.end.journal);
    let mounts = changes(&outcome, "mount -t ntfs3");
    assert_eq!(
        mounts,
        [
            "mount -t ntfs3 -o ro,nosuid,nodev,iocharset=utf8 /dev/sdb1 /run/isolde/store",
            "mount -t ntfs3 -o nosuid,nodev,iocharset=utf8,umask=022 /dev/sdb1 /run/isolde/store"
        ]
    );
    assert_eq!(changes(&outcome, "fallocate").len(), 1, "in one piece: {}", outcome.end.journal);
    let end = boot_and_leave(&on_ntfs(words, &Medium::new("ntfs3", store_with_mke2fs())), "poweroff", |_| {}).unwrap();
    assert!(!end.mounted.iter().any(|mounted| mounted.source.starts_with("/dev/")), "{:?}", end.mounted);
    let without = boot(&on_ntfs("isolde.persist=work", &Medium::new("ntfs3", store())));
    assert_eq!(changes(&without, "mount -t ntfs3").len(), 1, "nobody asked for an image: {}", without.end.journal);
    assert!(error(without).contains("isolde.persist-size= makes one"));
}

#[test]
fn an_ntfs_that_windows_has_not_left_is_only_read() {
    let with_image = || store().file(IMAGE, image(64 << 20)).file("home.img", image(64 << 20));
    let sleeps = |text: &str| Medium::new("ntfs3", with_image().file("hiberfil.sys", text));
    for (stick, says) in [
        (Medium::new("ntfs3", with_image()).dirty(), "it is marked as not unmounted; have Windows check it: chkdsk /f"),
        (sleeps("HIBR, and its memory"), "Windows is hibernated on it (hiberfil.sys)"),
        (sleeps("hibr"), "shut Windows down fully: shutdown /s /t 0"),
        (sleeps(""), "its hiberfil.sys cannot be read"),
    ] {
        let stick = stick.labelled("STICK");
        let outcome = boot(&on_ntfs("isolde.persist=work isolde.persist-size=100M", &stick));
        let report = report(&outcome);
        assert_eq!((&report["session"], &report["store"]["writable"]), (&Value::Null, &Value::Bool(false)), "{report}");
        let warnings = report["warnings"].to_string();
        assert!(warnings.contains("this session is in memory: /dev/sdb1 ntfs"), "{warnings}");
        assert!(warnings.contains("STICK") && warnings.contains(says), "{warnings}");
        assert!(warnings.contains("what is written to /home is lost at power-off"), "{warnings}");
        assert_eq!(changes(&outcome, "mount -t ntfs3").len(), 1, "{}", outcome.end.journal);
        assert!(changes(&outcome, "fallocate").is_empty(), "{}", outcome.end.journal);
    }
    let awake = boot(&on_ntfs("isolde.persist=work", &sleeps("wake, and nothing else")));
    assert_eq!(report(&awake)["session"], 1, "{}", awake.end.journal);
}
