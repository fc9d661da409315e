//! A LUKS1 volume and an LVM physical volume, as far as init reads them: real structures around whatever they hold.
//!
//! Takes   identifiers, a passphrase, and the size of what is inside.
//! Gives   bytes that `formats::luks` and `formats::lvm` take for theirs, and the kernel as well. The structures are
//!         described there.
//! Leaves  the payload to the caller: `Content::holding` for the fake kernel, real bytes at [`LUKS_PAYLOAD`] or
//!         [`LVM_PAYLOAD`] for a real one.

use super::superblock::put;
use crate::formats::luks::{Cipher, Direction, Hash};
use crate::formats::lvm::checksum;

/// Where a LUKS volume's payload begins, in bytes, as cryptsetup has it.
pub const LUKS_PAYLOAD: u64 = 2 << 20;
/// The same for a physical volume, as lvm2 has it.
pub const LVM_PAYLOAD: u64 = 1 << 20;
/// Sectors of an extent of LVM: 1 MiB.
pub const EXTENT: u64 = 2048;
/// Where LVM's metadata area is, and its size.
const AREA: usize = 4096;
const AREA_SIZE: u64 = 512 << 10;

/// The header of a LUKS1 volume with `aes-xts-plain64` and one slot. All stripes of its key are zeroes but the last.
pub fn luks1(uuid: &str, passphrase: &[u8], key: &[u8; 64]) -> Vec<u8> {
    const SLOT: usize = 208;
    const FIRST_AREA: u32 = 8;
    const AREA_SECTORS: u32 = 504;
    const STRIPES: u32 = 4000;
    let (salt, iterations) = ([7; 32], 1000_u32);
    let number = |value: u32| value.to_be_bytes();
    let mut head = Vec::new();
    put(&mut head, 0, b"LUKS\xba\xbe\0\x01");
    put(&mut head, 8, b"aes");
    put(&mut head, 40, b"xts-plain64");
    put(&mut head, 72, b"sha256");
    put(&mut head, 104, &number((LUKS_PAYLOAD / 512) as u32));
    put(&mut head, 108, &number(64));
    put(&mut head, 112, Hash::Sha256.pbkdf2(key, &salt, iterations, 20).bytes());
    put(&mut head, 132, &salt);
    put(&mut head, 164, &number(iterations));
    put(&mut head, 168, uuid.as_bytes());
    for slot in 0..8 {
        let at = SLOT + 48 * slot as usize;
        put(&mut head, at, &number(0xdead));
        put(&mut head, at + 40, &number(FIRST_AREA + AREA_SECTORS * slot));
        put(&mut head, at + 44, &number(STRIPES));
    }
    put(&mut head, SLOT, &number(0x00ac_71f3));
    put(&mut head, SLOT + 4, &number(iterations));
    put(&mut head, SLOT + 8, &salt);
    let mut material = vec![0; (STRIPES as usize - 1) * key.len()];
    let without = Hash::Sha256.merge(&[material.as_slice(), &[0; 64]].concat(), key.len());
    material.extend(without.bytes().iter().zip(key).map(|(mask, byte)| mask ^ byte));
    let slot_key = Hash::Sha256.pbkdf2(passphrase, &salt, iterations, 64);
    if let Some(cipher) = Cipher::parse("aes-xts-plain64") {
        cipher.crypt(Direction::Encrypt, slot_key.bytes(), 0, 512, &mut material);
    }
    put(&mut head, FIRST_AREA as usize * 512, &material);
    put(&mut head, LUKS_PAYLOAD as usize - 1, &[0]);
    head
}

/// A physical volume with this identifier, and these metadata in it: text as LVM writes it.
pub fn physical_volume(id: &str, size: u64, metadata: Option<&str>) -> Vec<u8> {
    let plain = id.replace('-', "");
    let mut bytes = Vec::new();
    put(&mut bytes, LVM_PAYLOAD as usize - 1, &[0]);
    let mut label = vec![0; 512];
    put(&mut label, 0, b"LABELONE");
    put(&mut label, 8, &1_u64.to_le_bytes());
    put(&mut label, 20, &32_u32.to_le_bytes());
    put(&mut label, 24, b"LVM2 001");
    put(&mut label, 32, plain.as_bytes());
    // Its size; the list of data areas, one and the end; the list of metadata areas, one or none and the end.
    let areas: &[u64] = if metadata.is_some() { &[AREA as u64, AREA_SIZE] } else { &[] };
    for (index, number) in [size, LVM_PAYLOAD, 0, 0, 0].iter().chain(areas).enumerate() {
        put(&mut label, 64 + 8 * index, &number.to_le_bytes());
    }
    seal(&mut label, 16, 20);
    put(&mut bytes, 512, &label);
    if let Some(text) = metadata {
        let mut area = vec![0; 512];
        put(&mut area, 4, b" LVM2 x[5A%r0N*>");
        put(&mut area, 20, &1_u32.to_le_bytes());
        for (index, number) in [AREA as u64, AREA_SIZE, 512, text.len() as u64].iter().enumerate() {
            put(&mut area, 24 + 8 * index, &number.to_le_bytes());
        }
        put(&mut area, 56, &checksum(&[text.as_bytes()]).to_le_bytes());
        seal(&mut area, 0, 4);
        put(&mut bytes, AREA, &area);
        put(&mut bytes, AREA + 512, text.as_bytes());
    }
    bytes
}

fn seal(bytes: &mut Vec<u8>, at: usize, from: usize) {
    let sum = checksum(&[bytes.get(from..).unwrap_or_default()]);
    put(bytes, at, &sum.to_le_bytes());
}

/// Metadata of a group with one volume, whose segments are whole physical volumes: identifier and extents of each.
pub fn metadata(group: &str, group_id: &str, volume: &str, volume_id: &str, physical: &[(&str, u64)]) -> String {
    let (mut volumes, mut segments, mut start) = (String::new(), String::new(), 0);
    for (number, (id, extents)) in physical.iter().enumerate() {
        volumes += &format!(
            "pv{number} {{\nid = \"{id}\"\ndevice = \"/dev/old{number}\"\nstatus = [\"ALLOCATABLE\"]\nflags = []\n\
             dev_size = {}\npe_start = {}\npe_count = {extents}\n}}\n",
            (extents + 1) * EXTENT,
            LVM_PAYLOAD / 512
        );
        segments += &format!(
            "segment{} {{\nstart_extent = {start}\nextent_count = {extents}\ntype = \"striped\"\nstripe_count = 1\n\
             stripes = [\n\"pv{number}\", 0\n]\n}}\n",
            number + 1
        );
        start += extents;
    }
    format!(
        "{group} {{\nid = \"{group_id}\"\nseqno = 2\nformat = \"lvm2\"\nstatus = [\"RESIZEABLE\", \"READ\", \"WRITE\"]\n\
         flags = []\nextent_size = {EXTENT}\nmax_lv = 0\nmax_pv = 0\nmetadata_copies = 0\nphysical_volumes {{\n{volumes}}}\n\
         logical_volumes {{\n{volume} {{\nid = \"{volume_id}\"\nstatus = [\"READ\", \"WRITE\", \"VISIBLE\"]\nflags = []\n\
         segment_count = {}\n{segments}}}\n}}\n}}\ncontents = \"Text Format Volume Group\"\nversion = 1\n\n\
         description = \"\"\n\ncreation_host = \"test\"\ncreation_time = 1\n\n\0",
        physical.len()
    )
}
