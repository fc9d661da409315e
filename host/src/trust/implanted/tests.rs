//! The images of checkmedia's own tests (testmediacheck of openSUSE/checkmedia), with what tagmedia wrote into them and
//! checkmedia found: tests/*.check.ref there. isomd5sum is compared with itself in host/tests/vendor.rs.

use super::super::digest::hex;
use super::super::pass::digests;
use super::*;

/// Numbers of blocks of 512 bytes.
struct Image {
    name: &'static str,
    full: usize,
    iso: usize,
    pad: usize,
    partition: (usize, usize),
    has_signature: bool,
    tags: &'static str,
}

fn put(bytes: &mut [u8], at: usize, text: &[u8]) {
    bytes[at..at + text.len()].copy_from_slice(text);
}

impl Image {
    fn bytes(&self) -> Vec<u8> {
        let (start, blocks) = self.partition;
        let mut bytes = vec![0; self.full * 512];
        put(&mut bytes, 0x8000, b"\x01CD001\x01\0");
        let sectors = (self.iso / 4) as u32;
        put(&mut bytes, 0x8050, &[sectors.to_le_bytes(), sectors.to_be_bytes()].concat());
        put(&mut bytes, (self.iso - self.pad) * 512 - 4, b"efgh");
        put(&mut bytes, 0x823e, format!("{:<128}", self.name).as_bytes());
        put(&mut bytes, self.iso * 512, b"ijkl");
        put(&mut bytes, self.full * 512 - 4, b"uvwx");
        put(&mut bytes, 0, b"abcd");
        put(&mut bytes, 0x1fe, b"\x55\xaa");
        let entry = [0xffff_ff00_u32, 0xffff_ff83, start as u32, blocks as u32].map(u32::to_le_bytes);
        put(&mut bytes, 0x1be, entry.as_flattened());
        put(&mut bytes, start * 512, b"mnop");
        put(&mut bytes, (start + blocks) * 512 - 4, b"qrst");
        if self.has_signature {
            put(&mut bytes, (start + 160) * 512, b"7984fc91-a43f-4e45-bf27-6d3aa08b24cf");
        }
        put(&mut bytes, 0x8373, format!("{:<512}", self.tags).as_bytes());
        bytes
    }
}

const PADDED: Image = Image {
    name: "iso_and_partition_with_padding",
    full: 1000,
    iso: 900,
    pad: 100,
    partition: (100, 900),
    has_signature: false,
    tags: "pad=25;sha1sum=0f56f7a21eee671fe8b97a5dfb6b2f9bab0dcd06;partition=100,900,a893357313150e9db98e4cfe81107f06db88dd63",
};
const SIGNED: Image = Image {
    name: "iso_and_partition_not_signed",
    has_signature: true,
    tags: "pad=25;sha256sum=d7df919f9d008b94ee51dadd312c6a0bda2607de8bc6fe84d2869096795c8a26;\
           partition=100,900,0d16f5a21c763c3bf5a2f32d3fffd27811942e500ee95b8541443599ea6fd726;signature=260",
    ..PADDED
};

/// Which digests hold.
fn hold(bytes: &[u8]) -> Vec<bool> {
    let found = find(&bytes).unwrap();
    let jobs: Vec<Job> = found.iter().map(|one| one.job.clone()).collect();
    let seen = digests(&bytes, &jobs, &mut |_, _| {}).unwrap();
    found.iter().zip(seen).map(|(one, seen)| one.digest == seen).collect()
}

#[test]
fn what_tagmedia_wrote_holds() {
    for image in [PADDED, SIGNED] {
        let mut bytes = image.bytes();
        assert_eq!(hold(&bytes), [true, true], "{}", image.name);
        // What a partition editor changes, the padding, and what tagmedia puts into the place for a signature.
        bytes[3] ^= 1;
        bytes[850 * 512] ^= u8::from(image.partition.0 + image.partition.1 < 850);
        if image.has_signature {
            put(&mut bytes, 260 * 512 + 64, b"-----BEGIN PGP SIGNATURE-----");
        }
        assert_eq!(hold(&bytes), [true, true], "{}", image.name);
        let found = find(&bytes.as_slice()).unwrap();
        assert_eq!(found.iter().all(|one| one.is_signed && one.by == "checkmedia"), image.has_signature);
        // Behind the ISO's own bytes, and in both.
        bytes[950 * 512] ^= 1;
        assert_eq!(hold(&bytes), [true, false], "{}", image.name);
        bytes[300 * 512 + 1] ^= 1;
        assert_eq!(hold(&bytes), [false, false], "{}", image.name);
    }
}

#[test]
fn spaces_and_upper_case_make_no_difference() {
    let mut bytes = PADDED.bytes();
    let tags = "PAD = 25 ; SHA1SUM = 0f56f7a21eee671fe8b97a5dfb6b2f9bab0dcd06";
    put(&mut bytes, 0x8373, format!("{tags:<512}").as_bytes());
    assert_eq!(hold(&bytes), [true]);
}

#[test]
fn what_cannot_be_understood_is_an_error() {
    let sum = hex(&[7; 16]);
    for tags in [
        "sha1sum=12".to_owned(),
        format!("md5sum={}", "g".repeat(32)),
        format!("md5sum={sum};pad=-1"),
        format!("md5sum={sum};pad=9999999"),
        format!("md5sum={sum};signature=x"),
        format!("partition=1,99999,{sum}"),
        format!("partition=1,{sum}"),
        "partition=1,2,3".to_owned(),
        format!("ISO MD5SUM = {sum};SKIPSECTORS = 999999"),
        format!("ISO MD5SUM = {sum}0"),
    ] {
        let mut bytes = PADDED.bytes();
        put(&mut bytes, 0x8373, format!("{tags:<512}").as_bytes());
        assert!(find(&bytes.as_slice()).is_err(), "{tags}");
    }
    let mut cut = PADDED.bytes();
    cut.truncate(899 * 512);
    assert!(find(&cut.as_slice()).is_err(), "an image that was cut off");
}

#[test]
fn other_images_have_none() {
    let mut other = PADDED.bytes();
    put(&mut other, 0x8373, &[b' '; 512]);
    assert_eq!(find(&other.as_slice()).unwrap(), []);
    other[0x8001] = b'X';
    for bytes in [&[][..], &[0; 40_000], &other] {
        assert_eq!(find(&bytes).unwrap(), []);
    }
}
