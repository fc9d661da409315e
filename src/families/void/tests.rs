//! Void's media, its duties on a small root, and its hooks under a real shell.

use super::{FAMILY, PASSWORD};
use crate::families::account::fake::{Fake, after};
use crate::families::testing::{ask, family_of, layers, plan};
use crate::sys::record::Tree;
use std::fs;
use std::process::{Command, Stdio};

const LINE: &str = "iso-scan/filename=/iso/void.iso root=live:CDLABEL=VOID_LIVE ro init=/sbin/init rd.luks=0 \
    vconsole.unicode=1 vconsole.keymap=us locale.LANG=en_US.UTF-8";

fn medium() -> Tree {
    Tree::new()
        .file("LiveOS/squashfs.img", "image")
        .file("boot/grub/grub_void.cfg", "menu")
        .file("boot/vmlinuz", "kernel")
}

#[test]
fn void_is_told_from_fedora_by_its_menu_or_its_hooks() {
    let hooks = Tree::new().program("usr/lib/dracut/hooks/pre-pivot/01-adduser.sh").link("lib", "usr/lib");
    let plain = Tree::new().file("LiveOS/squashfs.img", "image");
    for (medium, initrd, name) in
        [(&medium(), &Tree::new(), "void"), (&plain, &hooks, "void"), (&plain, &Tree::new(), "dracut")]
    {
        let (family, layout) = family_of(medium, initrd, LINE).unwrap();
        assert_eq!(family.name, name);
        assert_eq!(layers(&layout), [("LiveOS/squashfs.img", "/run/rootfsbase")]);
        assert!(layout.layers[0].nested.iter().any(|inner| inner == "LiveOS/ext3fs.img"), "what its container holds");
    }
    let menu_alone = Tree::new().file("boot/grub/grub_void.cfg", "");
    assert!(family_of(&menu_alone, &Tree::new(), "").is_none(), "without an image it is nothing");
    assert_eq!(plan(LINE), "boot /iso/void.iso from any device");
}

fn root() -> Tree {
    let tree = Tree::new()
        .file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")
        .file("etc/shadow", "root:!:19000:0:99999:7:::\n")
        .file("etc/group", "root:x:0:\naudio:x:12:\nvideo:x:13:\nwheel:x:4:root\n")
        .file("etc/shells", "/bin/sh\n")
        .file("etc/sv/agetty-tty1/conf", "GETTY_ARGS=\"--noclear\"\nBAUD_RATE=38400\n")
        .file("etc/rc.conf", "# comment\n#KEYMAP=\"es\"\n")
        .file("etc/lightdm/lightdm.conf", "[LightDM]\n[Seat:*]\n#autologin-user=\n")
        .file("etc/lightdm/.session", "xfce\n")
        .file("etc/polkit-1/rules.d/50-default.rules", "")
        .program("bin/bash")
        .link("etc/runit/runsvdir/default/lightdm", "/etc/sv/lightdm");
    let folders = ["home", "etc/default", "etc/sudoers.d", "etc/sv/lightdm", "etc/sv/agetty-ttyS0", "etc/sv/espeakup"];
    folders.iter().fold(tree, |tree, folder| tree.directory(folder))
}

fn settled(tree: Tree, line: &str) -> Fake {
    let duties = |root: &Fake| ask(&medium(), &Tree::new(), line, |asked| (FAMILY.duties)(asked, root)).unwrap();
    let fake = Fake::new(tree);
    let edits = duties(&fake);
    let fake = after(fake, edits);
    assert_eq!(duties(&fake), Vec::new(), "a second round has nothing to do");
    fake
}

#[test]
fn a_root_without_hooks_is_as_after_them() {
    let root = settled(root(), "vconsole.keymap=de locale.LANG=de_DE.UTF-8");
    assert!(root.text("etc/passwd").ends_with("\nanon:x:1000:1000:anon:/home/anon:/bin/bash\n"));
    assert_eq!(root.text("etc/shadow"), format!("root:{PASSWORD}:19000:0:99999:7:::\nanon:{PASSWORD}::0:99999:7:::\n"));
    assert_eq!(
        root.text("etc/group"),
        "root:x:0:\naudio:x:12:anon\nvideo:x:13:anon\nwheel:x:4:root,anon\nanon:x:1000:\n"
    );
    assert_eq!(root.text("etc/hostname"), "void-live\n");
    assert_eq!(root.text("etc/default/live.conf"), "USERNAME=anon\n");
    assert_eq!(root.text("etc/shells"), "/bin/sh\n/bin/bash\n");
    assert_eq!(root.text("etc/sudoers.d/99-void-live"), "anon ALL=(ALL:ALL) NOPASSWD: ALL\n");
    assert!(root.text("etc/polkit-1/rules.d/void-live.rules").contains("unix-group:wheel"));
    assert_eq!(root.text("etc/locale.conf"), "LANG=de_DE.UTF-8\nLC_COLLATE=C\n");
    assert_eq!(root.text("etc/rc.conf"), "# comment\nKEYMAP=de\n");
    let lightdm = root.text("etc/lightdm/lightdm.conf");
    assert!(lightdm.contains("autologin-user=anon\n") && lightdm.contains("autologin-session=xfce\n"), "{lightdm}");
    assert_eq!(root.text("etc/sv/agetty-tty1/conf"), "GETTY_ARGS=\"--noclear\"\nBAUD_RATE=38400\n");
    assert!(!root.has("etc/runit/runsvdir/default/espeakup") && !root.has("etc/sv/lightdm/down"));
}

#[test]
fn words_of_its_dialect_are_obeyed() {
    let line =
        "live.user=me live.shell=/bin/sh live.autologin live.accessibility nomodeset console=tty0 console=ttyS0,115200";
    let root = settled(root(), line);
    assert!(root.text("etc/passwd").ends_with("\nme:x:1000:1000:me:/home/me:/bin/sh\n"));
    assert_eq!(root.text("etc/shells"), "/bin/sh\n");
    assert!(root.text("etc/sv/agetty-tty1/conf").starts_with("GETTY_ARGS=\"--noclear -a me\"\n"));
    for service in ["agetty-ttyS0", "espeakup"] {
        let link = root.link(&format!("etc/runit/runsvdir/default/{service}"));
        assert_eq!(link, Some(format!("/etc/sv/{service}")));
    }
    assert!(!root.has("etc/runit/runsvdir/default/brltty"), "a service that is not installed");
    assert!(root.has("etc/sv/lightdm/down"), "through the link");
    let hostile = settled(super::tests::root(), "live.user=../x live.shell=\"/bin/sh:0\" locale.LANG=\"$(x)\"");
    assert!(hostile.text("etc/passwd").contains("anon:x:1000:1000:anon:/home/anon:/bin/bash"));
    assert_eq!(hostile.text("etc/locale.conf"), "LANG=en_US.UTF-8\nLC_COLLATE=C\n");
}

#[test]
fn the_password_is_what_voids_users_know() {
    let hash = Command::new("openssl").args(["passwd", "-6", "-salt", "isolde.void", "voidlinux"]).output();
    let Ok(hash) = hash else { return eprintln!("there is no openssl here") };
    assert_eq!(String::from_utf8(hash.stdout).unwrap().trim(), PASSWORD);
}

#[test]
fn its_own_hooks_run_and_no_others() {
    let folder = std::env::temp_dir().join(format!("isolde-void-{}", std::process::id()));
    let write = |path: &str, text: &str| {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let _ = fs::remove_dir_all(&folder);
    write("lib/dracut-lib.sh", "getarg() { [ \"$1\" = live.user ] && echo me; }\n");
    let hooks = "lib/dracut/hooks/pre-pivot";
    write(&format!("{hooks}/01-adduser.sh"), "echo \"adduser $(getarg live.user) $NEWROOT\" >>log\nexit 4\n");
    write(&format!("{hooks}/02-display-manager-autologin.sh"), "echo autologin >>log\n");
    write(&format!("{hooks}/02-getty-serial.sh"), "echo getty >>log\n");
    write(&format!("{hooks}/03-locale.sh"), "echo locale >>log\n");
    write(&format!("{hooks}/50-cleanup.sh"), "echo cleanup >>log\n");
    let mut command = Command::new("/bin/sh");
    command.args(["-c", FAMILY.scripts.unwrap().text]).current_dir(&folder).env("NEWROOT", "/sysroot");
    let output = command.stdin(Stdio::null()).output().unwrap();
    let log = fs::read_to_string(folder.join("log")).unwrap();
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(log, "adduser me /sysroot\nautologin\ngetty\nlocale\n");
    assert!(String::from_utf8(output.stdout).unwrap().contains("01-adduser.sh ended with status 4"));
    assert!(output.stderr.is_empty(), "{:?}", String::from_utf8(output.stderr));
}
