//! ISO 9660 with Joliet. Structure: ECMA-119, volume descriptors of 2 KiB from 32 KiB on.

use super::{Format, Medium, Superblock};
use crate::formats::fields::{be16, has, le16, le32, name, name_utf16be, slice, u8_at};

const FIRST: usize = 32 * 1024;
const SECTOR: usize = 2048;
/// Descriptors that are looked at; real discs have three to five.
const DESCRIPTORS: usize = 16;

pub(super) fn probe(medium: &Medium) -> Option<Superblock> {
    let mut primary = None;
    let mut joliet = None;
    for index in 0..DESCRIPTORS {
        let Some(descriptor) = medium.head(FIRST + index * SECTOR, SECTOR) else { break };
        if !has(descriptor, 1, b"CD001") {
            break;
        }
        match u8_at(descriptor, 0)? {
            1 => primary = primary.or(Some(descriptor)),
            2 if [b"%/@", b"%/C", b"%/E"].iter().any(|escape| has(descriptor, 88, *escape)) => {
                joliet = Some(descriptor)
            }
            255 => break,
            _ => {}
        }
    }
    let primary = primary?;
    let short = slice(primary, 40, 32)?;
    let label = match joliet.and_then(|joliet| slice(joliet, 40, 32)) {
        Some(long) => merged(long, short).or_else(|| name_utf16be(long)),
        None => name(short),
    };
    Some(Superblock {
        format: Format::Iso9660,
        uuid: date(primary, 830).or_else(|| date(primary, 813)), // modified, else created
        label,
        size: u64::from(le32(primary, 80)?).checked_mul(le16(primary, 128)?.into()),
        dirty: false,
    })
}

/// A date of 16 digits and a time zone as an identifier; `None` when it is not set.
fn date(descriptor: &[u8], at: usize) -> Option<String> {
    let digits = slice(descriptor, at, 16)?;
    if digits.iter().all(|&digit| digit == b'0') && u8_at(descriptor, at + 16)? == 0 {
        return None;
    }
    let mut text = String::with_capacity(22);
    for (index, &digit) in digits.iter().enumerate() {
        if index >= 4 && index % 2 == 0 {
            text.push('-');
        }
        text.push(char::from(digit));
    }
    name(text.as_bytes())
}

/// A Joliet label has 16 characters and the plain one 32, with `_` for what ASCII cannot say. Where the two agree as far
/// as both go, the label is Joliet's followed by the rest of the plain one. `None` when they disagree.
fn merged(long: &[u8], short: &[u8]) -> Option<String> {
    let mut units: Vec<u8> = Vec::with_capacity(64);
    let mut wide = long.chunks_exact(2).peekable();
    let mut plain = short.iter().copied();
    while wide.peek().is_some() {
        let Some(letter) = plain.next() else { break };
        let Some(mut pair) = wide.next() else { break };
        let high = (0xd800..0xdc00).contains(&be16(pair, 0)?);
        // Above U+FFFF two units of Joliet stand for one letter.
        if let Some(low) = wide.next_if(|next| high && be16(next, 0).is_some_and(|low| (0xdc00..0xe000).contains(&low)))
        {
            units.extend(pair);
            pair = low;
        }
        let unit = be16(pair, 0)?;
        let same = u8::try_from(unit).is_ok_and(|ascii| ascii.eq_ignore_ascii_case(&letter));
        if letter != b'_' && unit != u16::from(b'_') && !same {
            return None;
        }
        units.extend(pair);
    }
    units.extend(plain.flat_map(|letter| [0, letter]));
    name_utf16be(&units)
}
