//! Image files that lie oddly: in pieces, or beyond 4 GiB.
//!
//! Takes   a small ISO.
//! Gives   a disk with that ISO in many pieces; or the ISO grown over 4 GiB, sparse, with what matters at its end.
//! Fails   when debugfs is missing, or the ISO has not the file that is moved.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::MIB;
use crate::tool::{command, run, text};

/// Bytes of the disk, and of a piece of free space in it.
const DISK: u64 = 24 * MIB;
const PIECE: usize = 16 << 10;

/// An ext4 disk whose free space is all in pieces of 16 KiB, and the ISO written into them at its top.
///
/// # Errors
/// When mke2fs or debugfs is missing or fails.
pub fn fragmented(iso: &Path, name: &str, uuid: &str, to: &Path) -> Result<()> {
    File::create(to).and_then(|file| file.set_len(DISK)).with_context(|| format!("create {}", to.display()))?;
    let mut mke2fs = command("mke2fs");
    // Many small files want inodes; a journal or groups would leave larger free spaces.
    mke2fs.args(["-q", "-F", "-t", "ext4", "-b", "4096", "-N", "2048", "-m", "0", "-O", "^has_journal", "-U", uuid]);
    run("ext4", mke2fs.arg(to))?;
    let work = tempfile::tempdir().context("a work folder")?;
    let piece = work.path().join("piece");
    fs::write(&piece, vec![0xa5; PIECE]).context("write a piece")?;
    let count = DISK / PIECE as u64;
    let fill: String = (0..count).map(|n| format!("write {} {n}\n", piece.display())).collect();
    // The last ones find no room, which debugfs says and goes on.
    debugfs(to, work.path(), &fill)?;
    let thin: String = (0..count).step_by(2).map(|n| format!("rm {n}\n")).collect();
    debugfs(to, work.path(), &thin)?;
    debugfs(to, work.path(), &format!("write {} {name}\n", text(iso)?))?;
    run("check of ext4", command("e2fsck").args(["-f", "-n"]).arg(to)).map(drop)
}

fn debugfs(image: &Path, work: &Path, commands: &str) -> Result<()> {
    let script = work.join("commands");
    fs::write(&script, commands).context("write debugfs' commands")?;
    run("files in ext4", command("debugfs").arg("-w").arg("-f").arg(&script).arg(image)).map(drop)
}

/// Bytes of a block of ISO 9660, and where its first descriptor is.
const BLOCK: u64 = 2048;
const DESCRIPTOR: u64 = 16 * BLOCK;
/// In the descriptor: the number of blocks (ECMA-119, 8.4.8).
const SPACE: u64 = 80;
/// In a directory's record: extent and length before the name (9.1), both in either byte order.
const RECORD_NAME: usize = 33;
const RECORD_EXTENT: usize = 2;
const RECORD_LENGTH: usize = 10;

/// Copies an ISO and moves one of its files, named as ISO 9660 itself has it, to a place beyond 4 GiB.
///
/// # Errors
/// When the ISO has no such file.
pub fn beyond_4_gib(iso: &Path, name: &str, to: &Path) -> Result<()> {
    let mut bytes = fs::read(iso).with_context(|| format!("read {}", iso.display()))?;
    let wanted = format!("{name};1");
    let at = bytes.windows(wanted.len()).position(|window| window == wanted.as_bytes());
    let record = at.and_then(|at| at.checked_sub(RECORD_NAME)).with_context(|| format!("no file {name}"))?;
    let (extent, length) = (number(&bytes, record + RECORD_EXTENT)?, number(&bytes, record + RECORD_LENGTH)?);
    let start = usize::try_from(u64::from(extent) * BLOCK)?;
    let content = bytes.get(start..start + usize::try_from(length)?).context("the file's content")?.to_vec();
    let moved = u32::try_from((1_u64 << 32) / BLOCK + 16)?;
    put(&mut bytes, record + RECORD_EXTENT, moved)?;
    let blocks = moved + length.div_ceil(u32::try_from(BLOCK)?);
    put(&mut bytes, usize::try_from(DESCRIPTOR + SPACE)?, blocks)?;
    // Whoever still reads the old place must notice.
    bytes.get_mut(start..start + content.len()).context("the file's content")?.fill(0);
    let mut file =
        OpenOptions::new().create(true).truncate(true).write(true).open(to).context("create the large ISO")?;
    file.write_all(&bytes).context("write the large ISO")?;
    file.set_len(u64::from(blocks) * BLOCK).context("size of the large ISO")?;
    file.write_all_at(&content, u64::from(moved) * BLOCK).context("write the moved file")?;
    ensure!(file.metadata().context("size of the large ISO")?.len() > 1 << 32, "the ISO is too small");
    Ok(())
}

fn number(bytes: &[u8], at: usize) -> Result<u32> {
    let field = bytes.get(at..at + 4).and_then(|field| field.try_into().ok()).context("a short record")?;
    Ok(u32::from_le_bytes(field))
}

/// Writes a number in both byte orders, one behind the other.
fn put(bytes: &mut [u8], at: usize, number: u32) -> Result<()> {
    let both = [number.to_le_bytes(), number.to_be_bytes()].concat();
    bytes.get_mut(at..at + both.len()).context("a short record")?.copy_from_slice(&both);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::extract;
    use crate::store::{FileSystem, Layout, Store};

    fn iso(folder: &Path, content: &[u8]) -> std::path::PathBuf {
        let iso = folder.join("small.iso");
        Store::new(FileSystem::Iso9660, "S")
            .layout(Layout::WholeDisk)
            .bytes("/a/root.img", content)
            .build(&iso)
            .unwrap();
        iso
    }

    #[test]
    fn a_file_in_pieces_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..1_500_000_u32).map(|n| n.to_le_bytes()[1]).collect();
        let (iso, disk) = (iso(folder.path(), &bytes), folder.path().join("disk"));
        fragmented(&iso, "x.iso", "11111111-2222-4333-8444-555555555551", &disk).unwrap();
        let extents = run("debugfs", command("debugfs").args(["-R", "dump_extents -l /x.iso"]).arg(&disk)).unwrap();
        assert!(extents.lines().count() > 80, "{extents}");
        let out = folder.path().join("out");
        run("debugfs", command("debugfs").arg("-R").arg(format!("dump /x.iso {}", out.display())).arg(&disk)).unwrap();
        assert!(fs::read(out).unwrap() == fs::read(iso).unwrap());
    }

    #[test]
    fn a_file_beyond_4_gib_is_found_there() {
        let folder = tempfile::tempdir().unwrap();
        let large = folder.path().join("large.iso");
        beyond_4_gib(&iso(folder.path(), b"what matters"), "ROOT.IMG", &large).unwrap();
        let out = folder.path().join("out");
        extract(&large, "/a/root.img", &out).unwrap();
        assert_eq!(fs::read(out).unwrap(), b"what matters");
        use std::os::unix::fs::MetadataExt;
        assert!(large.metadata().unwrap().blocks() * 512 < MIB, "it is sparse");
    }
}
