//! Sessions in LUKS2: in an image file that the host's command has made, and on a partition.

#![allow(clippy::unwrap_used, reason = "tests; clippy.toml does not see this file as one")]

use super::IMAGE;
use crate::common::disks::{assert_unmounted, partition};
use crate::common::small::{self, BOOT, Guest};
use crate::common::{build, folder, isolde};
use crate::containers::volumes::{self, LUKS2, PASSPHRASE, UUID};
use isolde_qemu::fixtures::{Init, root_of};
use isolde_qemu::machine::{Bus, Disk, Machine};
use isolde_qemu::store::{FileSystem, Layout, Store};
use isolde_qemu::tool::{command, run};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const WORDS: &str = "isolde.image=/root.squashfs isolde.store=LABEL=STICK isolde.persist=work";

/// A vfat stick with a root whose process 1 takes the way out.
fn store() -> Store {
    Store::new(FileSystem::Vfat, "STICK").layout(Layout::Mbr).copy("/root.squashfs", &root_of(Init::Sysvinit).unwrap())
}

pub(super) fn start(machine: &Machine, prompt: &str) -> Guest {
    let mut vm = machine.start().unwrap();
    vm.wait_for(prompt, BOOT).unwrap();
    vm.type_on_console(&format!("{PASSPHRASE}\r")).unwrap();
    Guest::of(vm)
}

/// Writes in one boot and looks for it in the next. Each way out leaves neither a mapped device nor anything mounted, or
/// the stick could not be left unmounted.
fn save_and_find(stick: &Path, boot: impl Fn(&str) -> Guest) {
    let mut guest = boot("1");
    assert_eq!(guest.report()["session"], 1);
    assert_eq!(guest.warnings(), Vec::<String>::new());
    let (source, kind, options) = guest.mount_at("/run/initramfs/isolde/persist");
    assert!(source.starts_with("/dev/dm-") && kind == "ext4" && options.contains(",rw,"), "{source} {kind} {options}");
    guest.ask("echo mine >/etc/mine; echo a secret that nobody reads >/etc/secret");
    leave(guest, stick);
    let mut guest = boot("2");
    assert_eq!(guest.report()["session"], 2);
    assert_eq!(guest.ask("cat /etc/mine /etc/secret"), "mine\na secret that nobody reads");
    leave(guest, stick);
}

fn leave(guest: Guest, stick: &Path) {
    let log = guest.stop("poweroff");
    assert!(log.contains("isolde: exit: everything is unmounted") && !log.contains("stays mounted"), "{log}");
    assert!(log.contains(" is saved"), "{log}");
    assert_unmounted(&["fsck.vfat", "-n"], &partition(stick));
}

/// What was saved is sound, and can only be read with the key.
fn assert_sealed(volume: &Path) {
    let inside = volumes::inside(volume).unwrap();
    assert_unmounted(&["e2fsck", "-f", "-n"], &inside);
    let holds = |image: &Path| {
        let secret = b"a secret that nobody reads";
        fs::read(image).unwrap().windows(secret.len()).any(|bytes| bytes == secret)
    };
    assert!(holds(&inside) && !holds(volume));
}

/// An image of the host's command, of 64 MiB.
pub(super) fn create(name: &str, words: &[&str]) -> PathBuf {
    let image = folder().join(name);
    let _ = fs::remove_file(&image);
    let mut create = command(isolde().to_str().unwrap());
    create.args(["persist", "create", "--size", "64M"]).args(words).arg(&image);
    run("isolde persist create", &mut create).unwrap();
    image
}

/// As somebody would make it, but for a key that a small machine can compute.
fn made_on_the_host() -> PathBuf {
    let key = folder().join("persist-luks.key");
    fs::write(&key, PASSPHRASE).unwrap();
    let image = create("persist-luks.img", &["--encrypt", "--key-file", key.to_str().unwrap()]);
    let mut convert = command("cryptsetup");
    convert.args(["luksConvertKey", "-q", "--key-file"]).arg(&key).args(LUKS2.split_at(2).1).arg(&image);
    run("cryptsetup", &mut convert).unwrap();
    image
}

#[test]
#[ignore = "long: two boots"]
fn an_encrypted_image_on_vfat() {
    let stick = build("persist-luks", &store().copy(IMAGE, &made_on_the_host()));
    save_and_find(&stick, |boot| {
        let disk = Disk::new("stick", &stick, Bus::Virtio).kept();
        start(&small::machine(&format!("persist-luks-{boot}"), WORDS).disk(disk), &format!("Passphrase for {IMAGE}"))
    });
    let volume = folder().join("persist-luks-after.img");
    let mut mcopy = command("mcopy");
    mcopy.args(["-o", "-n", "-i"]).arg(partition(&stick)).arg(format!("::{IMAGE}")).arg(&volume);
    run("mcopy", &mut mcopy).unwrap();
    assert_sealed(&volume);
}

#[test]
#[ignore = "long: two boots"]
fn an_encrypted_partition_of_its_own() {
    let stick = build("persist-luks-beside", &store());
    // A disk with a partition for the volume, whatever is in it at first.
    let volume = volumes::luks("persist-on", LUKS2, &create("persist-on.ext4", &[])).unwrap();
    let bytes = fs::read(&volume).unwrap();
    let keep =
        build("persist-on", &Store::new(FileSystem::Ext4, "KEEP").layout(Layout::Gpt).free(bytes.len() as u64 >> 20));
    File::options().write(true).open(&keep).unwrap().write_all_at(&bytes, 1 << 20).unwrap();
    save_and_find(&stick, |boot| {
        let words = format!("{WORDS} isolde.persist-on=UUID={UUID}");
        let machine = small::machine(&format!("persist-on-{boot}"), &words);
        let machine =
            machine.disk(Disk::new("stick", &stick, Bus::Virtio)).disk(Disk::new("keep", &keep, Bus::Virtio).kept());
        start(&machine, "Passphrase for /dev/vdb1 crypto_LUKS")
    });
    assert_sealed(&partition(&keep));
}
