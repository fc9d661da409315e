//! The recipe of docs/trust.md, from the key to a whole live system that boots signed; and, after it, what that system says
//! of a block that goes bad later.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests; clippy.toml does not see this file as one")]

use crate::common::{BOOT, Booted, build, folder, init, isolde, stick};
use isolde::formats::manifest::{PLACE, SIGNATURE};
use isolde_qemu::fixtures;
use isolde_qemu::machine::Machine;
use isolde_qemu::store::{FileSystem, Store};
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

const IMAGE: &str = "boot/iso/debian.iso";
/// Where the recipe has the store.
const STICK: &str = "/media/stick";

/// The commands of the document's recipe.
fn recipe() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/trust.md");
    let text = fs::read_to_string(path).unwrap();
    let (_, chapter) = text.split_once("\n## The recipe\n").unwrap();
    let chapter = chapter.split("\n## ").next().unwrap();
    let commands: Vec<String> =
        chapter.lines().filter_map(|line| line.strip_prefix("    ")).map(str::to_owned).collect();
    assert!(commands.len() > 3 && commands.iter().all(|line| line.starts_with("isolde ")), "{commands:?}");
    commands
}

/// Runs them in a folder, with the store in another.
fn follow(work: &Path, store: &Path) {
    // isolde takes the init that is beside it.
    let programs = work.join("programs");
    fs::create_dir(&programs).unwrap();
    fs::copy(isolde(), programs.join("isolde")).unwrap();
    fs::copy(init(), programs.join("isolde-init")).unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    for command in recipe() {
        let command = command.replace(STICK, store.to_str().unwrap());
        let done = Command::new("sh").args(["-c", &command]).current_dir(work).env("PATH", &path).output().unwrap();
        assert!(done.status.success(), "{command}: {}", String::from_utf8_lossy(&done.stderr));
    }
}

/// A place in the ISO that only a boot loader reads: the middle of its own initrd.
fn late(image: &Path, initrd: &Path) -> u64 {
    const SECTOR: usize = 2048;
    let initrd = fs::read(initrd).unwrap();
    let middle = initrd.len() / 2 / SECTOR * SECTOR;
    let wanted = &initrd[middle..middle + SECTOR];
    let place = fs::read(image).unwrap().chunks(SECTOR).position(|sector| sector == wanted).unwrap();
    (place * SECTOR) as u64
}

#[test]
fn the_recipe_boots_and_a_late_bad_block_is_named() {
    let iso = fixtures::debian().unwrap();
    let work = tempfile::tempdir_in(folder()).unwrap();
    let store = work.path().join("stick");
    let image = store.join(IMAGE);
    fs::create_dir_all(image.parent().unwrap()).unwrap();
    fs::copy(&iso.path, &image).unwrap();
    follow(work.path(), &store);

    let at = late(&image, &iso.initrd);
    let file = fs::File::options().read(true).write(true).open(&image).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
    drop(file);
    let sealed = [IMAGE.to_owned(), format!("{IMAGE}.verity"), PLACE.to_owned(), SIGNATURE.to_owned()];
    let disk = sealed
        .iter()
        .fold(Store::new(FileSystem::Ext4, "STICK"), |disk, path| disk.copy(&format!("/{path}"), &store.join(path)));
    let disk = build("trust-recipe", &disk);

    let ours = work.path().join("isolde.img");
    let words = format!("boot=live nocomponents findiso=/{IMAGE}");
    let machine = Machine::direct("trust-recipe", &folder(), &iso.kernel, &[&iso.initrd, &ours], &words);
    let mut booted = Booted::start(&machine.disk(stick(&disk)));
    let check = booted.report()["check"].clone();
    assert_eq!(check["policy"], "signed");
    let key = fs::read_to_string(work.path().join("owner.pub")).unwrap();
    assert_eq!(check["signed_by"].as_str(), key.lines().next().unwrap().rsplit(' ').next());
    assert!(check["verity_root"].is_string(), "{check}");
    assert_eq!(booted.mount_at("/run/live/medium"), "iso9660 /dev/dm-0");
    // The tools of the running system know the device for what it is.
    assert_eq!(booted.ask("dmsetup info -c --noheadings -o uuid isolde-image | cut -d - -f 1,2"), "CRYPT-VERITY");
    booted.assert_clean();

    let answer = booted.shell.run("cat /run/live/medium/live/initrd.img >/dev/null").unwrap();
    assert!(answer.status != 0 && answer.output.contains("Input/output error"), "{}", answer.output);
    // udev does it, a moment later.
    let size: u64 = 2048;
    let pattern = format!("isolde: /{IMAGE}: data block [0-9]* is not the one that was sealed, byte [0-9]*");
    let text = booted.shell.run_within(
        &format!("for n in 1 2 3 4 5 6 7 8 9; do dmesg | grep -o '{pattern}' && break; sleep 2; done"),
        BOOT,
    );
    let text = text.unwrap().output;
    let line = text.lines().next().unwrap_or_else(|| panic!("no line of udev: {text}"));
    let byte: u64 = line.rsplit(' ').next().unwrap().parse().unwrap();
    assert!((byte..byte + 2 * size).contains(&at), "{line}, byte {at} was changed");
    booted.power_off();
    // What was sealed is proved by the host as well: it names the same file.
    let mut verify = Command::new(isolde());
    let done = verify.arg("verify").arg(&store).arg("--key").arg(work.path().join("owner.pub")).output().unwrap();
    assert_eq!(done.status.code(), Some(1));
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(said.contains(IMAGE), "{said}");
}
