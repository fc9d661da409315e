//! Media that are no live systems of a known family: installers, Windows, and one that nobody knows.

use super::{Base, Sample, Tree};

pub(super) fn samples() -> Vec<Sample> {
    let anaconda = Tree::new()
        .bytes("images/install.img", *b"hsqs")
        .text("images/pxeboot/vmlinuz", "kernel")
        .text(".treeinfo", "[general]\nfamily = Fedora\nversion = 40\n");
    let debian =
        Tree::new().text("install.amd/vmlinuz", "kernel").folder("pool/main").text(".disk/info", "Debian GNU/Linux 12");
    // Setup and boot manager; the file system of a real one is UDF.
    let windows = Tree::new().text("bootmgr", "BOOTMGR").text("sources/boot.wim", "MSWIM").text("setup.exe", "MZ");
    let unknown = Tree::new().text("README.txt", "Photographs of 2019\n").folder("2019");
    vec![
        stranger("anaconda", "Fedora-S-dvd-x86_64-40", "images/pxeboot/initrd.img", anaconda),
        stranger("debian-installer", "Debian 12.5.0 amd64 n", "install.amd/initrd.gz", debian),
        stranger("windows", "CCCOMA_X64FRE_EN-US_DV9", "sources/none", windows),
        stranger("unknown", "PHOTOGRAPHS", "2019/initrd", unknown),
    ]
}

fn stranger(name: &'static str, label: &'static str, initrd_path: &'static str, medium: Tree) -> Sample {
    Sample {
        name,
        label,
        words: "isolde.image=$P",
        base: Base::InitramfsTools,
        medium,
        initrd_path,
        initrd: Tree::new(),
        scripts: Tree::new(),
    }
}
