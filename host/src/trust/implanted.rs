//! Digests of an ISO that are inside the ISO: isomd5sum's (Fedora, RHEL, Clear Linux) and checkmedia's (openSUSE, SLE).
//!
//! Takes   the bytes of an ISO 9660 image.
//! Gives   the [`Implanted`] digests: of which bytes they are, and what they have to be.
//! Fails   when there is such a digest and it cannot be understood: it is not taken for none.
//!
//! Both stand in the area of the primary volume descriptor that is free for applications (ECMA-119, 8.4.32), as fields
//! between semicolons, and take that area for spaces when they are made. isomd5sum's leaves out so many sectors at the end,
//! where its authors found that drives cannot read. checkmedia's takes the first 512 bytes, which `isohybrid` and partition
//! editors change, the padding at the end, and the place for a signature for zeros; it can also have one of a partition.
//! Whoever changes the image can change them too: they find damage, and prove nothing of its origin.
//!
//! Sources: isomd5sum 1.2.3, and checkmedia's README.adoc, "Technical specification", with the images of its tests.

use super::digest::{Algorithm, unhex};
use super::pass::Job;
use anyhow::{Context, Result, bail};
use isolde::formats::{ReadAt, read_full};
use std::ops::Range;

/// Bytes of a sector.
const SECTOR: u64 = 2048;
/// Units in which checkmedia counts partitions.
const BLOCK: u64 = 512;
/// Where volume descriptors begin.
const DESCRIPTORS: u64 = 16 * SECTOR;
/// Descriptors that are looked at; a medium has three or four.
const MOST_DESCRIPTORS: u64 = 64;
/// The area, in its descriptor.
const AREA: usize = 883;
const AREA_LENGTH: usize = 512;
/// The number of sectors, in its descriptor: big-endian, which is what isomd5sum reads.
const SECTORS: usize = 84;
/// What a place for a signature keeps when its signature does not count.
const SIGNATURE_HEAD: u64 = 64;

/// A digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Implanted {
    /// Who writes such ones.
    pub by: &'static str,
    /// Of which bytes it is.
    pub job: Job,
    /// What it has to be.
    pub digest: Vec<u8>,
    /// Whether the medium has a PGP signature of it, which is not checked here.
    pub is_signed: bool,
}

/// The digests of an image; none when it is no ISO, or has none.
///
/// # Errors
/// When it cannot be read, or a digest cannot be understood.
pub fn find(image: &dyn ReadAt) -> Result<Vec<Implanted>> {
    for number in 0..MOST_DESCRIPTORS {
        let at = DESCRIPTORS + number * SECTOR;
        let mut descriptor = [0; SECTOR as usize];
        if read_full(image, &mut descriptor, at)? < descriptor.len() || descriptor.get(1..6) != Some(b"CD001") {
            break;
        }
        match descriptor.first() {
            Some(1) => {
                let medium = Medium::new(&descriptor, at + AREA as u64, image.size()?);
                return Ok([medium.isomd5sum()?, medium.checkmedia()?, medium.partition()?]
                    .into_iter()
                    .flatten()
                    .collect());
            }
            Some(255) => break,
            _ => {}
        }
    }
    Ok(Vec::new())
}

/// What a primary volume descriptor says of a medium.
struct Medium {
    /// Keys in lower case, and values.
    fields: Vec<(String, String)>,
    /// The area itself, which counts as spaces.
    blank: (Range<u64>, u8),
    /// Bytes of the ISO, without what was put behind it.
    whole: u64,
    /// Bytes of the file.
    size: u64,
}

impl Medium {
    /// The area is at this byte of the file.
    fn new(descriptor: &[u8], area: u64, size: u64) -> Medium {
        let text = String::from_utf8_lossy(descriptor.get(AREA..AREA + AREA_LENGTH).unwrap_or_default());
        let fields = text.split(';').filter_map(field).collect();
        let sectors = descriptor.get(SECTORS..SECTORS + 4).and_then(|bytes| bytes.try_into().ok());
        let whole = u64::from(u32::from_be_bytes(sectors.unwrap_or_default())) * SECTOR;
        Medium { fields, blank: (area..area + AREA_LENGTH as u64, b' '), whole, size }
    }

    fn value(&self, key: &str) -> Option<&str> {
        self.fields.iter().find(|(seen, _)| seen == key).map(|(_, value)| value.as_str())
    }

    fn number(&self, key: &str) -> Result<u64> {
        let Some(text) = self.value(key) else { return Ok(0) };
        text.parse::<u32>().map(u64::from).ok().with_context(|| format!("its {key}: wanted a number, seen {text:?}"))
    }

    fn found(&self, by: &'static str, job: Job, digits: &str) -> Result<Option<Implanted>> {
        let end = job.range.end.max(self.whole);
        if end > self.size {
            bail!("wanted the {end} bytes that its digest is of, seen {}", self.size);
        }
        let wanted = job.algorithm.length();
        let digest = unhex(digits).ok().filter(|digest| digest.len() == wanted);
        let digest = digest
            .with_context(|| format!("its {}: wanted {} hex digits, seen {digits:?}", job.algorithm, wanted * 2))?;
        Ok(Some(Implanted { by, job, digest, is_signed: self.number("signature")? > 0 }))
    }

    fn isomd5sum(&self) -> Result<Option<Implanted>> {
        let Some(digits) = self.value("iso md5sum") else { return Ok(None) };
        let skipped = self.number("skipsectors")? * SECTOR;
        let end = self.whole.checked_sub(skipped).context("its SKIPSECTORS: more than it has")?;
        let job = Job { range: 0..end, masks: vec![self.blank.clone()], ..Job::whole(Algorithm::Md5, 0) };
        self.found("isomd5sum", job, digits)
    }

    fn checkmedia(&self) -> Result<Option<Implanted>> {
        let sum = |algorithm: Algorithm| Some((algorithm, self.value(&format!("{algorithm}sum"))?));
        let Some((algorithm, digits)) = Algorithm::ALL.into_iter().find_map(sum) else { return Ok(None) };
        let zeros = self.number("pad")? * SECTOR;
        let end = self.whole.checked_sub(zeros).context("its pad: more than it has")?;
        self.found("checkmedia", Job { algorithm, range: 0..end, masks: self.masks()?, zeros }, digits)
    }

    /// `partition=START,BLOCKS,DIGEST`.
    fn partition(&self) -> Result<Option<Implanted>> {
        let Some(text) = self.value("partition") else { return Ok(None) };
        let read = || {
            let (start, rest) = text.split_once(',')?;
            let (blocks, digits) = rest.split_once(',')?;
            let (start, blocks) = (u64::from(start.parse::<u32>().ok()?), u64::from(blocks.parse::<u32>().ok()?));
            let algorithm = Algorithm::ALL.into_iter().find(|algorithm| algorithm.length() * 2 == digits.len())?;
            Some((algorithm, start * BLOCK..(start + blocks) * BLOCK, digits))
        };
        let (algorithm, range, digits) =
            read().with_context(|| format!("its partition: wanted START,BLOCKS,DIGEST, seen {text:?}"))?;
        self.found("checkmedia", Job { algorithm, range, masks: self.masks()?, zeros: 0 }, digits)
    }

    /// What checkmedia takes for other bytes.
    fn masks(&self) -> Result<Vec<(Range<u64>, u8)>> {
        let mut masks = vec![self.blank.clone(), (0..BLOCK, 0)];
        let signature = self.number("signature")? * BLOCK;
        if signature > 0 {
            masks.push((signature + SIGNATURE_HEAD..signature + SECTOR, 0));
        }
        Ok(masks)
    }
}

/// `KEY = VALUE`; checkmedia takes upper and lower case for one, and any number of spaces.
fn field(text: &str) -> Option<(String, String)> {
    let (key, value) = text.split_once('=')?;
    Some((key.trim().to_ascii_lowercase(), value.trim_matches([' ', '\0']).to_owned()))
}

#[cfg(test)]
mod tests;
