//! One small machine per refusal: the message names what is wrong, the policy acts, the real init never runs.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests; clippy.toml does not see this file as one")]

use crate::common::{REFUSAL, assert_refused, build, folder, second_initrd, small, stick};
use isolde_mkinitrd::Form;
use isolde_qemu::families::Base;
use isolde_qemu::machine::{Machine, Vm};
use isolde_qemu::store::{FileSystem, Store};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const PATH: &str = "/boot/iso/x.iso";

fn run(command: &mut Command) {
    let done = command.output().unwrap();
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// A small ISO in live-boot's layout whose squashfs holds what `fill` makes.
fn small_iso(name: &str, fill: impl Fn(&Path)) -> PathBuf {
    let work = tempfile::tempdir_in(folder()).unwrap();
    let (root, medium) = (work.path().join("root"), work.path().join("medium"));
    fs::create_dir_all(&root).unwrap();
    fs::create_dir_all(medium.join("live")).unwrap();
    fill(&root);
    run(Command::new("mksquashfs").arg(&root).arg(medium.join("live/filesystem.squashfs")).arg("-quiet"));
    let image = folder().join(format!("{name}.iso"));
    run(Command::new("xorriso").args(["-as", "mkisofs", "-quiet", "-R", "-V", "SMALL", "-o"]).arg(&image).arg(&medium));
    image
}

/// Some megabytes that do not compress, so that the ISO has an inside to damage.
fn bulk(root: &Path) {
    let mut state = 1_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let bytes: Vec<u8> = (0..1 << 19).flat_map(|_| next()).collect();
    fs::write(root.join("bulk"), bytes).unwrap();
}

fn refused(name: &str, store: &Store, words: &str, message: &str) -> Vm {
    let image = build(name, store);
    let words = format!("isolde.onfail=poweroff {words}");
    assert_refused(&small::machine(name, &words).disk(stick(&image)), message)
}

fn store() -> Store {
    Store::new(FileSystem::Ext4, "STICK")
}

#[test]
fn no_store() {
    let words = "isolde.image=/x.iso isolde.store=LABEL=NOWHERE isolde.wait=4";
    let message =
        r#"isolde: store: find the store: no file system labelled "NOWHERE" after \d+ s; saw .*/dev/sda1 ext4 "STICK""#;
    let mut vm = refused("no-store", &store().bytes("/note", b"nothing"), words, message);
    vm.wait_for_end(REFUSAL).unwrap();
}

#[test]
fn no_such_file() {
    let words = format!("findiso={PATH} isolde.store=LABEL=STICK");
    let message =
        r#"isolde: store: find the image: /dev/sda1 ext4 "STICK" .* has no file /boot/iso/x.iso; beside it: other.iso"#;
    let other = store().bytes("/boot/iso/other.iso", b"another one");
    refused("no-file", &other, &words, message);
}

#[test]
fn a_truncated_image() {
    let whole = fs::read(small_iso("whole", bulk)).unwrap();
    let message = r"isolde: image: open the image /run/isolde/store/boot/iso/x.iso: the file ends at byte \d+, its file system needs \d+";
    let cut = store().bytes(PATH, &whole[..whole.len() / 2]);
    refused("truncated", &cut, &format!("findiso={PATH}"), message);
}

#[test]
fn a_changed_byte_under_require() {
    let mut bytes = fs::read(small_iso("changed", bulk)).unwrap();
    let digest = blake3::hash(&bytes).to_hex().to_string();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let changed = store().bytes(PATH, &bytes).bytes("/boot/iso/x.iso.b3", format!("{digest}  x.iso\n").as_bytes());
    let message = format!("isolde: verify: check {PATH}: .*{PATH}.b3 names: wanted BLAKE3 {digest}, got ");
    let words = format!("findiso={PATH} isolde.verify=require");
    refused("changed", &changed, &words, &message);
}

#[test]
fn no_checksum_under_require() {
    let bytes = fs::read(small_iso("unsummed", bulk)).unwrap();
    let message = format!(
        "isolde: verify: check {PATH}: isolde.verify=require and no checksum; looked at {PATH}.b3, /boot/iso/B3SUMS"
    );
    let words = format!("findiso={PATH} isolde.verify=require");
    refused("unsummed", &store().bytes(PATH, &bytes), &words, &message);
}

#[test]
fn a_damaged_squashfs() {
    let image = small_iso("damaged", bulk);
    let mut bytes = fs::read(image).unwrap();
    // The squashfs inside starts with its magic at a block of the ISO; everything behind its superblock goes.
    let at = bytes.chunks(2048).position(|block| block.starts_with(b"hsqs")).unwrap() * 2048;
    bytes[at + 96..].fill(0xa5);
    let message = "isolde: layers: mount -t squashfs -o ro,loop /run/live/medium/live/filesystem.squashfs .*: ";
    let words = format!("rdinit=/isolde/init isolde.onfail=poweroff findiso={PATH}");
    let image = build("damaged", &store().bytes(PATH, &bytes));
    let machine = small::with_second_initrd("damaged", &second_initrd(Form::Rdinit), &words).disk(stick(&image));
    let mut vm = machine.start().unwrap();
    vm.wait_for(message, REFUSAL).unwrap();
    vm.wait_for("isolde: powering off in ", REFUSAL).unwrap();
}

#[test]
fn no_init_in_the_root() {
    let bytes = fs::read(small_iso("no-init", bulk)).unwrap();
    let message = "isolde: root: choose the init: no init in the root; tried /sbin/init, /etc/init, /bin/init, /bin/sh";
    let words = format!("findiso={PATH}");
    refused("no-init", &store().bytes(PATH, &bytes), &words, message);
}

#[test]
fn a_wrong_parameter() {
    let message =
        r"isolde: cmdline: parse the kernel command line: isolde.verify=maybe: wanted auto\|require\|signed\|off";
    refused("wrong-word", &store(), "isolde.verify=maybe", message);
}

#[test]
fn the_emergency_shell_of_the_initramfs() {
    let words = "isolde.image=/x.iso isolde.wait=1 isolde.onfail=shell";
    let parts = Base::InitramfsTools.parts().unwrap();
    let initrds = [&*parts.initrd, &*second_initrd(Form::Init)];
    let mut vm = Machine::direct("shell", &folder(), &parts.kernel, &initrds, words).processors(1).start().unwrap();
    vm.wait_for("isolde: store: find the store: no file system with the file /x.iso", REFUSAL).unwrap();
    vm.wait_for("isolde: starting a shell; exit it for the menu", REFUSAL).unwrap();
    vm.wait_for("# ", REFUSAL).unwrap();
    vm.type_on_console("echo sum is $((6*7)); ls -d /sys/class/block; exit\n").unwrap();
    vm.wait_for("sum is 42", REFUSAL).unwrap();
    vm.wait_for("press a key: ", REFUSAL).unwrap();
    vm.type_on_console("b").unwrap();
    vm.wait_for("isolde: rebooting in ", REFUSAL).unwrap();
    vm.wait_for_end(REFUSAL).unwrap();
}
