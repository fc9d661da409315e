//! Compression that the kernel can undo, to a length that is a multiple of 4.
//!
//! The kernel (`init/initramfs.c`, `unpack_to_rootfs`) takes an uncompressed archive only at an offset that is a multiple
//! of 4, and skips zero bytes between archives; a compressed one it takes at any offset. So our own start does not depend
//! on the padding of the boot loader unless [`Compression::None`] is chosen, and an aligned end lets an uncompressed
//! archive follow us. Tools are stricter than the kernel: `zstd` refuses a file with zero bytes behind the frame, and
//! lsinitramfs believes it. Therefore a zstd frame is brought to length from inside.

use std::io::{self, Write};

use lzma_rust2::{CheckType, XzOptions, XzWriter};

use crate::error::{Error, Result};

/// How the archive is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Compression {
    /// zstd, level 19: the fastest to unpack and nearly as small as xz
    Zstd,
    /// xz with the CRC32 check, the only one the kernel knows
    Xz,
    /// gzip, for kernels without the others
    Gzip,
    /// no compression; the archive must then start at a multiple of 4 bytes
    None,
}

/// Level of zstd: the highest that needs no more than 8 MiB of window when the kernel unpacks.
const ZSTD_LEVEL: i32 = 19;
/// Preset of xz: 8 MiB of dictionary; more gains nothing at this size.
const XZ_PRESET: u32 = 6;

/// Compresses an archive, or a kernel module, and brings it to a multiple of 4 bytes.
pub fn compress(archive: &[u8], compression: Compression) -> Result<Vec<u8>> {
    let (with, result) = match compression {
        Compression::Zstd => ("zstd", zstd(archive)),
        Compression::Xz => ("xz", xz(archive)),
        Compression::Gzip => ("gzip", gzip(archive)),
        Compression::None => ("none", Ok(archive.to_vec())),
    };
    let mut bytes = result.map_err(|cause| Error::Compress { with, cause })?;
    // Only gzip comes here with another length, and gzip ignores zero bytes behind its data.
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    Ok(bytes)
}

fn gzip(archive: &[u8]) -> io::Result<Vec<u8>> {
    // flate2 writes neither a name nor a time into the header.
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(archive)?;
    encoder.finish()
}

fn xz(archive: &[u8]) -> io::Result<Vec<u8>> {
    let mut options = XzOptions::with_preset(XZ_PRESET);
    options.set_check_sum_type(CheckType::Crc32);
    let mut encoder = XzWriter::new(Vec::new(), options)?;
    encoder.write_all(archive)?;
    encoder.finish()
}

/// One zstd frame with a checksum, brought to a multiple of 4 bytes by empty blocks.
fn zstd(archive: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = zstd::Encoder::new(Vec::new(), ZSTD_LEVEL)?;
    encoder.include_checksum(true)?;
    encoder.set_pledged_src_size(Some(archive.len() as u64))?;
    encoder.write_all(archive)?;
    encoder.flush()?; // all data is in blocks now, so the end adds only an empty last block and the checksum
    align_frame(encoder.finish()?)
}

/// Brings a frame that ends in an empty last block and a checksum to a multiple of 4 bytes. Pure.
///
/// A raw block of length 0 is a header of three zero bytes (RFC 8878, 3.1.1.2): one, two or three of them before the last
/// block make up for any remainder, and a decoder that reads the last empty block reads them as well.
fn align_frame(mut frame: Vec<u8>) -> io::Result<Vec<u8>> {
    const EMPTY: [u8; 3] = [0, 0, 0];
    const LAST_EMPTY: [u8; 3] = [1, 0, 0];
    const CHECKSUM: usize = 4;
    let end = frame.len().checked_sub(LAST_EMPTY.len() + CHECKSUM);
    let last = end.filter(|&at| frame.get(at..).is_some_and(|tail| tail.starts_with(&LAST_EMPTY)));
    let at = last.ok_or_else(|| io::Error::other("the frame does not end in an empty block"))?;
    for _ in 0..frame.len() % 4 {
        frame.splice(at..at, EMPTY); // 3 bytes are -1 modulo 4
    }
    Ok(frame)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use clap::ValueEnum;
    use proptest::prelude::*;

    use super::*;

    fn unpack(bytes: &[u8], compression: Compression) -> Vec<u8> {
        let mut out = Vec::new();
        match compression {
            Compression::Zstd => return zstd::decode_all(bytes).unwrap(),
            Compression::Xz => lzma_rust2::XzReader::new(bytes, false).read_to_end(&mut out).unwrap(),
            Compression::Gzip => flate2::read::GzDecoder::new(bytes).read_to_end(&mut out).unwrap(),
            Compression::None => return bytes.to_vec(),
        };
        out
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn unpacks_to_what_was_packed_and_is_aligned(words in proptest::collection::vec(any::<[u8; 4]>(), 0..2000)) {
            let archive = words.concat(); // a newc archive is always a multiple of 4 bytes
            for compression in Compression::value_variants() {
                let bytes = compress(&archive, *compression).unwrap();
                prop_assert_eq!(bytes.len() % 4, 0);
                prop_assert!(unpack(&bytes, *compression) == archive, "{:?}", compression);
            }
        }
    }

    #[test]
    fn frames_of_every_remainder_occur_and_are_aligned() {
        let mut seen = [false; 4];
        for length in 0..64u8 {
            let archive: Vec<u8> = (0..length).collect();
            let mut encoder = zstd::Encoder::new(Vec::new(), ZSTD_LEVEL).unwrap();
            encoder.include_checksum(true).unwrap();
            encoder.write_all(&archive).unwrap();
            encoder.flush().unwrap();
            let frame = encoder.finish().unwrap();
            seen[frame.len() % 4] = true;
            let aligned = align_frame(frame).unwrap();
            assert_eq!(aligned.len() % 4, 0);
            assert_eq!(zstd::decode_all(&aligned[..]).unwrap(), archive);
        }
        assert_eq!(seen, [true; 4]);
    }

    #[test]
    fn refuses_to_align_what_it_does_not_know() {
        assert!(align_frame(vec![]).is_err());
        assert!(align_frame(vec![2; 40]).is_err());
    }

    #[test]
    fn a_changed_byte_is_noticed_by_the_checksum() {
        let archive = vec![0x55; 4096];
        let mut bytes = compress(&archive, Compression::Zstd).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        assert!(zstd::decode_all(&bytes[..]).is_err());
    }
}
