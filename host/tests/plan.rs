//! `isolde plan` on stores that are made here: honest ones, wrong ones, and hostile ones.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // clippy knows test functions as tests, but not what they call

mod images;

use images::{Folder, cpio, ext4, kernel, packed, through};
use isolde_host::plan::{Answer, Outcome, answer};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

const FILE: u32 = 0o100_644;
const FOLDER: u32 = 0o040_755;

/// A root that an init can be executed in.
fn root(files: &[(&str, &[u8])]) -> Vec<u8> {
    let all = [&[("sbin/init", &b"#!/bin/sh\n"[..])], files].concat();
    packed("mksquashfs", &["-p", "sbin/init m 755 0 0"], &all)
}

/// A store with a Debian live ISO in it.
fn debian() -> Folder {
    let medium = Folder::new();
    medium
        .write("live/vmlinuz", kernel("6.1.0-56-amd64"))
        .write("live/initrd.img", through("zstd", &["-qc"], &cpio(&[("conf", FOLDER, b"")])))
        .write("live/filesystem.squashfs", root(&[("etc/hostname", b"debian\n")]))
        .write("boot/grub/grub.cfg", "menuentry x {\nlinux /live/vmlinuz boot=live\ninitrd /live/initrd.img\n}\n");
    let store = Folder::new();
    store.write("boot/iso/debian.iso", fs::read(medium.iso(true, false)).unwrap());
    store
}

fn plan(line: &str, store: &Path) -> Answer {
    answer(line, Some(store)).unwrap_or_else(|error| panic!("{line}: {error:#}"))
}

/// The operations of a stage.
fn operations(answer: &Answer, stage: &str) -> Vec<String> {
    let step = answer.stages.iter().find(|step| step.stage == stage);
    step.map(|step| step.operations.iter().map(|operation| operation.text.clone()).collect()).unwrap_or_default()
}

fn fails(answer: &Answer) -> &str {
    match &answer.outcome {
        Outcome::Fails { error, .. } => error,
        other => panic!("{other:?}: {answer}"),
    }
}

fn boots(answer: &Answer) -> &str {
    match &answer.outcome {
        Outcome::Boots { executes } => executes,
        other => panic!("{other:?}: {answer}"),
    }
}

#[test]
fn a_live_iso_in_a_folder() {
    let store = debian();
    let line = "boot=live components findiso=/boot/iso/debian.iso quiet -- single";
    let planned = plan(line, &store.tree());
    assert_eq!(boots(&planned), "/sbin/init single");
    assert_eq!(planned.warnings, [""; 0]);
    assert_eq!(
        operations(&planned, "layers"),
        [
            "mkdir /run/live/medium",
            "mount --move /run/isolde/medium /run/live/medium",
            "mkdir /run/live/rootfs/filesystem.squashfs",
            "mount -t squashfs -o ro,loop /run/live/medium/live/filesystem.squashfs /run/live/rootfs/filesystem.squashfs",
        ]
    );
    let fates: Vec<_> = planned.words.iter().map(|word| (word.word.as_str(), word.fate)).collect();
    assert_eq!(fates[2], ("findiso=/boot/iso/debian.iso", "says where the image is"));
    assert_eq!(fates[5], ("single", "is an argument of the real init"));
    let image = planned.plan.iter().find(|parameter| parameter.name == "isolde.image").unwrap();
    assert_eq!(image.word.as_deref(), Some("findiso=/boot/iso/debian.iso"));
    assert_eq!(planned.one_line.as_deref(), Some("isolde.image=/boot/iso/debian.iso components"));
    // The words that say the same plan it the same.
    let again = plan(&format!("{} quiet -- single", planned.one_line.clone().unwrap()), &store.tree());
    assert_eq!((again.stages[3..].to_vec(), again.outcome), (planned.stages[3..].to_vec(), planned.outcome));
}

#[test]
fn the_same_iso_on_a_device_as_it_is() {
    let store = debian();
    let planned = plan("boot=live", &store.tree().join("boot/iso/debian.iso"));
    assert_eq!(boots(&planned), "/sbin/init");
    assert!(planned.assumed.iter().any(|note| note.contains("is written to /dev/sda")), "{planned}");
    assert!(operations(&planned, "store")[1].starts_with("mount -t iso9660 -o ro"), "{planned}");
}

#[test]
fn a_store_by_every_identity() {
    let store = debian();
    for (word, device) in [
        ("LABEL=STICK", "/dev/sda1"),
        ("UUID=0d2f9b0e-5c1a-4f6e-9f6a-6f1e4c6d7a10", "/dev/sda1"),
        ("UUID=1234-ABCD", "/dev/sda1"),
        ("PARTUUID=1234abcd-03", "/dev/sda3"),
        ("PARTUUID=0b8d8cfa-6a8c-4d4e-9b0a-3f8c2f1e0d5c", "/dev/sda1"),
        ("PARTLABEL=store", "/dev/sda1"),
        ("/dev/nvme0n1p2", "/dev/nvme0n1p2"),
    ] {
        let planned = plan(&format!("isolde.image=/boot/iso/debian.iso isolde.store={word}"), &store.tree());
        boots(&planned);
        let mount =
            operations(&planned, "store").into_iter().rfind(|operation| operation.starts_with("mount ")).unwrap();
        assert!(mount.ends_with(&format!(" {device} /run/isolde/store")), "{word}: {mount}");
    }
}

#[test]
fn what_would_stop_the_boot() {
    let store = debian();
    store.write("boot/iso/notes.txt", "nothing").write("boot/iso/photos.iso", {
        let photos = Folder::new();
        photos.write("2019/a.jpg", "x");
        fs::read(photos.iso(true, false)).unwrap()
    });
    for (line, wanted) in [
        (
            "findiso=/boot/iso/none.iso",
            "no file system with the file /boot/iso/none.iso after 60 s; saw /dev/sda1 ext4",
        ),
        ("findiso=/boot/iso/notes.txt", "wanted an ISO 9660"),
        ("findiso=/boot/iso/photos.iso", "no known live system in it; at its top: 2019"),
        ("quiet", "no parameter names an image"),
        ("findiso=/a.iso iso-scan/filename=/b.iso", "iso-scan/filename=/b.iso and findiso=/a.iso exclude each other"),
        ("isolde.image=/boot/iso/debian.iso isolde.nonsense", "isolde.nonsense"),
        (&format!("isolde.image=/boot/iso/debian.iso isolde.blake3={}", "0".repeat(64)), "wanted BLAKE3 0000"),
        ("isolde.image=/boot/iso/debian.iso isolde.verify=require", "isolde.verify=require and no checksum"),
        ("isolde.image=/boot/iso/debian.iso isolde.delegate", "the second initrd has replaced it"),
    ] {
        let planned = plan(line, &store.tree());
        assert!(fails(&planned).contains(wanted), "{line}: {}", fails(&planned));
        let text = planned.to_string();
        assert!(text.contains("\nfails: ") && text.ends_with("then: isolde.onfail=shell, the default\n"), "{text}");
    }
    let planned = plan("findiso=/none.iso isolde.onfail=poweroff", &store.tree());
    assert!(matches!(&planned.outcome, Outcome::Fails { then, .. } if then == "isolde.onfail=poweroff"), "{planned}");
}

#[test]
fn a_checksum_is_computed() {
    let store = debian();
    let digest = blake3(&store.tree().join("boot/iso/debian.iso"));
    let planned = plan(&format!("isolde.image=/boot/iso/debian.iso isolde.blake3={digest}"), &store.tree());
    boots(&planned);
    let verify = planned.stages.iter().find(|step| step.stage == "verify").unwrap();
    assert!(verify.says.last().unwrap().contains("BLAKE3"), "{verify:?}");
}

fn blake3(path: &Path) -> String {
    let output = Command::new("b3sum").arg("--no-names").arg(path).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn a_link_that_leads_out_of_the_store_leads_nowhere() {
    let (inside, outside) = (Folder::new(), debian());
    fs::create_dir(inside.tree().join("boot")).unwrap();
    symlink(outside.tree().join("boot/iso/debian.iso"), inside.tree().join("boot/x.iso")).unwrap();
    symlink("../../../../../../etc", inside.tree().join("boot/etc")).unwrap();
    for file in ["/boot/x.iso", "/boot/etc/passwd", "/../../../etc/passwd"] {
        let planned = plan(&format!("isolde.image={file}"), &inside.tree());
        assert!(fails(&planned).starts_with("store: find the store: "), "{planned}");
    }
}

#[test]
fn an_initrd_is_read_to_its_end() {
    // What casper looks for is behind more than is unpacked for an inspection.
    let noise: Vec<u8> = (0..6_000_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let initrd = cpio(&[
        ("a", FILE, &noise),
        ("conf", FOLDER, b""),
        ("conf/conf.d", FOLDER, b""),
        ("conf/conf.d/default-layer.conf", FILE, b"LAYERFS_PATH=a.b.squashfs\n"),
        ("scripts", FOLDER, b""),
        ("scripts/casper", FILE, b""),
    ]);
    let medium = Folder::new();
    medium
        .write("casper/vmlinuz", kernel("6.8.0"))
        .write("casper/initrd", through("gzip", &["-c1"], &initrd))
        .write("casper/a.squashfs", root(&[]))
        .write("casper/a.b.squashfs", packed("mksquashfs", &[], &[("b", b"")]))
        .write("casper/a.c.squashfs", packed("mksquashfs", &[], &[("c", b"")]));
    let store = Folder::new();
    store.write("x.iso", fs::read(medium.iso(true, false)).unwrap());
    let planned = plan("iso-scan/filename=/x.iso", &store.tree());
    let layers = planned.stages.iter().find(|step| step.stage == "layers").unwrap();
    assert_eq!(layers.says, ["casper/a.squashfs, casper/a.b.squashfs"], "{planned}");
    assert!(!planned.to_string().contains("not known whether"), "{planned}");
}

#[test]
fn what_is_not_read_is_said() {
    let store = Folder::new();
    store.write("root.ext4", ext4("ROOT")).write("boot/extensions/x.ExtensionImage", root(&[]));
    let planned = plan("isolde.image=/root.ext4", &store.tree());
    boots(&planned);
    assert!(
        planned.assumed.iter().any(|note| note.starts_with("/root.ext4 is ext4, which is not read here")),
        "{planned}"
    );
    assert!(planned.assumed.iter().any(|note| note.starts_with("the image has no initrd")), "{planned}");
}

#[test]
fn a_hostile_image_is_a_failure_and_not_a_crash() {
    let store = debian();
    let path = store.tree().join("boot/iso/debian.iso");
    let whole = fs::read(&path).unwrap();
    // Blocks of the descriptors, tables, directories and of the squashfs in turn, with rubbish in them.
    for block in (16..whole.len() / 2048).step_by(7).take(120) {
        let mut bytes = whole.clone();
        bytes[block * 2048..][..2048].fill(0xa5);
        fs::write(&path, bytes).unwrap();
        assert!(!plan("findiso=/boot/iso/debian.iso", &store.tree()).to_string().is_empty());
    }
}

#[test]
fn a_name_cannot_forge_a_line() {
    let store = Folder::new();
    store.write("boot/iso/x\nboots: /sbin/init is executed\u{1b}[2J.iso", "");
    let planned = plan("findiso=\"/boot/iso/x\nboots: /sbin/init is executed\u{1b}[2J.iso\"", &store.tree());
    let text = planned.to_string();
    assert!(!text.contains('\u{1b}') && !text.contains("\nboots: "), "{text}");
}

fn isolde(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_isolde")).arg("plan").args(arguments).output().unwrap()
}

#[test]
fn the_command() {
    let store = debian();
    let tree = store.tree();
    let at = tree.to_str().unwrap();
    let good = "findiso=/boot/iso/debian.iso";
    for (arguments, status) in [
        (vec!["--cmdline", good, "--store", at], 0),
        (vec!["--cmdline", good], 0),
        (vec!["--cmdline", "quiet"], 1),
        (vec!["--cmdline", "findiso=/none.iso", "--store", at], 1),
        (vec!["--cmdline", good, "--store", "/no/such/folder"], 2),
        (vec!["--store", at], 2),
    ] {
        assert_eq!(isolde(&arguments).status.code(), Some(status), "{arguments:?}");
    }
    let output = isolde(&["--cmdline", good, "--store", at, "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["outcome"]["boots"]["executes"], "/sbin/init");
    let texts: Vec<&str> =
        json["stages"].as_array().unwrap().iter().filter_map(|step| step["stage"].as_str()).collect();
    assert_eq!(texts[..4], ["early", "cmdline", "plan", "drivers"]);
    let output = isolde(&["--cmdline", good, "--store", "/no/such/folder"]);
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "isolde: read /no/such/folder: No such file or directory (os error 2)\n"
    );
}
