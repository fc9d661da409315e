//! GRUB for BIOS and UEFI on a disk image, without grub-install: that needs root and block devices.
//!
//! The places that are patched are those of GRUB 2's `boot.S` and `diskboot.S`, as grub-setup patches them.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::store::partition::SECTOR;
use crate::tool::{command, run, text};

/// Where Debian's and Ubuntu's packages grub-pc-bin and grub-efi-amd64-bin put GRUB's parts.
const PARTS: &str = "/usr/lib/grub";

/// All that the menu uses is in the image; nothing is loaded later.
const MODULES: &[&str] = &[
    "part_gpt",
    "part_msdos",
    "ext2",
    "fat",
    "exfat",
    "btrfs",
    "iso9660",
    "loopback",
    "linux",
    "normal",
    "search",
    "search_fs_uuid",
    "test",
    "regexp",
    "probe",
    "echo",
    "sleep",
    "halt",
    "reboot",
    "serial",
    "terminal",
    "configfile",
    "gzio",
    "ls",
    "cat",
    "boot",
    "minicmd",
];

/// Code at the start of a disk; the partition table and the disk's identifier are behind it.
const BOOT_CODE: usize = 440;
/// In boot.img: the first sector of core.img, 64 bits.
const KERNEL_SECTOR: usize = 0x5c;
/// In boot.img: a jump that keeps the drive number BIOS gives; two one-byte instructions without effect replace it.
const DRIVE_CHECK: usize = 0x66;
const NO_OPERATION: [u8; 2] = [0x90, 0x90];
/// In the first sector of core.img: where the rest of it is: first sector (64 bits), count (16), segment (16).
const BLOCK_LIST: usize = 0x1f4;
/// The segment after the first sector's own place at 0x8000.
const SEGMENT: u16 = 0x820;

/// GRUB's images for both firmwares.
#[derive(Debug)]
pub(super) struct Grub {
    boot: Vec<u8>,
    core: Vec<u8>,
    /// The UEFI program.
    pub efi: PathBuf,
}

impl Grub {
    /// Makes the images; they look for the file system with that UUID and read `/boot/grub/grub.cfg` there.
    pub fn make(uuid: &str, work: &Path) -> Result<Self> {
        let early = work.join("early.cfg");
        fs::write(&early, early_configuration(uuid)).context("write early.cfg")?;
        let image = |platform: &str, more: &[&str], to: &Path| -> Result<()> {
            let mut mkimage = command("grub-mkimage");
            mkimage.args(["-O", platform, "-o", text(to)?, "-c", text(&early)?, "-p", "/boot/grub"]);
            run(&format!("GRUB for {platform}"), mkimage.args(MODULES).args(more))?;
            Ok(())
        };
        let (core, efi) = (work.join("core.img"), work.join("BOOTX64.EFI"));
        image("i386-pc", &["biosdisk"], &core)?;
        image("x86_64-efi", &["efi_gop", "all_video"], &efi)?;
        let read = |path: &Path| fs::read(path).with_context(|| format!("read {}", path.display()));
        Ok(Self { boot: read(&Path::new(PARTS).join("i386-pc/boot.img"))?, core: read(&core)?, efi })
    }

    /// Puts the BIOS form into a disk image whose BIOS boot partition has these sectors.
    pub fn install_for_bios(&self, image: &Path, start: u64, sectors: u64) -> Result<()> {
        let count = u64::try_from(self.core.len())?.div_ceil(SECTOR);
        ensure!(count <= sectors, "GRUB needs {count} sectors, the BIOS boot partition has {sectors}");
        let disk = OpenOptions::new().write(true).open(image).with_context(|| format!("open {}", image.display()))?;
        disk.write_all_at(&boot_code(&self.boot, start)?, 0).context("write GRUB's boot sector")?;
        disk.write_all_at(&placed_core(&self.core, start)?, start * SECTOR).context("write GRUB's core image")
    }
}

/// What GRUB runs before it has its full language: plain commands only. When nothing is found, it stops at its own prompt.
fn early_configuration(uuid: &str) -> String {
    format!("search --no-floppy --fs-uuid --set=root {uuid}\nset prefix=($root)/boot/grub\n")
}

/// The code for sector 0. Pure.
fn boot_code(boot: &[u8], core_start: u64) -> Result<Vec<u8>> {
    let mut code = boot.get(..BOOT_CODE).context("boot.img is too short")?.to_vec();
    patch(&mut code, KERNEL_SECTOR, &core_start.to_le_bytes())?;
    patch(&mut code, DRIVE_CHECK, &NO_OPERATION)?;
    Ok(code)
}

/// The core image that knows where the rest of itself is. Pure.
fn placed_core(core: &[u8], start: u64) -> Result<Vec<u8>> {
    let mut core = core.to_vec();
    let rest = u64::try_from(core.len())?.div_ceil(SECTOR).saturating_sub(1);
    patch(&mut core, BLOCK_LIST, &(start + 1).to_le_bytes())?;
    patch(&mut core, BLOCK_LIST + 8, &u16::try_from(rest)?.to_le_bytes())?;
    patch(&mut core, BLOCK_LIST + 10, &SEGMENT.to_le_bytes())?;
    Ok(core)
}

fn patch(bytes: &mut [u8], at: usize, with: &[u8]) -> Result<()> {
    bytes.get_mut(at..at + with.len()).context("GRUB's image is too short")?.copy_from_slice(with);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boot_sector_points_at_the_core_image_and_leaves_the_table_alone() {
        let code = boot_code(&[0xee; 512], 0x0102_0304_0506).unwrap();
        assert_eq!(code.len(), 440);
        assert_eq!(code[0x5c..0x64], [6, 5, 4, 3, 2, 1, 0, 0]);
        assert_eq!(code[0x66..0x68], [0x90, 0x90]);
        assert!(code[..0x5c].iter().chain(&code[0x68..]).all(|byte| *byte == 0xee));
    }

    #[test]
    fn the_core_image_knows_where_its_rest_is() {
        let core = placed_core(&vec![0; 512 * 3 + 1], 2048).unwrap();
        assert_eq!(core[0x1f4..0x200], [1, 8, 0, 0, 0, 0, 0, 0, 3, 0, 0x20, 0x08]);
    }
}
