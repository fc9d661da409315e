//! An image in several files, where no file can be as large as the whole: `persist.img`, `persist.img.1` and so on.
//!
//! Takes   sizes in bytes.
//! Gives   names and lengths; init and the host's command have the same ones.

/// The largest file on vfat is a byte short of 4 GiB; with whole mebibytes every block of a file system lies in one piece.
pub const LARGEST_ON_VFAT: u64 = 4095 << 20;
/// More pieces than anybody has, 256 GiB on vfat.
pub const MOST: u32 = 64;
/// What the bytes of a piece are a multiple of: the largest block of a file system on x86.
pub const BLOCK: u64 = 4096;

/// What a piece of an image of that name is called; the first one, number 0, has the image's own name.
pub fn name(image: &str, number: u32) -> String {
    if number == 0 { image.to_owned() } else { [image, ".", &number.to_string()].concat() }
}

/// How long each piece of an image of that size is, in bytes and whole blocks, when no file may be longer than `largest`.
/// More than [`MOST`] of them: it cannot be had.
pub fn lengths(size: u64, largest: u64) -> Vec<u64> {
    let (size, largest) = (size / BLOCK * BLOCK, (largest / BLOCK * BLOCK).max(BLOCK));
    let mut all = vec![largest; usize::try_from(size / largest).unwrap_or(usize::MAX).min(MOST as usize)];
    all.extend(Some(size % largest).filter(|rest| *rest > 0));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_have_whole_blocks_and_the_last_one_the_rest() {
        assert_eq!(lengths(64 << 20, LARGEST_ON_VFAT), [64 << 20]);
        assert_eq!(lengths((5 << 30) + 17, LARGEST_ON_VFAT), [LARGEST_ON_VFAT, (5 << 30) - LARGEST_ON_VFAT]);
        assert_eq!(lengths(LARGEST_ON_VFAT, LARGEST_ON_VFAT), [LARGEST_ON_VFAT]);
        assert_eq!(lengths(1 << 50, u64::MAX), [1 << 50]);
        assert!(lengths(u64::MAX, LARGEST_ON_VFAT).len() > MOST as usize, "refused, and no endless list");
        assert!(lengths(1 << 30, 0).len() >= MOST as usize, "and no division by nothing");
    }

    #[test]
    fn the_first_piece_has_the_name_of_the_image() {
        assert_eq!(
            [0, 1, 63].map(|number| name("persist.img", number)),
            ["persist.img", "persist.img.1", "persist.img.63"]
        );
    }
}
