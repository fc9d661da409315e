//! Bytes as the area of an ISO that digests are implanted in. What is found lies within the image, and can be computed.
#![no_main]

use isolde_host::trust::implanted::find;
use isolde_host::trust::pass::{Job, digests};
use libfuzzer_sys::fuzz_target;

/// The area, and the number of sectors, in a medium of 64 sectors.
const AREA: std::ops::Range<usize> = 0x8373..0x8573;
const SECTORS: usize = 64;

fuzz_target!(|bytes: &[u8]| {
    let mut image = vec![0; SECTORS * 2048];
    image[0x8000..0x8007].copy_from_slice(b"\x01CD001\x01");
    image[0x8054..0x8058].copy_from_slice(&(SECTORS as u32).to_be_bytes());
    image[AREA].fill(b' ');
    let length = bytes.len().min(AREA.len());
    image[AREA][..length].copy_from_slice(&bytes[..length]);
    let Ok(found) = find(&image.as_slice()) else { return };
    let jobs: Vec<Job> = found.iter().map(|one| one.job.clone()).collect();
    let seen = digests(&image.as_slice(), &jobs, &mut |_, _| {}).expect("what is found lies within the image");
    assert!(found.iter().zip(seen).all(|(one, seen)| one.digest.len() == seen.len()));
});
