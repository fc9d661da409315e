//! Headers made by hand: each limit is met. Real ones are compared in tests/containers_real.rs.

use super::*;
use crate::formats::fields::push_hex;
use proptest::prelude::*;

const UUID: &str = "4a860b4a-da18-4958-a71f-e7e00445327d";

fn put(bytes: &mut [u8], at: usize, what: &[u8]) {
    bytes[at..at + what.len()].copy_from_slice(what);
}

/// A LUKS2 header of 16 KiB with this JSON, at this place.
fn header(place: u64, sequence: u64, json: &str) -> Vec<u8> {
    let mut bytes = vec![0; 0x4000];
    put(&mut bytes, 0, if place == 0 { b"LUKS\xba\xbe\0\x02" } else { b"SKUL\xba\xbe\0\x02" });
    put(&mut bytes, 8, &0x4000_u64.to_be_bytes());
    put(&mut bytes, 16, &sequence.to_be_bytes());
    put(&mut bytes, 72, b"sha256");
    put(&mut bytes, 168, UUID.as_bytes());
    put(&mut bytes, 256, &place.to_be_bytes());
    put(&mut bytes, 4096, json.as_bytes());
    let checksum = Hash::Sha256.digest(&[&bytes]);
    put(&mut bytes, 448, checksum.bytes());
    bytes
}

const JSON: &str = r#"{"keyslots":{"0":{"type":"luks2","key_size":64,"af":{"type":"luks1","stripes":4000,"hash":"sha256"},
"area":{"type":"raw","offset":"32768","size":"258048","encryption":"aes-xts-plain64","key_size":64},
"kdf":{"type":"argon2id","time":4,"memory":1048576,"cpus":4,"salt":"/70eitK9Ps3ubjUIm74oeHSZqztT96T84ZVWGnaPUbo="}}},
"tokens":{},"segments":{"0":{"type":"crypt","offset":"16777216","size":"dynamic","iv_tweak":"0",
"encryption":"aes-xts-plain64","sector_size":4096}},"digests":{"0":{"type":"pbkdf2","keyslots":["0"],"segments":["0"],
"hash":"sha256","iterations":1000,"salt":"/aO5wdxAEtpB84jUXFVN8OzKEdAPQPvvtX2zjfWLzes=",
"digest":"5ruDmKzFKbz/USjdoVBi5qyRlXOrVUCnMut5iaqIcxI="}},"config":{"json_size":"12288","keyslots_size":"16744448"}}"#;

fn read(bytes: &[u8]) -> Result<Volume, String> {
    Volume::read(&bytes).map_err(|error| error.to_string())
}

fn read_json(json: &str) -> Result<Volume, String> {
    read(&header(0, 1, json))
}

#[test]
fn a_usual_header_is_read() {
    let volume = read_json(JSON).unwrap();
    assert_eq!((volume.version, volume.uuid.as_str(), volume.slots.len()), (2, UUID, 1));
    let payload = volume.payload;
    assert_eq!((payload.offset, payload.size, payload.sector_size), (16 << 20, None, 4096));
    assert_eq!(payload.cipher.name(), "aes-xts-plain64");
}

#[test]
fn what_a_header_asks_too_much_of_is_refused_by_name() {
    for (from, to, wanted) in [
        ("\"time\":4,\"memory\":1048576", "\"time\":257,\"memory\":1048576", "argon2's passes"),
        ("\"memory\":1048576", "\"memory\":4294967295", "argon2's memory"),
        ("\"cpus\":4", "\"cpus\":0", "argon2's lanes"),
        ("4000", "4001", "a slot's stripes"),
        ("\"iterations\":1000", "\"iterations\":4294967295", "its digest's iterations"),
        ("\"sector_size\":4096", "\"sector_size\":3000", "its sector size"),
        ("16777216", "16777217", "its segment's offset"),
        ("5ruDmKzFKbz/USjdoVBi5qyRlXOrVUCnMut5iaqIcxI=", "5ruD", "its digest"),
        ("/70eitK9", "/70 itK9", "its base64"),
        ("aes-xts-plain64\",\"key_size", "cipher_null-ecb\",\"key_size", "the cipher \"cipher_null-ecb\""),
        ("aes-xts-plain64\",\"sector_size", "aes 0 /dev/sda 0\",\"sector_size", "the cipher \"aes 0 /dev/sda 0\""),
        ("argon2id", "scrypt", "the key derivation \"scrypt\""),
        ("\"keyslots_size", "\"requirements\":{\"mandatory\":[\"online-reencrypt\"]},\"x", "online-reencrypt"),
        ("\"sector_size\":4096", "\"sector_size\":4096,\"integrity\":{\"type\":\"hmac(sha256)\"}", "integrity by"),
        ("\"segments\":{", "\"segments\":{\"1\":{},", "a number of segments of \"2\""),
    ] {
        let json = JSON.replacen(from, to, 1);
        assert_ne!(json, JSON, "{from}");
        let error = read_json(&json).unwrap_err();
        assert!(error.contains(wanted), "{to}: {error}");
    }
}

#[test]
fn the_newer_of_two_sound_headers_counts() {
    let both = |first: Vec<u8>, second: Vec<u8>| [first, second].concat();
    let other = JSON.replace("16777216", "33554432");
    let offset = |bytes: &[u8]| read(bytes).map(|volume| volume.payload.offset >> 20);
    assert_eq!(offset(&both(header(0, 4, JSON), header(0x4000, 4, &other))), Ok(16));
    assert_eq!(offset(&both(header(0, 4, JSON), header(0x4000, 5, &other))), Ok(32));
    let mut damaged = header(0, 6, JSON);
    damaged[5000] ^= 1;
    assert_eq!(offset(&both(damaged.clone(), header(0x4000, 5, &other))), Ok(32));
    assert_eq!(offset(&damaged), Err("its header is damaged: its checksum is another one".to_owned()));
}

#[test]
fn memory_that_is_not_there_is_not_taken() {
    let mut bytes = header(0, 1, JSON);
    bytes.resize(17 << 20, 0);
    let volume = read(&bytes).unwrap();
    let error = volume.unlock(&bytes.as_slice(), b"x", 1 << 19).unwrap_err();
    assert!(matches!(error, LuksError::Memory { want: 1_048_576, have: 524_288 }), "{error}");
}

#[test]
fn a_uuid_cannot_name_another_path() {
    let mut bytes = header(0, 1, JSON);
    put(&mut bytes, 168, b"../../../../../../../../../../etc/passwd");
    put(&mut bytes, 448, &[0; 64]);
    let checksum = Hash::Sha256.digest(&[&bytes]);
    put(&mut bytes, 448, checksum.bytes());
    assert_eq!(read(&bytes), Err("its header is damaged: its UUID is none".to_owned()));
}

proptest! {
    #[test]
    fn any_bytes_are_read(mut bytes in prop::collection::vec(any::<u8>(), 0..700), version in 0_u8..4) {
        if bytes.len() > 8 {
            put(&mut bytes, 0, b"LUKS\xba\xbe\0");
            bytes[7] = version;
        }
        let _ = Volume::read(&bytes.as_slice());
    }

    #[test]
    fn any_value_in_the_json_is_read(at in 0_usize..1100, text in "[0-9a-z\"{}:,\\[\\]-]{1,6}") {
        let mut json = JSON.to_owned();
        let at = at.min(json.len());
        json.insert_str(at, &text);
        let _ = read_json(&json);
    }

    #[test]
    fn hex_is_what_the_kernel_reads(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let mut text = String::new();
        bytes.iter().for_each(|byte| push_hex(&mut text, *byte));
        prop_assert_eq!(text, bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    }
}
