//! Further initrds for these tests: the modules that a small initrd lacks, and single files.

use anyhow::{Context, Result};
use isolde_qemu::cache::{cached, digest};
use isolde_qemu::fixtures;
use isolde_qemu::tool::{command, run};
use std::fs;
use std::path::{Path, PathBuf};

/// What a mapped device needs, as far as the kernel has it as a module, with what that needs.
const MODULES: &str = "dm_mod dm_crypt xts essiv cbc ecb aes_generic aesni_intel sha256_generic sha256_ssse3 authenc";

/// In the folder $1: the modules of the initrd $2, those named in $4 out of the root of the ISO $3, and depmod's index of
/// all, packed as $5.
const SCRIPT: &str = r#"set -eu
cd "$1"
xorriso -osirrox on -indev "$3" -extract /live/filesystem.squashfs root.squashfs 2>/dev/null
unsquashfs -q -n -d root root.squashfs usr/lib/modules >/dev/null
mkdir tree
cd tree
cpio -idm --quiet 'usr/lib/modules/*' <"$2"
version=$(ls usr/lib/modules)
awk -v names=" $4 " '{
    name = $1; gsub(/.*\/|\.ko.*/, "", name); gsub(/-/, "_", name); sub(/:/, "", $1)
    if (index(names, " " name " ")) for (i = 1; i <= NF; i++) print $i
}' "../root/usr/lib/modules/$version/modules.dep" | sort -u | while read -r module; do
    mkdir -p "usr/lib/modules/$version/${module%/*}"
    cp "../root/usr/lib/modules/$version/$module" "usr/lib/modules/$version/$module"
done
mkdir lib
ln -s ../usr/lib/modules lib/modules
PATH=$PATH:/usr/sbin:/sbin depmod -b . "$version"
rm -r lib
find . -mindepth 1 | LC_ALL=C sort | cpio -o -H newc --quiet >"$5"
"#;

/// The modules of an initrd and those of mapped devices.
pub fn modules(base: &Path) -> Result<PathBuf> {
    let iso = fixtures::debian()?.path;
    let bytes = fs::read(base).with_context(|| format!("read {}", base.display()))?;
    let recipe = format!("{}\n{}\n{MODULES}\n{SCRIPT}", digest(&bytes), iso.display());
    let folder = cached("containers-initrd", &recipe, |folder| {
        let work = tempfile::tempdir().context("a work folder")?;
        let mut pack = command("sh");
        pack.args(["-c", SCRIPT, "sh"]).arg(work.path()).arg(base).arg(iso).arg(MODULES).arg(folder.join("initrd"));
        run("initrd with the device mapper", &mut pack).map(drop)
    })?;
    Ok(folder.join("initrd"))
}

/// One file as an initrd of its own.
pub fn file(name: &str, path: &str, bytes: &[u8]) -> Result<PathBuf> {
    let work = tempfile::tempdir().context("a work folder")?;
    let at = work.path().join(path);
    fs::create_dir_all(at.parent().context("the file's folder")?)?;
    fs::write(&at, bytes)?;
    let to = super::folder().join(format!("{name}.key.initrd"));
    let script = "cd \"$1\" && find . -mindepth 1 | cpio -o -H newc --quiet >\"$2\"";
    run("initrd with one file", command("sh").args(["-c", script, "sh"]).arg(work.path()).arg(&to))?;
    Ok(to)
}
