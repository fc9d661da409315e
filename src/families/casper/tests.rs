//! casper's media as Ubuntu and others make them, its duties on a small root, and its scripts under a real shell.

use super::{FAMILY, identity};
use crate::families::account::fake::{Fake, after};
use crate::families::testing::{ask, family_of, layers, plan};
use crate::families::{Asked, Attached, Edit, Layout, Pair, Target};
use crate::sys::record::Tree;

mod boot;
mod scripts;

const CONF: &str = "# Supported variables are:\n# USERNAME, USERFULLNAME, HOST, BUILD_SYSTEM, FLAVOUR\n\n\
    export USERNAME=\"ubuntu\"\nexport USERFULLNAME=\"Live session user\"\nexport HOST=\"ubuntu\"\n\
    export BUILD_SYSTEM=\"Ubuntu\"\n\n# export FLAVOUR=\"Ubuntu\"\n";

/// The initrd's part of an Ubuntu that names its layers, or does not.
fn initrd(leaf: Option<&str>) -> Tree {
    let tree = Tree::new()
        .program("bin/sh")
        .program("scripts/casper")
        .file("scripts/casper-bottom/ORDER", "/scripts/casper-bottom/25adduser \"$@\"\n")
        .file("etc/casper.conf", CONF)
        .file("conf/uuid.conf", "2f1c9c3e-0000-4000-8000-000000000000\n");
    match leaf {
        Some(leaf) => tree.file("conf/conf.d/default-layer.conf", format!("LAYERFS_PATH={leaf}\n").as_str()),
        None => tree,
    }
}

/// The images of a desktop of 24.04, which are not all layers.
fn desktop() -> Tree {
    let names = ["minimal", "minimal.de", "minimal.standard", "minimal.standard.fr", "minimal.standard.live"];
    names
        .iter()
        .fold(Tree::new(), |tree, name| tree.file(&format!("casper/{name}.squashfs"), "image"))
        .file("casper/vmlinuz", "kernel")
        .file(".disk/info", "Ubuntu 24.04 LTS \"Noble Numbat\" - Release amd64 (20240424)")
        .file(".disk/casper-uuid-generic", "2f1c9c3e-0000-4000-8000-000000000000\n")
}

fn files(found: &Option<(crate::families::Family, Layout)>) -> Vec<&str> {
    let Some((family, layout)) = found else { return vec!["nothing"] };
    assert_eq!(family.name, "casper");
    layers(layout).into_iter().map(|(file, _)| file.strip_prefix("casper/").unwrap_or(file)).collect()
}

const STACK: [&str; 3] = ["minimal.squashfs", "minimal.standard.squashfs", "minimal.standard.live.squashfs"];

#[test]
fn the_live_user_has_the_number_that_the_script_gives() {
    let user = |initrd: &Tree, line: &str| {
        let root = Fake::new(Tree::new());
        let found = ask(&desktop(), initrd, line, |asked| (FAMILY.user)(asked, &root).unwrap()).unwrap();
        (found.name, found.uid)
    };
    let script = |uid: &str| format!("set passwd/username $USERNAME\nset passwd/user-uid {uid}\nEOF\n");
    let with = |uid: &str| initrd(None).file("scripts/casper-bottom/25adduser", script(uid).as_str());
    assert_eq!(user(&with("999"), ""), ("ubuntu".to_owned(), Some(999)));
    assert_eq!(user(&with("999"), "username=anna"), ("anna".to_owned(), Some(999)));
    for nobody in [
        initrd(None),
        with("$UID"),
        with("0"),
        Tree::new().file("scripts/casper-bottom/25adduser", script("999").as_str()),
    ] {
        assert_eq!(user(&nobody, "").1, None);
    }
}

#[test]
fn the_initrds_layer_is_the_top_of_the_stack() {
    let found = family_of(&desktop(), &initrd(Some("minimal.standard.live.squashfs")), "boot=casper");
    assert_eq!(files(&found), STACK);
    let layout = found.unwrap().1;
    assert_eq!(layout.layers[0].at, "/run/isolde/layers/minimal.squashfs");
    assert_eq!(layout.medium, "/run/isolde/medium");
    assert_eq!(layout.source, "/cow");
    assert_eq!(
        layout.shown,
        [("/run/isolde/medium".into(), "/cdrom"), ("/run/isolde/layers/minimal.squashfs".into(), "/rofs")]
    );
    assert_eq!(layout.links, [("/media/cdrom", Target::Text("/cdrom"))]);
}

#[test]
fn the_command_line_overrules_the_initrd() {
    let ask = |line| family_of(&desktop(), &initrd(Some("minimal.standard.live.squashfs")), line);
    assert_eq!(files(&ask("layerfs-path=minimal.de.squashfs")), ["minimal.squashfs", "minimal.de.squashfs"]);
    assert_eq!(files(&ask("layerfs-path=/cdrom/casper/minimal.standard.live.squashfs")), STACK);
    assert_eq!(files(&ask("layerfs-path=/casper/minimal.squashfs")), ["minimal.squashfs"]);
}

#[test]
fn the_servers_layers_have_five_names() {
    let leaf = "ubuntu-server-minimal.ubuntu-server.installer.generic-hwe.squashfs";
    let medium = Tree::new().file(&format!("casper/{leaf}"), "").directory("casper");
    assert_eq!(files(&family_of(&medium, &initrd(Some(leaf)), "")).len(), 4);
}

#[test]
fn without_the_initrd_the_one_live_layer_is_the_top() {
    assert_eq!(files(&family_of(&desktop(), &Tree::new(), "")), STACK);
    let two = desktop().file("casper/base.live.squashfs", "");
    assert_eq!(files(&family_of(&two, &Tree::new(), "")).len(), 6, "two of them say nothing");
}

#[test]
fn without_a_leaf_every_image_is_a_layer() {
    let medium = Tree::new()
        .file("casper/filesystem.squashfs", "")
        .file("casper/language.squashfs", "")
        .file("casper/base.ext2", "")
        .file("casper/ltsp.squashfs", "")
        .file("casper/server.squashfs", "")
        .file("casper/filesystem.squashfs.gpg", "");
    let found = family_of(&medium, &initrd(None), "");
    assert_eq!(files(&found), ["base.ext2", "filesystem.squashfs", "language.squashfs"]);
    let shown = found.unwrap().1.shown;
    assert_eq!(shown[1].0, "/run/isolde/layers/filesystem.squashfs", "the lowest squashfs is /rofs");
    let old = Tree::new().file("casper/filesystem.squashfs", "");
    assert_eq!(
        files(&family_of(&old, &Tree::new(), "file=/cdrom/preseed/mint.seed boot=casper")),
        ["filesystem.squashfs"]
    );
}

#[test]
fn the_folder_is_the_one_that_is_named_or_begins_so() {
    let pop = Tree::new()
        .file("casper_pop-os_22.04_amd64_intel_42/filesystem.squashfs", "")
        .link("casper", "casper_pop-os_22.04_amd64_intel_42");
    let named = "boot=casper live-media-path=/casper_pop-os_22.04_amd64_intel_42 hostname=pop-os username=pop-os";
    let file = "casper_pop-os_22.04_amd64_intel_42/filesystem.squashfs";
    assert_eq!(files(&family_of(&pop, &Tree::new(), named)), [file]);
    assert_eq!(files(&family_of(&pop, &Tree::new(), "boot=casper")), ["filesystem.squashfs"], "through the link");
    let unlinked = Tree::new().file(file, "").file("casper-notes/readme", "");
    assert_eq!(files(&family_of(&unlinked, &Tree::new(), "")), [file]);
}

#[test]
fn a_live_boot_medium_is_not_taken_for_casper() {
    let lmde = Tree::new().file("live/filesystem.squashfs", "");
    let found = family_of(&lmde, &Tree::new().program("scripts/live"), "live-media-path=/live boot=live");
    assert_eq!(found.unwrap().0.name, "live-boot");
    assert!(family_of(&Tree::new().directory("casper"), &Tree::new(), "").is_none(), "an empty folder is no family");
    let elementary = Tree::new().file("casper/filesystem.squashfs", "").file("live/vmlinuz", "kernel");
    assert_eq!(files(&family_of(&elementary, &Tree::new(), "")), ["filesystem.squashfs"]);
    let own = family_of(&lmde, &initrd(None), "live-media-path=live");
    assert_eq!(files(&own), ["live/filesystem.squashfs"], "its own main script is in the initrd");
}

#[test]
fn the_dialect_names_its_images() {
    let from_any = "from any device";
    for line in
        ["boot=casper iso-scan/filename=/iso/u.iso fsck.mode=skip quiet splash ---", "iso-scan/filename=iso/u.iso"]
    {
        assert_eq!(plan(line), format!("boot /iso/u.iso {from_any}"));
    }
    assert_eq!(plan("boot=casper quiet splash ---"), format!("boot the medium itself {from_any}"));
}

#[test]
fn initrd_and_medium_are_compared_by_their_ids() {
    let pair = |medium: &Tree, initrd: &Tree, line| ask(medium, initrd, line, FAMILY.pair).unwrap();
    let id = "2f1c9c3e-0000-4000-8000-000000000000".to_owned();
    let both = desktop().file(".disk/casper-uuid-generic-hwe", "other\n");
    let wanted = Pair { initrd: id.clone(), medium: vec![id, "other".into()] };
    assert_eq!(pair(&both, &initrd(None), ""), Some(wanted));
    assert_eq!(pair(&both, &initrd(None), "ignore_uuid"), None);
    assert_eq!(pair(&both, &Tree::new(), ""), None, "an initrd without an id fits everywhere");
    assert_eq!(pair(&Tree::new(), &initrd(None), "uuid=x"), Some(Pair { initrd: "x".into(), medium: Vec::new() }));
}

#[test]
fn its_own_init_is_told_the_device() {
    let attached = Attached { device: "/dev/loop0".into(), file: Some("/iso/u.iso".into()) };
    let hints = (FAMILY.hints)(&attached);
    assert_eq!(hints.last(), Some(&Edit::write("conf/param.conf", "LIVEMEDIA=/dev/loop0\n")));
}

fn names(medium: &Tree, initrd: &Tree, line: &str) -> (String, String, String) {
    let found = ask(medium, initrd, line, identity::identity).unwrap();
    (found.user, found.host, found.full_name)
}

#[test]
fn the_user_is_named_by_the_medium_unless_told_otherwise() {
    let own = |user: &str, host: &str| (user.to_owned(), host.to_owned(), "Live session user".to_owned());
    assert_eq!(names(&desktop(), &initrd(None), ""), own("ubuntu", "ubuntu"));
    let kubuntu = desktop().file(".disk/info", "Kubuntu 24.04 LTS");
    assert_eq!(names(&kubuntu, &initrd(None), ""), own("kubuntu", "kubuntu"));
    let mint = initrd(None)
        .file("etc/casper.conf", "export USERNAME=\"mint\"\nexport HOST=\"mint\"\nexport FLAVOUR=\"Mint\"\n");
    assert_eq!(names(&Tree::new().file(".disk/info", "Linux Mint 22"), &mint, ""), own("mint", "mint"));
    assert_eq!(names(&desktop(), &initrd(None), "username=me hostname=box"), own("me", "box"));
    let named = names(&desktop(), &initrd(None), "userfullname=\"Jo Doe\"");
    assert_eq!(named.2, "Jo Doe");
    assert_eq!(names(&Tree::new(), &Tree::new(), ""), own("casper", "live"));
}

#[test]
fn a_name_from_the_medium_cannot_be_a_command() {
    let hostile = desktop().file(".disk/info", "$(reboot)\nroot::0:0:: 24.04");
    let found =
        ask(&hostile, &initrd(None), "username=a:b hostname=`x` userfullname=\"a\\$(b)\\\"\"", identity::identity);
    let found = found.unwrap();
    assert_eq!((found.user.as_str(), found.host.as_str()), ("ubuntu", "ubuntu"));
    assert_eq!(found.full_name, "a(b)");
}

#[test]
fn the_scripts_find_who_they_set_up() {
    let line = "username=me layerfs-path=minimal.squashfs";
    let environment = ask(&desktop(), &initrd(None), line, identity::environment).unwrap();
    let get = |name: &str| environment.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    assert_eq!(get("rootmnt"), Some("/root"));
    for (name, value) in [("USERNAME", "me"), ("HOST", "ubuntu"), ("FLAVOUR", "ubuntu"), ("BUILD_SYSTEM", "Ubuntu")] {
        assert_eq!(get(name), Some(value), "{name}");
    }
    assert_eq!((get("LIVE_MEDIA_PATH"), get("LAYERFS_PATH")), (Some("casper"), Some("minimal.squashfs")));
    let conf = get("CASPER_CONF").unwrap();
    assert!(
        conf.contains("\nexport USERNAME=\"me\"\n") && conf.contains("\nexport BUILD_SYSTEM=\"Ubuntu\"\n"),
        "{conf}"
    );
    assert!(conf.starts_with("# Supported variables are:\n# USERNAME, "), "comments stay as they are: {conf}");
}

/// A root of Ubuntu with much of what the duties look for.
fn root() -> Tree {
    let mut tree = Tree::new()
        .file("etc/passwd", "root:x:0:0:root:/root:/bin/bash\n")
        .file("etc/shadow", "root:*:19000:0:99999:7:::\n")
        .file("etc/group", "root:x:0:\nadm:x:4:syslog\nsudo:x:27:\nlpadmin:x:110:\n")
        .file("etc/hosts", "127.0.0.1 localhost\n")
        .file("etc/fstab", "")
        .file("etc/default/keyboard", "XKBMODEL=\"pc105\"\nXKBLAYOUT=\"us\"\n")
        .file("etc/gdm3/custom.conf", "[daemon]\n")
        .file("etc/skel/.profile", "profile\n")
        .file("usr/share/i18n/SUPPORTED", "de_AT.UTF-8 UTF-8\nde_DE.UTF-8 UTF-8\nde_DE ISO-8859-1\n")
        .file("usr/lib/udev/rules.d/60-cdrom_id.rules", "A=\"1\"\nENV{SYSTEMD_MOUNT_DEVICE_BOUND}=\"1\"\nB=\"2\"\n")
        .program("usr/lib/snapd/snapd")
        .program("usr/libexec/gnome-initial-setup")
        .program("usr/bin/bash")
        .link("bin", "usr/bin")
        .link("lib", "usr/lib");
    let folders = [
        "home",
        "etc/sudoers.d",
        "etc/polkit-1/rules.d",
        "var/lib/polkit-1/localauthority",
        "etc/systemd/system",
        "usr/lib/locale/de_DE.utf8",
    ];
    for folder in folders {
        tree = tree.directory(folder);
    }
    tree
}

fn duties(root: &Fake, line: &str) -> Vec<Edit> {
    ask(&desktop(), &initrd(None), line, |asked: &Asked| (FAMILY.duties)(asked, root)).unwrap()
}

/// The root after its duties. A second round may only repeat the link whose end is not there before the real init runs.
fn settled(tree: Tree, line: &str) -> Fake {
    let fake = Fake::new(tree);
    let edits = duties(&fake, line);
    let fake = after(fake, edits);
    let mask = Edit::link("etc/systemd/system/cdrom.mount", "/dev/null");
    let again = duties(&fake, line);
    assert!(again.iter().all(|edit| *edit == mask), "{again:?}");
    fake
}

#[test]
fn a_root_without_scripts_is_as_after_them() {
    let root =
        settled(root(), "locale=de_DE keyboard-configuration/layoutcode=de keyboard-configuration/variantcode=x");
    let passwd = "ubuntu:x:1000:1000:Live session user,,,:/home/ubuntu:/bin/bash";
    assert_eq!(root.text("etc/passwd").lines().last(), Some(passwd));
    assert!(root.text("etc/shadow").ends_with("ubuntu:::0:99999:7:::\n"));
    assert!(root.text("etc/group").contains("sudo:x:27:ubuntu\nlpadmin:x:110:ubuntu\nubuntu:x:1000:\n"));
    assert_eq!(root.text("home/ubuntu/.profile"), "profile\n");
    assert_eq!(root.text("home/ubuntu/.config/gnome-initial-setup-done"), "yes");
    assert_eq!(root.text("etc/sudoers.d/casper"), "ubuntu  ALL=(ALL) NOPASSWD: ALL\n");
    assert!(root.text("etc/polkit-1/rules.d/10-live-cd.rules").contains("subject.user == \"ubuntu\""));
    let pkla = root.text("var/lib/polkit-1/localauthority/10-vendor.d/10-live-cd.pkla");
    assert!(pkla.contains("Identity=unix-user:ubuntu\n"));
    assert!(root.text("etc/gdm3/custom.conf").contains("AutomaticLogin=ubuntu\n"));
    assert!(!root.has("etc/systemd/system/getty@tty1.service.d"), "there is a desktop");
    assert_eq!(root.text("etc/hostname"), "ubuntu\n");
    assert!(root.text("etc/hosts").contains("127.0.1.1 ubuntu\n"));
    assert!(root.text("etc/fstab").starts_with("overlay / overlay"));
    assert_eq!(root.text("etc/default/locale"), "LANG=\"de_DE.UTF-8\"\n");
    assert_eq!(root.text("etc/default/keyboard"), "XKBMODEL=\"pc105\"\nXKBLAYOUT=\"de\"\nXKBVARIANT=\"x\"\n");
    assert_eq!(root.link("etc/systemd/system/cdrom.mount").as_deref(), Some("/dev/null"));
    assert!(root.text("etc/systemd/system/snapd.hold.service").contains("refresh.hold="));
    assert!(
        root.text("etc/systemd/system/snapd.service.wants/snapd.hold.service").contains("refresh.hold="),
        "by a link"
    );
    assert_eq!(root.text("usr/lib/udev/rules.d/60-cdrom_id.rules"), "A=\"1\"\nB=\"2\"\n");
    assert!(root.text("etc/casper.conf").contains("USERNAME=\"ubuntu\""));
}

#[test]
fn what_the_scripts_have_done_stays() {
    let tree = root()
        .file("etc/passwd", "ubuntu:x:1000:1000:Ubuntu:/home/ubuntu:/bin/bash\n")
        .file("etc/shadow", "root:*:1::::::\nubuntu:U6aMy0wojraho:1::::::\n")
        .file("etc/group", "sudo:x:27:ubuntu\nubuntu:x:1000:\n")
        .file("home/ubuntu/.profile", "theirs\n")
        .file("etc/sudoers.d/casper", "theirs\n")
        .file("etc/gdm3/custom.conf", "[daemon]\nAutomaticLogin=ubuntu\nTimedLoginEnable=false\n")
        .file("etc/default/locale", "LANG=\"fr_FR.UTF-8\"\n");
    let before = Fake::new(tree.clone());
    let root = settled(tree, "");
    for file in ["etc/passwd", "etc/shadow", "etc/group", "home/ubuntu/.profile", "etc/sudoers.d/casper"] {
        assert_eq!(root.text(file), before.text(file), "{file}");
    }
    for file in ["etc/gdm3/custom.conf", "etc/default/locale", "etc/default/keyboard"] {
        assert_eq!(root.text(file), before.text(file), "{file}");
    }
    let written = "[Unit]\n";
    let hold = initrd(None).file("run/systemd/system/snapd.hold.service", written);
    let edits = ask(&desktop(), &hold, "", |asked| (FAMILY.duties)(asked, &before)).unwrap();
    assert!(!format!("{edits:?}").contains("snapd.hold"), "the scripts hold snapd in /run");
}

#[test]
fn a_locale_that_is_not_built_is_not_set() {
    assert_eq!(settled(root(), "locale=fr_FR").text("etc/default/locale"), "");
    assert_eq!(settled(root(), "").text("etc/default/locale"), "LANG=\"C.UTF-8\"\n");
    assert_eq!(
        settled(root(), "debian-installer/locale=de_DE.UTF-8").text("etc/default/locale"),
        "LANG=\"de_DE.UTF-8\"\n"
    );
    let hostile = settled(root(), "locale=\"x$(reboot)\" keyboard-configuration/layoutcode=\"a`b`\"");
    assert_eq!(hostile.text("etc/default/locale"), "LANG=\"C.UTF-8\"\n");
    assert!(hostile.text("etc/default/keyboard").contains("XKBLAYOUT=\"us\""));
}

#[test]
fn sddm_gets_the_hash_of_an_empty_password_and_a_bare_root_a_console() {
    let root_with = settled(root().program("usr/bin/sddm"), "");
    assert!(root_with.text("etc/shadow").contains("ubuntu:U6aMy0wojraho:"));
    assert_eq!(root_with.text("etc/sddm.conf"), "[Autologin]\nUser=ubuntu\n");
    let server = Tree::new().file("etc/passwd", "").file("etc/group", "").directory("etc/systemd/system");
    let server = settled(server, "");
    assert!(server.text("etc/systemd/system/getty@tty1.service.d/autologin.conf").contains("--autologin ubuntu "));
    assert!(!server.has("etc/sudoers.d"), "what the root has no use for is not made");
}
