//! A whole distribution that is saved: Debian's live system over two boots, then with a newer ISO, then with the older one
//! again.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests; clippy.toml does not see this file as one")]

use super::states;
use crate::common::disks::{assert_unmounted, partition};
use crate::common::{Booted, build, folder, machine, stick};
use isolde_mkinitrd::Form;
use isolde_qemu::fixtures::{self, Iso};
use isolde_qemu::store::{FileSystem, Store};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const OLDER: &str = "/boot/iso/debian.iso";
const NEWER: &str = "/boot/iso/debian-newer.iso";

/// Like a package that is unpacked: folders, programs, links of both kinds, an owner of its own, a list of files.
const UNPACK: &str = "mkdir -p /opt/tool/bin /opt/tool/share/doc; cp /bin/ls /opt/tool/bin/tool; \
    chmod 4755 /opt/tool/bin/tool; ln -s tool /opt/tool/bin/alias; ln /opt/tool/bin/tool /opt/tool/bin/same; \
    for n in $(seq 100); do seq $n >/opt/tool/share/doc/$n; done; chown -R 7:8 /opt/tool/share; \
    find /opt/tool | sort >/var/lib/tool.list";
/// What of it a later session finds.
const LOOK: &str = "find /opt/tool | sort | cmp - /var/lib/tool.list; stat -c '%a %h' /opt/tool/bin/tool; \
    readlink /opt/tool/bin/alias; stat -c %u:%g /opt/tool/share/doc/7; cat /opt/tool/share/doc/* | md5sum";

/// The same system with one more layer, as a distributor's next image has other ones.
fn newer(iso: &Iso) -> PathBuf {
    let (tree, layer) = (folder().join("persist-newer"), folder().join("persist-newer.squashfs"));
    let _ = fs::remove_dir_all(&tree);
    fs::create_dir_all(tree.join("etc")).unwrap();
    fs::write(tree.join("etc/newer"), "newer\n").unwrap();
    let to = folder().join("persist-newer.iso");
    let _ = fs::remove_file(&to);
    let run = |program: &str, arguments: &[&Path]| {
        let done = Command::new(program).args(arguments).output().unwrap();
        assert!(done.status.success(), "{program}: {}", String::from_utf8_lossy(&done.stderr));
    };
    let word = Path::new;
    run("mksquashfs", &[&tree, &layer, word("-all-root"), word("-noappend"), word("-quiet"), word("-no-progress")]);
    let keep = ["-boot_image", "any", "keep", "-map"].map(word);
    let from = [word("-indev"), &iso.path, word("-outdev"), &to];
    run("xorriso", &[&from[..], &keep, &[&layer, word("/live/newer.squashfs")]].concat());
    to
}

/// Every file of the layers of the older image's two sessions, with its digest.
fn older_layers(partition: &Path) -> String {
    let to = folder().join("persist-debian-layers");
    let _ = fs::remove_dir_all(&to);
    fs::create_dir(&to).unwrap();
    let request = format!("rdump /boot/isolde/persist/1 /boot/isolde/persist/2 {}", to.display());
    let dumped = Command::new("debugfs").args(["-R", &request]).arg(partition).output().unwrap();
    assert!(dumped.status.success(), "{}", String::from_utf8_lossy(&dumped.stderr));
    let listed =
        Command::new("sh").arg("-c").arg("find . -type f -exec md5sum {} + | sort -k 2").current_dir(&to).output();
    let text = String::from_utf8(listed.unwrap().stdout).unwrap();
    assert!(text.contains("./1/opt/tool/share/doc/100") && text.contains("./2/etc/mine"), "{text}");
    fs::remove_dir_all(&to).unwrap();
    text
}

#[test]
#[ignore = "long: four boots of a whole Debian"]
fn debian_over_two_boots_and_then_a_newer_iso() {
    let iso = fixtures::debian().unwrap();
    let newer = newer(&iso);
    let store = Store::new(FileSystem::Ext4, "STICK").free(300).copy(OLDER, &iso.path).copy(NEWER, &newer);
    let image = build("persist-debian", &store);
    let machine = |name: &str, path: &str| {
        // All components of live-config would take several times as long as the rest of the boot.
        let words = format!("boot=live components=user-setup,sudo findiso={path} isolde.persist=work");
        machine(name, &iso, Form::Init, &words).disk(stick(&image).kept())
    };
    let session = |booted: &mut Booted| {
        let report = booted.report();
        assert_eq!((&report["family"], report["warnings"].as_array().map(Vec::len)), (&"live-boot".into(), Some(0)));
        (report["session"].as_u64(), report["saved_sessions"].as_u64())
    };

    let mut first = Booted::start(&machine("persist-debian-1", OLDER));
    assert_eq!(session(&mut first), (Some(1), Some(0)));
    first.assert_clean();
    first.ask(UNPACK);
    let unpacked = first.ask(LOOK);
    first.ask("echo one >/etc/mine; echo changed >>/etc/issue; rm /etc/debian_version; rm -r /usr/share/doc/bash");
    first.ask("su user -c 'echo home >~/note'");
    first.power_off();
    assert_eq!(states(&partition(&image)), ["saved"]);

    let mut second = Booted::start(&machine("persist-debian-2", OLDER));
    assert_eq!(session(&mut second), (Some(2), Some(1)));
    second.assert_clean();
    let seen = "cat /etc/mine; tail -n 1 /etc/issue; cat ~user/note; test ! -e /etc/debian_version; \
        test ! -e /usr/share/doc/bash; test -e /usr/share/doc/base-files";
    assert_eq!(second.ask(seen), "one\nchanged\nhome");
    assert_eq!(second.ask(LOOK), unpacked);
    // Over what the session before wrote: changed, deleted, and a folder in the place of one that was deleted.
    second.ask("echo two >/etc/mine; rm /opt/tool/share/doc/9?; rm -r /opt/tool/bin; mkdir /opt/tool/bin");
    second.ask("find /opt/tool | sort >/var/lib/tool.list");
    let changed = second.ask("ls -A /opt/tool/bin; cat /opt/tool/share/doc/* | md5sum");
    second.power_off();
    let after_two = partition(&image);
    assert_unmounted(&["e2fsck", "-f", "-n"], &after_two);
    assert_eq!(states(&after_two), ["saved", "saved"]);
    let older = older_layers(&after_two);

    let mut third = Booted::start(&machine("persist-debian-3", NEWER));
    assert_eq!(session(&mut third), (Some(3), Some(2)));
    let log = third.vm.log_text().unwrap();
    let belongs = format!("isolde: persist: what is saved as work belongs to another image, {OLDER}");
    let forked = format!("isolde: persist: what was saved over {OLDER} is forked for {NEWER}");
    assert!(log.contains(&belongs) && log.contains(&forked), "{log}");
    third.assert_clean();
    assert_eq!(third.ask("cat /etc/newer /etc/mine ~user/note; test ! -e /etc/debian_version"), "newer\ntwo\nhome");
    third.ask("find /opt/tool | sort | cmp - /var/lib/tool.list");
    third.ask("echo three >/etc/mine; rm -r /opt/tool; rm ~user/note");
    third.power_off();
    let after_three = partition(&image);
    assert_unmounted(&["e2fsck", "-f", "-n"], &after_three);
    assert_eq!(states(&after_three), ["saved", "saved", "saved"]);
    assert_eq!(older_layers(&after_three), older, "the line of the older image was changed");

    let mut fourth = Booted::begin(&machine("persist-debian-4", OLDER));
    assert_eq!(session(&mut fourth), (Some(4), Some(2)));
    assert!(!fourth.vm.log_text().unwrap().contains("belongs to another image"));
    assert_eq!(fourth.ask("cat /etc/mine ~user/note; test ! -e /etc/newer"), "two\nhome");
    assert_eq!(fourth.ask("ls -A /opt/tool/bin; cat /opt/tool/share/doc/* | md5sum"), changed);
    fourth.ask("find /opt/tool | sort | cmp - /var/lib/tool.list");
    fourth.power_off();
    assert_unmounted(&["e2fsck", "-f", "-n"], &partition(&image));
}
