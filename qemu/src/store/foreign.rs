//! Disks that are no store and must not be touched: another system's swap, volumes, and Windows.
//!
//! Gives   small images that blkid knows for what they are. File systems with a journal that waits for replay are in
//!         [`prepared`](super::prepared).
//! Fails   when a program is missing.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result};

use super::{FileSystem, Layout, MIB, Store};
use crate::tool::{command, run};

/// Where the kernel puts its sign over that of swap space: the end of the first page of 4 KiB.
const SWAP_SIGN: u64 = 4096 - 10;
const HIBERNATED: &[u8; 10] = b"S1SUSPEND\0";
/// Bytes of each disk.
const SIZE: u64 = 8 * MIB;

/// Swap space that holds a system that was sent to sleep: mkswap's, with the sign of the kernel's
/// kernel/power/swap.c (HIBERNATE_SIG).
///
/// # Errors
/// When mkswap is missing or fails.
pub fn hibernated_swap(image: &Path) -> Result<()> {
    sized(image)?;
    run("swap", command("mkswap").args(["-q", "-L", "SLEEP"]).arg(image))?;
    let file = OpenOptions::new().write(true).open(image).context("open the swap space")?;
    file.write_all_at(HIBERNATED, SWAP_SIGN).context("write the sign of hibernation")
}

/// NTFS of a Windows that was sent to sleep: `hiberfil.sys` begins with `hibr`.
///
/// # Errors
/// When mkntfs or ntfscp is missing or fails.
pub fn hibernated_windows(image: &Path) -> Result<()> {
    let file = [b"hibr".as_slice(), &[0x5a; 1 << 16]].concat();
    Store::new(FileSystem::Ntfs, "Windows").layout(Layout::Mbr).bytes("/hiberfil.sys", &file).build(image)
}

/// Where LVM has its label, and the sizes in it (`struct label_header` and `struct pv_header` of LVM's
/// lib/label/label.h and lib/format_text/layout.h).
const LABEL_AT: u64 = 512;
const LABEL_SIZE: usize = 512;
/// The check sum begins behind itself.
const SUMMED_FROM: usize = 20;
/// INITIAL_CRC of LVM's lib/misc/crc.h.
const LVM_CRC: u32 = 0xf597_a6cf;

/// A physical volume of LVM: its label, and one area of data. It belongs to no group yet.
///
/// # Errors
/// When the image cannot be written.
pub fn physical_volume(image: &Path) -> Result<()> {
    let file = sized(image)?;
    let mut header = b"LVM2 001AbCdEfGhIjKlMnOpQrStUvWxYz012345".to_vec();
    // The device's size; the data area's place, and its size up to the end; the ends of two lists.
    for number in [SIZE, MIB, 0, 0, 0, 0, 0] {
        header.extend(number.to_le_bytes());
    }
    let mut summed = 32_u32.to_le_bytes().to_vec();
    summed.extend(header);
    summed.resize(LABEL_SIZE - SUMMED_FROM, 0);
    let mut label = b"LABELONE".to_vec();
    label.extend((LABEL_AT / 512).to_le_bytes());
    label.extend(crc(LVM_CRC, &summed).to_le_bytes());
    label.extend(summed);
    file.write_all_at(&label, LABEL_AT).context("write LVM's label")
}

/// The CRC-32 of Ethernet, lowest bit first, without the final inversion.
fn crc(start: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(start, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

fn sized(image: &Path) -> Result<File> {
    let file = File::create(image).with_context(|| format!("create {}", image.display()))?;
    file.set_len(SIZE).context("size of the disk")?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(image: &Path, offset: u64) -> String {
        let mut blkid = command("blkid");
        blkid.args(["-p", "-o", "value", "-s", "TYPE", "-O", &offset.to_string()]).arg(image);
        run("blkid", &mut blkid).unwrap().trim().to_owned()
    }

    #[test]
    fn each_is_known_for_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("disk");
        hibernated_swap(&image).unwrap();
        assert_eq!(kind(&image, 0), "swsuspend");
        physical_volume(&image).unwrap();
        assert_eq!(kind(&image, 0), "LVM2_member");
        hibernated_windows(&image).unwrap();
        assert_eq!(kind(&image, MIB), "ntfs");
    }
}
