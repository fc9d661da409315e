//! Every scenario by its name, which is that of its golden plan.

use super::modules::{with_bridge, with_index, without_index};
use super::worlds::*;
use isolde::sys::End;
use isolde::sys::record::{Arrival, Arrives, Behaviour, Content, Medium, Tree, World};

const FINDISO: &str = "boot=live components findiso=/iso/debian.iso quiet";
const SCRIPT: &str = "/run/isolde/store/boot/customize/init";

fn findiso(store: Tree) -> World {
    with(machine(FINDISO), [partition("sdb1", &ext4(store))])
}

fn image(name: &str, words: &str, content: Content) -> World {
    with(machine(&format!("isolde.image=/{name} {words}")), [partition("sdb1", &ext4(Tree::new().file(name, content)))])
}

fn script(end: End) -> World {
    let mut world = findiso(store().program("boot/customize/init"));
    let prints = vec!["setting the time zone".to_owned()];
    world.programs.insert(SCRIPT.to_owned(), Behaviour { prints, end });
    world
}

fn checksum(line: impl Fn(&Content) -> String, words: &str) -> World {
    let iso = Content::image(&debian());
    let store = Tree::new().file("iso/B3SUMS", line(&iso).as_str()).file("iso/debian.iso", iso);
    with(machine(&format!("{FINDISO} {words}")), [partition("sdb1", &ext4(store))])
}

/// A boot in which every stage has something to do.
pub fn everything() -> World {
    let store = store()
        .file("boot/extensions/b43.ExtensionImage", extension())
        .program("boot/customize/init")
        .directory("home/user");
    findiso(store)
}

pub fn fedora_nested() -> World {
    let line = "root=live:CDLABEL=Fedora-Live rd.live.image iso-scan/filename=/fedora.iso quiet";
    with(machine(line), [partition("sdb1", &ext4(Tree::new().file("fedora.iso", Content::image(&fedora()))))])
}

pub fn home_image_on_vfat() -> World {
    let home = Content::image(&ext4(Tree::new().directory("user")).labelled("HOME"));
    let store = store().file("home.img", home);
    let line = format!("isolde.image=/iso/debian.iso isolde.store=UUID={SERIAL}");
    with(machine(&line), [partition("sdb1", &vfat(store))])
}

pub fn bare_squashfs() -> World {
    image("root.squashfs", "", squashfs(root()))
}

pub fn all() -> Vec<(&'static str, World)> {
    let twice = |line: &str, first: Tree, second: Tree| {
        let world = machine(line);
        with(world, [partition("sdb1", &ext4(first)), partition("sdc1", &ext4(second))])
    };
    let mut no_index = findiso(store());
    no_index.initramfs = without_index(Tree::new().program("init").program("bin/sh"), |_| true);
    let mut no_driver = findiso(store());
    no_driver.initramfs = with_index(Tree::new().program("init").program("bin/sh"), |name| name != "ext4");
    // The bridge has ext4 and what it needs, of which the stock initrd has a part.
    let mut bridge = findiso(store());
    bridge.initramfs =
        with_bridge(no_driver.initramfs.clone(), |name| matches!(name, "ext4" | "jbd2" | "mbcache" | "crc16"));
    let mut standalone = findiso(store());
    standalone.initramfs = with_bridge(Tree::new().program("init"), |_| true);
    let mut neither = findiso(store());
    neither.initramfs = with_bridge(no_driver.initramfs.clone(), |name| name == "jbd2");
    let mut no_overlay = findiso(store());
    no_overlay.initramfs = with_index(Tree::new().program("init").program("bin/sh"), |name| name != "overlay");
    let mut no_shell = image("nothing.iso", "", Content::from("text"));
    no_shell.initramfs = with_index(Tree::new().program("init"), |_| true);
    let mut not_executable = findiso(store().file("boot/customize/init", "#!/bin/sh\n"));
    not_executable.arguments = vec!["splash".into()];
    let extensions = store()
        .file("boot/extensions/b43.ExtensionImage", extension())
        .file("boot/extensions/damaged.ExtensionImage", extension().damaged())
        .file("boot/extensions/short.ExtensionImage", extension().resized(4096))
        .file("boot/extensions/x86_64/erofs.ExtensionImage", {
            Content::image(&Medium::new("erofs", Tree::new().file("opt/tool", "a file where b43 has a folder")))
        });
    let stick = partition("sdb1", &ext4(store()));
    let wrong = |_: &Content| b3sum(&Content::from("another"), "debian.iso");
    let mut all = vec![
        ("debian_findiso_on_ext4", findiso(store())),
        ("debian_by_uuid_on_vfat", {
            let line = format!("isolde.image=/iso/debian.iso isolde.store=UUID={SERIAL}");
            with(machine(&line), [partition("sdb1", &vfat(store()))])
        }),
        ("fedora_with_a_nested_root", fedora_nested()),
        ("bare_squashfs", bare_squashfs()),
        ("bare_ext4", image("root.img", "init=/usr/lib/systemd/systemd", Content::image(&ext4(root())))),
        ("medium_itself", with(machine("boot=live components"), [partition("sdb", &debian())])),
        ("fedora_medium_itself", {
            with(machine("root=live:CDLABEL=Fedora-Live rd.live.image"), [partition("sdb", &fedora())])
        }),
        ("late_stick", with(machine(FINDISO), [stick.clone().after(40)])),
        ("lost_events", with(machine(FINDISO), [stick.clone().after(7).lost()])),
        ("stick_pulled_out_and_back", {
            let gone = Arrival::now(Arrives::Gone("sdb1".into())).after(5);
            let empty = partition("sdb1", &ext4(Tree::new()));
            with(machine(FINDISO), [empty, gone, stick.clone().after(9)])
        }),
        ("other_disks_are_searched", twice(FINDISO, Tree::new().file("data", "mine"), store())),
        ("broken_disks_beside_the_stick", {
            let damaged = Content::image(&ext4(store())).damaged();
            let worn_out = Content::image(&ext4(store())).unreadable_from(0);
            with(machine(FINDISO), [disk("sda1", damaged), disk("sda2", worn_out), partition("sdb1", &ext4(store()))])
        }),
        ("store_by_partuuid", {
            let line = "isolde.image=/iso/debian.iso isolde.store=PARTUUID=1234ABCD-01";
            with(machine(line), [disk("sdb", mbr(0x1234_abcd)), stick.clone(), partition("sdc1", &ext4(store()))])
        }),
        ("debian_with_two_layers", {
            let upper = squashfs(Tree::new().file("etc/hostname", "more\n").file("usr/share/more", ""));
            let tree = Tree::new().file("live/10-base.squashfs", squashfs(root())).file("live/20-more.squashfs", upper);
            findiso(Tree::new().file("iso/debian.iso", Content::image(&Medium::new("iso9660", tree))))
        }),
        ("extension_without_a_checksum_under_require", {
            let iso = Content::image(&debian());
            let sum = b3sum(&iso, "debian.iso");
            let store = Tree::new().file("iso/debian.iso", iso).file("iso/B3SUMS", sum.as_str());
            let store = store.file("boot/extensions/b43.ExtensionImage", extension());
            with(machine(&format!("{FINDISO} isolde.verify=require")), [partition("sdb1", &ext4(store))])
        }),
        ("two_sticks_with_one_label", {
            twice("isolde.image=/iso/debian.iso isolde.store=LABEL=LIVE", store(), store())
        }),
        ("two_sticks_with_one_label_and_one_image", {
            twice("isolde.image=/iso/debian.iso isolde.store=LABEL=LIVE", Tree::new(), store())
        }),
        ("extensions", findiso(extensions)),
        ("everything", everything()),
        ("home_directory", findiso(store().directory("home/user"))),
        ("home_directory_on_vfat", with(machine(FINDISO), [partition("sdb1", &vfat(store().directory("home")))])),
        ("home_directory_on_an_internal_disk", {
            let mut arrival = partition("sda1", &ext4(store().directory("home/user")));
            if let Arrives::Device(device, _) = &mut arrival.what {
                device.removable = false;
            }
            with(machine(FINDISO), [arrival])
        }),
        ("home_image_on_vfat", home_image_on_vfat()),
        ("writes_in_compressed_memory", super::zram::world("isolde.zram=50%")),
        ("persist_for_the_first_time", with(machine(&format!("{FINDISO} isolde.persist=work")), [stick.clone()])),
        ("persist_in_an_image_on_vfat", {
            let image = Content::image(&Medium::new("ext4", Tree::new().directory("lost+found")));
            let tree = store().file("boot/isolde/persist.img", image);
            with(machine(&format!("{FINDISO} isolde.persist=work")), [partition("sdb1", &vfat(tree))])
        }),
        ("persist_that_is_only_read", {
            let tree = store().directory("boot/isolde/persist");
            let words = "isolde.persist=work isolde.session=discard";
            with(machine(&format!("{FINDISO} {words}")), [partition("sdb1", &ext4(tree))])
        }),
        ("persist_in_an_image_that_is_made", {
            let system = root().program("usr/sbin/mke2fs");
            let tree = Tree::new().file("live/filesystem.squashfs", squashfs(system)).file(".disk/info", "Debian");
            let iso = Content::image(&Medium::new("iso9660", tree).labelled("DEBIAN LIVE"));
            let words = format!("{FINDISO} isolde.persist=work isolde.persist-size=100M");
            with(machine(&words), [partition("sdb1", &vfat(Tree::new().file("iso/debian.iso", iso)))])
        }),
        ("persist_on_another_device", {
            let keep =
                Medium::new("ext4", Tree::new()).labelled("KEEP").identified("7b1f1d5e-0000-4000-8000-00000000cafe");
            let words = format!("{FINDISO} isolde.persist=work isolde.persist-on=LABEL=KEEP");
            with(machine(&words), [stick.clone(), partition("sdc1", &keep)])
        }),
        ("persist_over_another_image", super::offer::asked()),
        ("persist_on_vfat_without_an_image", {
            with(machine(&format!("{FINDISO} isolde.persist=work")), [partition("sdb1", &vfat(store()))])
        }),
        ("home_that_is_missing", { with(machine(&format!("{FINDISO} isolde.home=/my/home")), [stick.clone()]) }),
        (
            "pristine",
            with(
                machine(&format!("{FINDISO} isolde.pristine")),
                [{
                    let tree =
                        store().file("boot/extensions/b43.ExtensionImage", extension()).program("boot/customize/init");
                    partition("sdb1", &ext4(tree.directory("home")))
                }],
            ),
        ),
        ("customize_that_succeeds", script(End::Exited(0))),
        ("customize_that_fails", script(End::Exited(3))),
        ("customize_that_hangs", script(End::TimedOut)),
        ("customize_that_is_not_executable", not_executable),
        ("checksum_right", checksum(|iso| b3sum(iso, "debian.iso"), "isolde.verify=require")),
        ("checksum_wrong", checksum(wrong, "")),
        ("checksum_wrong_but_off", checksum(wrong, "isolde.verify=off")),
        ("checksum_malformed", checksum(|_| "0123  debian.iso\n".to_owned(), "")),
        ("checksum_required_and_missing", checksum(|iso| b3sum(iso, "other.iso"), "isolde.verify=require")),
        ("changed_byte", {
            let sum = b3sum(&Content::image(&debian()), "debian.iso");
            let iso = Content::image(&debian()).with_changed_byte(1 << 20);
            findiso(Tree::new().file("iso/debian.iso", iso).file("iso/debian.iso.b3", sum.as_str()))
        }),
        ("worn_out_stick", {
            let sum = b3sum(&Content::image(&debian()), "debian.iso");
            let iso = Content::image(&debian()).unreadable_from(1 << 20);
            findiso(Tree::new().file("iso/debian.iso", iso).file("iso/debian.iso.b3", sum.as_str()))
        }),
        ("truncated_iso", findiso(Tree::new().file("iso/debian.iso", Content::image(&debian()).resized(1 << 20)))),
        ("damaged_squashfs", {
            let tree = Tree::new().file("live/filesystem.squashfs", squashfs(root()).damaged());
            findiso(Tree::new().file("iso/debian.iso", Content::image(&Medium::new("iso9660", tree))))
        }),
        ("no_such_file", {
            let line = format!("isolde.image=/iso/debain.iso isolde.store=UUID={UUID}");
            with(machine(&line), [stick.clone()])
        }),
        ("no_store", machine(&format!("{FINDISO} isolde.wait=10 isolde.onfail=poweroff"))),
        ("no_init", image("root.squashfs", "isolde.onfail=reboot", squashfs(rootless_init()))),
        ("unknown_family", {
            let iso = Medium::new("iso9660", Tree::new().file("install/data", "").file("README", ""));
            image("x.iso", "isolde.onfail=wait", Content::image(&iso))
        }),
        ("not_an_image_and_no_shell", no_shell),
        (
            "unknown_parameter",
            with(machine(&format!("{FINDISO} isolde.verfy=off isolde.onfail=wait")), [stick.clone()]),
        ),
        ("conflicting_parameters", with(machine(&format!("{FINDISO} iso-scan/filename=/b.iso")), [stick.clone()])),
        ("nothing_asked", with(machine("root=/dev/sda2 ro quiet"), [stick.clone()])),
        ("modules_by_words", {
            let words = "isolde.modules=nls-cp437,misspelt isolde.blacklist=nls_ascii,erofs modprobe.blacklist=vfat \
                         sd-mod.option=\"a b\" ext4.flag";
            with(machine(&format!("{FINDISO} {words}")), [stick])
        }),
        ("no_module_index", no_index),
        ("no_driver_for_the_store", no_driver),
        ("driver_by_the_bridge", bridge),
        ("drivers_by_the_bridge_alone", standalone),
        ("no_driver_in_the_bridge_either", neither),
        ("no_driver_for_the_root", no_overlay),
    ];
    all.extend(super::containers::all());
    all.extend(super::home::all());
    all.sort_by_key(|(name, _)| *name);
    all
}
