//! One function for each file system: makes it and fills it from a folder, without mounting it.
//!
//! Takes   [`Parameters`]; the image has its size already, but for the packed ones.
//! Gives   the image, its files owned by root where it has owners.
//! Fails   when a program is missing, or the file system cannot hold what is asked for: NTFS takes files at its top only
//!         (ntfscp makes no folders), XFS no names with blanks (mkfs.xfs reads them from a list of words).

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use super::filesystem::{Parameters, fill_vfat};
use super::{FileSystem, exfat};
use crate::tool::{command, run, text};

pub(super) fn make(parameters: &Parameters<'_>) -> Result<()> {
    match parameters.file_system {
        FileSystem::Ext2 => ext("ext2", parameters),
        FileSystem::Ext3 => ext("ext3", parameters),
        FileSystem::Ext4 => ext("ext4", parameters),
        FileSystem::Vfat => vfat(parameters),
        FileSystem::Exfat => exfat(parameters),
        FileSystem::Ntfs => ntfs(parameters),
        FileSystem::Btrfs => btrfs(parameters),
        FileSystem::Xfs => xfs(parameters),
        FileSystem::F2fs => f2fs(parameters),
        FileSystem::Iso9660 => iso9660(parameters),
        FileSystem::Udf => udf(parameters),
        FileSystem::Squashfs => squashfs(parameters),
        FileSystem::Erofs => erofs(parameters),
    }
}

fn ext(kind: &str, parameters: &Parameters<'_>) -> Result<()> {
    // fakeroot: the files belong to root although an ordinary user has staged them.
    const SCRIPT: &str = r#"chown -R 0:0 "$1"; shift; exec mke2fs "$@""#;
    let staging = text(parameters.staging)?;
    let mut mke2fs = command("fakeroot");
    mke2fs.args(["--", "sh", "-c", SCRIPT, "sh", staging]);
    // Blocks of 4 KiB: mke2fs would take 1 KiB for a small file system, and four times as long to fill it.
    mke2fs.args(["-q", "-F", "-t", kind, "-b", "4096", "-d", staging, "-L", parameters.label]);
    run(kind, mke2fs.args(["-U", parameters.uuid.unwrap_or("random")]).arg(parameters.to)).map(drop)
}

fn vfat(parameters: &Parameters<'_>) -> Result<()> {
    let mut mkfs = command("mkfs.vfat");
    mkfs.args(["-F", "32", "-n", parameters.label]);
    if let Some(id) = parameters.uuid {
        mkfs.args(["-i", &id.replace('-', "")]);
    }
    run("FAT", mkfs.arg(parameters.to))?;
    fill_vfat(parameters.staging, parameters.to)
}

fn exfat(parameters: &Parameters<'_>) -> Result<()> {
    run("exFAT", command("mkfs.exfat").args(["-L", parameters.label]).arg(parameters.to))?;
    if let Some(id) = parameters.uuid {
        let serial = format!("0x{}", id.replace('-', ""));
        run("exFAT serial", command("tune.exfat").args(["-I", &serial]).arg(parameters.to))?;
    }
    exfat::fill(parameters.to, parameters.staging)
}

fn ntfs(parameters: &Parameters<'_>) -> Result<()> {
    run("NTFS", command("mkntfs").args(["-q", "-F", "-Q", "-L", parameters.label]).arg(parameters.to))?;
    if let Some(id) = parameters.uuid {
        let mut label = command("ntfslabel");
        run("NTFS serial", label.arg(format!("--new-serial={id}")).arg(parameters.to))?;
    }
    for file in fs::read_dir(parameters.staging).context("list the staged files")? {
        let file = file.context("list the staged files")?.path();
        ensure!(file.is_file(), "{}: NTFS stores have files at their top only", file.display());
        let name = file.file_name().context("name of a staged file")?;
        let mut ntfscp = command("ntfscp");
        ntfscp.args(["-q", "-f"]).arg(parameters.to).arg(&file).arg(name);
        // The locale says how the name is encoded.
        run("NTFS file", ntfscp.env("LC_ALL", "C.UTF-8"))?;
    }
    Ok(())
}

fn btrfs(parameters: &Parameters<'_>) -> Result<()> {
    let mut mkfs = command("mkfs.btrfs");
    mkfs.args(["-q", "-f", "-L", parameters.label, "--rootdir", text(parameters.staging)?]);
    if let Some(id) = parameters.uuid {
        mkfs.args(["-U", id]);
    }
    run("btrfs", mkfs.arg(parameters.to)).map(drop)
}

fn xfs(parameters: &Parameters<'_>) -> Result<()> {
    let list = parameters.to.with_extension("prototype");
    // A boot block and sizes, which mkfs.xfs reads and ignores; then the root and what is in it.
    let text = format!("none\n0 0\n{}", prototype("", parameters.staging)?);
    fs::write(&list, text).context("write the list of files")?;
    let mut mkfs = command("mkfs.xfs");
    mkfs.args(["-q", "-f", "-L", parameters.label, "-p"]).arg(&list);
    if let Some(id) = parameters.uuid {
        mkfs.args(["-m", &format!("uuid={id}")]);
    }
    run("XFS", mkfs.arg(parameters.to))?;
    fs::remove_file(&list).context("remove the list of files")
}

/// What mkfs.xfs(8) calls a protofile, for one folder: name, kind and mode, owners, and its content up to a `$`.
fn prototype(name: &str, folder: &Path) -> Result<String> {
    let mut lines = format!("{name} d--755 0 0\n");
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))? {
        paths.push(entry.context("list the staged files")?.path());
    }
    paths.sort();
    for path in paths {
        let name = path.file_name().and_then(|name| name.to_str()).context("a name that is not UTF-8")?;
        let place = text(&path)?;
        ensure!(!place.contains(char::is_whitespace), "{place}: XFS stores have no names with blanks");
        if path.is_dir() {
            lines.push_str(&prototype(name, &path)?);
        } else {
            lines.push_str(&format!("{name} ---644 0 0 {place}\n"));
        }
    }
    Ok(lines + "$\n")
}

fn f2fs(parameters: &Parameters<'_>) -> Result<()> {
    let mut mkfs = command("mkfs.f2fs");
    mkfs.args(["-q", "-f", "-l", parameters.label]);
    if let Some(id) = parameters.uuid {
        mkfs.args(["-U", id]);
    }
    run("F2FS", mkfs.arg(parameters.to))?;
    run("F2FS files", command("sload.f2fs").arg("-f").arg(parameters.staging).arg(parameters.to)).map(drop)
}

fn iso9660(parameters: &Parameters<'_>) -> Result<()> {
    no_uuid(parameters)?;
    let mut xorriso = command("xorriso");
    xorriso.args(["-as", "mkisofs", "-quiet", "-iso-level", "3", "-R", "-V", parameters.label, "-o"]);
    run("ISO 9660", xorriso.arg(parameters.to).arg(parameters.staging)).map(drop)
}

/// Sectors of a disc, in bytes.
const DISC_SECTOR: usize = 2048;
/// Where the descriptors begin that say what a disc holds (ECMA-167, 2/8.4).
const DESCRIPTORS: u64 = 16 * 2048;
/// Sectors that are looked at for them.
const LOOKED_AT: usize = 8;

/// A disc that is both ISO 9660 and UDF, without the former: genisoimage makes no other, and mkudffs no files.
fn udf(parameters: &Parameters<'_>) -> Result<()> {
    no_uuid(parameters)?;
    let mut genisoimage = command("genisoimage");
    genisoimage.args(["-quiet", "-udf", "-input-charset", "utf-8", "-V", parameters.label, "-o"]);
    run("UDF", genisoimage.arg(parameters.to).arg(parameters.staging))?;
    let image = OpenOptions::new().read(true).write(true).open(parameters.to).context("open the UDF image")?;
    let mut bytes = vec![0; LOOKED_AT * DISC_SECTOR];
    image.read_exact_at(&mut bytes, DESCRIPTORS).context("read the descriptors")?;
    let of_udf = bytes.chunks_exact(DISC_SECTOR).filter(|sector| sector.get(1..6) != Some(b"CD001".as_slice()));
    let mut kept: Vec<u8> = of_udf.flatten().copied().collect();
    ensure!(kept.get(1..6) == Some(b"BEA01".as_slice()), "genisoimage has made no UDF");
    kept.resize(bytes.len(), 0);
    image.write_all_at(&kept, DESCRIPTORS).context("write the descriptors")
}

fn squashfs(parameters: &Parameters<'_>) -> Result<()> {
    no_uuid(parameters)?;
    let mut mksquashfs = command("mksquashfs");
    mksquashfs.arg(parameters.staging).arg(parameters.to);
    // What is stored is compressed already.
    run(
        "squashfs",
        mksquashfs.args(["-all-root", "-noappend", "-noI", "-noD", "-noF", "-noX", "-no-progress", "-quiet"]),
    )
    .map(drop)
}

fn erofs(parameters: &Parameters<'_>) -> Result<()> {
    let mut mkfs = command("mkfs.erofs");
    mkfs.args(["--all-root", "--quiet"]);
    if let Some(id) = parameters.uuid {
        mkfs.arg(format!("-U{id}"));
    }
    run("EROFS", mkfs.arg(parameters.to).arg(parameters.staging)).map(drop)
}

fn no_uuid(parameters: &Parameters<'_>) -> Result<()> {
    if parameters.uuid.is_some() {
        bail!("{:?} has no UUID that could be chosen", parameters.file_system);
    }
    Ok(())
}
