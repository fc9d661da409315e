//! Round trips through this crate's own encoders; files of xz, zstd and gzip are in tests/formats_real.rs.

use super::*;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use std::io::Write;

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn zstd(plain: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(plain, ruzstd::encoding::CompressionLevel::Fastest)
}

/// `printf 'hello\n' | xz --check=crc32`
const XZ: &[u8] = b"\xfd7zXZ\x00\x00\x01i\x22\xde6\x02\x00!\x01\x16\x00\x00\x00t/\xe5\xa3\x01\x00\x05hello\x0a\
    \x00\x00\x00 0:6\x00\x01\x1a\x06\xc5\xea\xc8y\x90B\x99\x0d\x01\x00\x00\x00\x00\x01YZ";

#[test]
fn plain_is_not_copied() {
    for plain in [b"\x7fELF....".as_slice(), b"", b"\xfd7zX"] {
        assert!(matches!(decompress(plain, 0).unwrap(), Cow::Borrowed(same) if same == plain));
    }
}

#[test]
fn xz_and_its_damage() {
    assert_eq!(decompress(XZ, 6).unwrap().as_ref(), b"hello\n");
    assert_eq!(decompress(&[XZ, XZ].concat(), 12).unwrap().as_ref(), b"hello\nhello\n");
    assert!(matches!(decompress(XZ, 5), Err(FormatError::TooLarge { what: "xz", limit: 5 })));
    for len in 6..XZ.len() {
        assert!(matches!(decompress(&XZ[..len], 100), Err(FormatError::Decoder { what: "xz", .. })), "{len}");
    }
    for at in 6..XZ.len() {
        let mut damaged = XZ.to_vec();
        damaged[at] ^= 0x10;
        assert!(decompress(&damaged, 100).is_err(), "changed byte {at}");
    }
}

#[test]
fn bombs_stop_at_the_limit() {
    let zeros = vec![0; 8 << 20];
    for packed in [gzip(&zeros), zstd(&zeros)] {
        assert!(packed.len() < 100_000);
        assert!(matches!(decompress(&packed, 1 << 20), Err(FormatError::TooLarge { limit: 0x10_0000, .. })));
        assert_eq!(decompress(&packed, 8 << 20).unwrap().len(), 8 << 20);
    }
}

#[test]
fn huge_windows_are_refused() {
    // A zstd frame that declares a window of 2 GiB.
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x01, 0x00, 0x00];
    let error = decompress(&frame, u64::MAX).unwrap_err().to_string();
    assert!(error.contains("zstd"), "{error}");
}

proptest! {
    #[test]
    fn round_trips(plain in proptest::collection::vec(any::<u8>(), 0..5000)) {
        for packed in [gzip(&plain), zstd(&plain)] {
            let unpacked = decompress(&packed, 5000).unwrap().into_owned();
            prop_assert_eq!(&unpacked, &plain);
        }
    }

    #[test]
    fn total(bytes in any::<Vec<u8>>(), form in 0..4_usize) {
        let magic: &[u8] = [b"\xfd7zXZ\0".as_slice(), b"\x28\xb5\x2f\xfd", b"\x1f\x8b", b""][form];
        let bytes = [magic, &bytes].concat();
        if let Ok(plain) = decompress(&bytes, 1 << 16) {
            prop_assert!(plain.len() <= 1 << 16 || plain.as_ref() == bytes);
        }
    }

    #[test]
    fn total_when_damaged(at in any::<proptest::sample::Index>(), byte in any::<u8>(), form in 0..3) {
        let plain: Vec<u8> = (0..4000_u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        let mut bytes = match form { 0 => gzip(&plain), 1 => zstd(&plain), _ => XZ.to_vec() };
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = decompress(&bytes, 1 << 16);
    }
}
