//! The header of LUKS2: a binary part with a checksum, kept twice, and JSON (LUKS2 on-disk format 1.1.1, sections 2 and 3).

use super::json::{at, bytes, lists, number, text};
use super::{
    Digest, Kdf, LONGEST_SALT, LuksError, MAGIC, MOST_ITERATIONS, MOST_STRIPES, Payload, Slot, Volume, cipher, hash,
    unsupported, uuid, within,
};
use crate::formats::fields::{be16, be64, has, name, slice};
use crate::formats::{ReadAt, read_exact_at};
use argon2::Algorithm;
use serde_json::Value;

/// Bytes of the binary part; the JSON comes behind it.
const BINARY: usize = 4096;
/// Where the checksum is in it.
const CHECKSUM: usize = 448;
/// The checksum's field in bytes.
const CHECKSUM_LENGTH: usize = 64;
/// The magic of the second header.
const SECOND: &[u8] = b"SKUL\xba\xbe";
/// Where the second header can be, which is also how long a header can be: each twice the one before.
const FIRST_PLACE: u64 = 0x4000;
const PLACES: u32 = 9;
/// Bytes of a digest: fewer would be met by chance, more are not made and would multiply the work.
const SHORTEST_DIGEST: usize = 16;
const LONGEST_DIGEST: usize = 64;
/// Slots in all; cryptsetup has no more.
const MOST_SLOTS: u32 = 32;
/// KiB that argon2 may want; cryptsetup wants no more.
const MOST_MEMORY: u64 = 4 << 20;
/// KiB that argon2 may write in all: memory times passes. cryptsetup's usual is 4 GiB, in two seconds.
const MOST_WRITTEN: u64 = 1 << 28;

/// One of the two headers, whole.
struct Header {
    sequence: u64,
    uuid: Option<String>,
    json: Value,
}

pub(super) fn read(dev: &dyn ReadAt) -> Result<Volume, LuksError> {
    let mut best: Option<Header> = None;
    let mut first_error = None;
    let places = (0..PLACES).map(|place| FIRST_PLACE << place);
    for (place, magic) in [(0, MAGIC)].into_iter().chain(places.map(|place| (place, SECOND))) {
        match header(dev, place, magic) {
            Ok(Some(found)) if best.as_ref().is_none_or(|best| found.sequence > best.sequence) => best = Some(found),
            Ok(_) => {}
            Err(error) => _ = first_error.get_or_insert(error),
        }
    }
    match best {
        Some(header) => volume(&header),
        None => Err(first_error.unwrap_or(LuksError::Broken("neither of its two copies is there"))),
    }
}

/// The header at a place; `None` when none is there.
fn header(dev: &dyn ReadAt, place: u64, magic: &[u8]) -> Result<Option<Header>, LuksError> {
    let Some(head) = read_exact_at(dev, place, BINARY)? else { return Ok(None) };
    if !has(&head, 0, magic) || be16(&head, 6) != Some(2) || be64(&head, 256) != Some(place) {
        return Ok(None);
    }
    let longest = FIRST_PLACE << (PLACES - 1);
    let size: usize = within(be64(&head, 8), FIRST_PLACE, longest, "its length")?;
    let mut all = read_exact_at(dev, place, size)?.ok_or(LuksError::Broken("it is cut short"))?;
    let checksum = all.get_mut(CHECKSUM..CHECKSUM + CHECKSUM_LENGTH).ok_or(LuksError::Broken("it is cut short"))?;
    let wanted = checksum.to_vec();
    checksum.fill(0);
    let function = slice(&head, 72, 32).and_then(name).unwrap_or_default();
    let got = hash(&function)?.digest(&[&all]);
    if !wanted.starts_with(got.bytes()) {
        return Err(LuksError::Broken("its checksum is another one"));
    }
    let json = all.get(BINARY..).unwrap_or_default().split(|byte| *byte == 0).next().unwrap_or_default();
    let json = serde_json::from_slice(json).map_err(|_| LuksError::Broken("its JSON is none"))?;
    let sequence = be64(&head, 16).unwrap_or_default();
    Ok(Some(Header { sequence, uuid: slice(&head, 168, 40).and_then(name), json }))
}

fn volume(header: &Header) -> Result<Volume, LuksError> {
    let json = &header.json;
    // What a reader has to understand, and this one does not: a volume in the middle of a re-encryption, for example.
    if let Some(required) = at(json, &["config", "requirements", "mandatory"]).as_array().and_then(|all| all.first()) {
        return Err(unsupported("its requirement", required.as_str().unwrap_or_default()));
    }
    let segments = at(json, &["segments"]).as_object().ok_or(LuksError::Broken("it has no segments"))?;
    let mut all = segments.iter();
    let (Some((segment_name, segment)), None) = (all.next(), all.next()) else {
        return Err(unsupported("a number of segments of", &segments.len().to_string()));
    };
    let payload = payload(segment)?;
    let mut slots = Vec::new();
    for number in 0..MOST_SLOTS {
        let name = number.to_string();
        let slot = at(json, &["keyslots", &name]);
        // 0: not to be tried unless somebody names it.
        let ignored = self::number(slot, &["priority"]) == Some(0);
        if text(slot, &["type"]) != "luks2" || ignored {
            continue;
        }
        let of_this = |digest: &&Value| lists(digest, "keyslots", &name) && lists(digest, "segments", segment_name);
        let digests = at(json, &["digests"]).as_object();
        if let Some(digest) = digests.and_then(|all| all.values().find(of_this)) {
            slots.push(self::slot(slot, digest)?);
        }
    }
    Ok(Volume { version: 2, uuid: uuid(header.uuid.clone())?, payload, slots })
}

fn payload(segment: &Value) -> Result<Payload, LuksError> {
    match (text(segment, &["type"]), at(segment, &["integrity"])) {
        ("crypt", Value::Null) => {}
        ("crypt", integrity) => return Err(unsupported("integrity by", text(integrity, &["type"]))),
        (other, _) => return Err(unsupported("a segment of type", other)),
    }
    let sector_size: u32 = within(number(segment, &["sector_size"]), 512, 4096, "its sector size")?;
    let offset = number(segment, &["offset"]).filter(|offset| offset % 512 == 0);
    let size = match text(segment, &["size"]) {
        "dynamic" => None,
        _ => Some(within(number(segment, &["size"]), 1, u64::MAX, "its segment's size")?),
    };
    if !sector_size.is_power_of_two() {
        return Err(LuksError::Broken("its sector size"));
    }
    Ok(Payload {
        offset: within(offset, 1, u64::MAX, "its segment's offset")?,
        size,
        cipher: cipher(text(segment, &["encryption"]))?,
        sector_size,
        iv_offset: number(segment, &["iv_tweak"]).unwrap_or(0),
    })
}

fn slot(slot: &Value, digest: &Value) -> Result<Slot, LuksError> {
    let get = |path: &[&str]| self::number(slot, path);
    let key_size = within(get(&["key_size"]), 16, 64, "the length of its key")?;
    let kdf = match text(slot, &["kdf", "type"]) {
        "pbkdf2" => Kdf::Pbkdf2 {
            hash: hash(text(slot, &["kdf", "hash"]))?,
            iterations: within(get(&["kdf", "iterations"]), 1, MOST_ITERATIONS, "a slot's iterations")?,
        },
        "argon2i" => argon2(Algorithm::Argon2i, &get)?,
        "argon2id" => argon2(Algorithm::Argon2id, &get)?,
        other => return Err(unsupported("the key derivation", other)),
    };
    match (text(slot, &["af", "type"]), text(slot, &["area", "type"])) {
        ("luks1", "raw") => {}
        ("luks1", other) => return Err(unsupported("a slot's area of type", other)),
        (other, _) => return Err(unsupported("a slot's stripes of type", other)),
    }
    if text(digest, &["type"]) != "pbkdf2" {
        return Err(unsupported("a digest of type", text(digest, &["type"])));
    }
    Ok(Slot {
        kdf,
        salt: bytes(slot, &["kdf", "salt"], LONGEST_SALT)?,
        offset: within(get(&["area", "offset"]), FIRST_PLACE, u64::MAX, "a slot's offset")?,
        cipher: cipher(text(slot, &["area", "encryption"]))?,
        area_key_size: within(get(&["area", "key_size"]), 16, 64, "the length of a slot's key")?,
        stripes: within(get(&["af", "stripes"]), 1, MOST_STRIPES, "a slot's stripes")?,
        hash: hash(text(slot, &["af", "hash"]))?,
        key_size,
        digest: Digest {
            hash: hash(text(digest, &["hash"]))?,
            iterations: within(self::number(digest, &["iterations"]), 1, MOST_ITERATIONS, "its digest's iterations")?,
            salt: bytes(digest, &["salt"], LONGEST_SALT)?,
            value: bytes(digest, &["digest"], LONGEST_DIGEST).and_then(|value| match value.len() {
                SHORTEST_DIGEST.. => Ok(value),
                _ => Err(LuksError::Broken("its digest")),
            })?,
        },
    })
}

fn argon2(algorithm: Algorithm, get: &dyn Fn(&[&str]) -> Option<u64>) -> Result<Kdf, LuksError> {
    let memory: u32 = within(get(&["kdf", "memory"]), 8, MOST_MEMORY, "argon2's memory")?;
    let passes = MOST_WRITTEN / u64::from(memory);
    Ok(Kdf::Argon2 {
        algorithm,
        memory,
        time: within(get(&["kdf", "time"]), 1, passes, "argon2's passes")?,
        lanes: within(get(&["kdf", "cpus"]), 1, 16, "argon2's lanes")?,
    })
}
