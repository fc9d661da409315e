//! Kernel modules as they lie on disk: plain, or packed with xz, zstd or gzip.
//!
//! Takes   the bytes of a file and a limit for the unpacked length.
//! Gives   the unpacked bytes; what is not packed is given back without a copy.
//! Fails   when the data is damaged, or unpacks to more than the limit. The limit holds while unpacking, so a small file
//!         cannot fill the memory; windows of the decoders are limited to 64 MiB.
//!
//! Which form it is, the first bytes say; the name of the file does not count. One xz or gzip file may hold several streams;
//! a zstd file is one frame, as the kernel's own unpacking has it.

use super::FormatError;
use std::borrow::Cow;
use std::io::{self, Read};

/// Bytes a decoder may look back, thus keep in memory: as much as `xz -9` uses, which is more than any kernel module does.
const WINDOW: u64 = 64 * 1024 * 1024;
/// Bytes that are unpacked between two looks at the limit.
const STEP: u64 = 64 * 1024;

/// Unpacks `bytes`.
///
/// # Errors
/// [`FormatError::Decoder`] for damaged data, [`FormatError::TooLarge`] for more than `limit` bytes.
pub fn decompress(bytes: &[u8], limit: u64) -> Result<Cow<'_, [u8]>, FormatError> {
    match bytes {
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
            // The decoder itself needs some memory beside the dictionary.
            let kibibytes = (WINDOW / 1024 + 1024) as u32;
            unpack("xz", &mut lzma_rust2::XzReader::new_mem_limit(bytes, true, kibibytes), limit)
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let mut decoder = ruzstd::decoding::StreamingDecoder::new_with_max_window_size(bytes, WINDOW)
                .map_err(|error| damaged("zstd", 0, io::Error::new(io::ErrorKind::InvalidData, error.to_string())))?;
            unpack("zstd", &mut decoder, limit)
        }
        [0x1f, 0x8b, ..] => unpack("gzip", &mut flate2::read::MultiGzDecoder::new(bytes), limit),
        _ => Ok(Cow::Borrowed(bytes)),
    }
}

fn unpack(what: &'static str, decoder: &mut dyn Read, limit: u64) -> Result<Cow<'static, [u8]>, FormatError> {
    let mut out = Vec::new();
    loop {
        let before = out.len() as u64;
        // One byte more than the limit, so that reaching it and exceeding it can be told apart.
        let step = STEP.min(limit.saturating_add(1).saturating_sub(before));
        let result = Read::take(&mut *decoder, step).read_to_end(&mut out);
        let done = out.len() as u64;
        result.map_err(|source| damaged(what, done, source))?;
        if done > limit {
            return Err(FormatError::TooLarge { what, limit });
        }
        if done == before {
            return Ok(Cow::Owned(out));
        }
    }
}

fn damaged(what: &'static str, offset: u64, source: io::Error) -> FormatError {
    FormatError::Decoder { what, offset, source }
}

#[cfg(test)]
mod tests;
