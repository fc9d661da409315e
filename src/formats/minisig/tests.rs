//! Signatures that the program minisign 0.11 made; tests/trust_real.rs makes fresh ones.

use super::*;
use proptest::prelude::*;

const MESSAGE: &[u8] = b"hello\n";
const PUBLIC: &str = "\
untrusted comment: minisign public key 989388CF9827009B\n\
RWSbACeYz4iTmCZc2R7Ht6lBK/H853Jb5iInb2Oqff8mNYVYhLBA7suH\n";
const OTHER: &str = "\
untrusted comment: minisign public key AD83D3B6D5A08B36\n\
RWQ2i6DVttODrdSx0E4brOjpPg7DLikHZip1y7oJ823D0FFYqriqQ+3j\n";
const SIGNATURE: &str = "\
untrusted comment: signature from minisign secret key\n\
RUSbACeYz4iTmNsfPfg59GGQXGv1jUSKHQpTuW4HNBN8GlCa1h+/eUOy/7eRasKHEkvq0vBhyErutZYsWaHwhgr7qYGYw4o3/AI=\n\
trusted comment: timestamp:1 file:m\n\
M9zYdtcuZD7EIOCIhamgsAIWznJ5ZFj3XGAxGHp9EPR1Qwhd6rzSvOiInsWSkhyMDx8TT3yB2C2/Znixpns/CA==\n";
const LEGACY: &str = "\
untrusted comment: signature from minisign secret key\n\
RWSbACeYz4iTmIkT9VTmkmBo2L5SpztT574LfGQIO/qdC3nW4Ka6IyZSxIkOhAbC35HrB8gBEU8GX/AzCMuoIuiKM6yG3wHfpAc=\n\
trusted comment: timestamp:1795290002\tfile:m\n\
i/6DfY30UCmr0viFuvI6Cuj8kfpsiVMsQIJ1HCA0nERqnEn+euRWzm8WQZePIFJ/lQK0mNGI3tapUvzLLH0xCg==\n";

fn trusted() -> Vec<PublicKey> {
    keys(PUBLIC.as_bytes()).unwrap()
}

fn parsed(text: &str) -> Signature {
    Signature::parse(text.as_bytes()).unwrap()
}

#[test]
fn both_algorithms_are_accepted_and_the_key_is_named_as_minisign_names_it() {
    for (text, comment) in [(SIGNATURE, "timestamp:1 file:m"), (LEGACY, "timestamp:1795290002\tfile:m")] {
        let signature = parsed(text);
        let signed = signature.verify(MESSAGE, &trusted()).unwrap();
        assert_eq!(signed.key.to_string(), "989388CF9827009B");
        assert_eq!(signed.comment, comment);
    }
}

#[test]
fn one_of_several_keys_is_enough_and_none_is_not() {
    let other = keys(OTHER.as_bytes()).unwrap();
    let both = keys([OTHER, PUBLIC].concat().as_bytes()).unwrap();
    assert_eq!(both.len(), 2);
    let signature = parsed(SIGNATURE);
    assert!(signature.verify(MESSAGE, &both).is_ok());
    let error = signature.verify(MESSAGE, &other).unwrap_err();
    assert_eq!(error, MinisigError::OtherKey { seen: signature.id, have: vec![other[0].id] });
    let text = error.to_string();
    assert_eq!(text, format!("signed by key 989388CF9827009B, trusted: {}", other[0].id));
    assert_eq!(
        signature.verify(MESSAGE, &[]).unwrap_err().to_string(),
        "signed by key 989388CF9827009B, trusted: no key"
    );
    // Another key under the same id neither helps nor stands in the way.
    let forged = PublicKey { id: signature.id, ..other[0].clone() };
    assert_eq!(
        signature.verify(MESSAGE, std::slice::from_ref(&forged)),
        Err(MinisigError::Message { key: signature.id })
    );
    assert!(signature.verify(MESSAGE, &[forged, trusted()[0].clone()]).is_ok());
}

#[test]
fn a_changed_message_and_a_changed_comment_are_told_apart() {
    let id = trusted()[0].id;
    assert_eq!(parsed(SIGNATURE).verify(b"hellp\n", &trusted()), Err(MinisigError::Message { key: id }));
    assert_eq!(parsed(LEGACY).verify(b"", &trusted()), Err(MinisigError::Message { key: id }));
    let changed = SIGNATURE.replace("timestamp:1", "timestamp:2");
    assert_eq!(parsed(&changed).verify(MESSAGE, &trusted()), Err(MinisigError::Comment { key: id }));
    // The untrusted comment is nobody's promise.
    let changed = SIGNATURE.replace("from minisign secret key", "from the king");
    assert!(parsed(&changed).verify(MESSAGE, &trusted()).is_ok());
    // A plain signature is none of the digest, and the other way round.
    let (hashed, plain) = (parsed(SIGNATURE), parsed(LEGACY));
    assert!(Signature { is_hashed: false, ..hashed }.verify(MESSAGE, &trusted()).is_err());
    assert!(Signature { is_hashed: true, ..plain }.verify(MESSAGE, &trusted()).is_err());
}

#[test]
fn what_is_no_signature_is_refused_by_name() {
    let line = |number: usize, text: &str| {
        let mut lines: Vec<&str> = SIGNATURE.lines().collect();
        lines[number - 1] = text;
        lines.join("\n")
    };
    let second = SIGNATURE.lines().nth(1).unwrap();
    let cut = |count: usize| SIGNATURE.lines().take(count).collect::<Vec<_>>().join("\n");
    let numbers = [
        (String::new(), 1),
        (line(1, "trusted comment: x"), 1),
        (cut(1), 2),
        (line(2, "RUSb"), 2),
        (line(2, &format!("{second}AAAA")), 2),
        (line(2, &second.replace('=', "")), 2),
        (cut(2), 3),
        (line(3, "comment"), 3),
        (line(3, "trusted comment: \x1b[2J"), 3),
        (cut(3), 4),
        (line(4, second), 4),
    ];
    for (text, number) in numbers {
        let error = Signature::parse(text.as_bytes()).unwrap_err();
        assert!(matches!(error, MinisigError::Line { number: seen, .. } if seen == number), "{text}: {error}");
    }
    let error = |text: &[u8]| Signature::parse(text).unwrap_err();
    // "RW": Ee, which nobody defined.
    assert_eq!(
        error(line(2, &second.replacen("RU", "RW", 1).replacen("RWS", "RWW", 1)).as_bytes()).to_string(),
        "wanted algorithm Ed or ED, seen \"Ee\""
    );
    assert_eq!(error([SIGNATURE, SIGNATURE].concat().as_bytes()), MinisigError::Several);
    assert_eq!(
        error(&vec![b'a'; MOST_SIGNATURE + 1]),
        MinisigError::TooLarge { what: "a signature", most: MOST_SIGNATURE }
    );
    assert_eq!(error(b"untrusted comment: \xff"), MinisigError::NotText { what: "a signature", at: 19 });
    // Line ends of another system, and an empty line at the end, change nothing.
    let other = SIGNATURE.replace('\n', "\r\n") + "\n";
    assert_eq!(parsed(&other), parsed(SIGNATURE));
}

#[test]
fn what_is_no_key_is_refused_by_name() {
    let zero = "RWQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"; // a point of small order
    let table: [(&[u8], MinisigError); 6] = [
        (b"", MinisigError::NoKey),
        (b"untrusted comment: x\n", MinisigError::NoKey),
        (b"untrusted comment: x\nxx\n", MinisigError::Key { line: 2 }),
        (zero.as_bytes(), MinisigError::Key { line: 1 }),
        (b"\xfe", MinisigError::NotText { what: "keys", at: 0 }),
        (&[b'\n'; MOST_KEYS + 1], MinisigError::TooLarge { what: "keys", most: MOST_KEYS }),
    ];
    for (text, wanted) in table {
        assert_eq!(keys(text), Err(wanted));
    }
    let bare = PUBLIC.lines().nth(1).unwrap();
    assert_eq!(keys(bare.as_bytes()).unwrap(), trusted(), "as minisign -P takes it");
}

#[test]
fn an_expired_comment_is_refused() {
    fn signed(comment: &str) -> Signed<'_> {
        Signed { key: KeyId([0; 8]), comment }
    }
    let limited = signed("timestamp:1\texpires:100 file:x");
    assert_eq!(limited.check_expiry(99), Ok(()));
    assert_eq!(limited.check_expiry(100), Err(MinisigError::Expired { at: 100, now: 100 }));
    assert_eq!(signed("expires:100 expires:50").check_expiry(60), Err(MinisigError::Expired { at: 50, now: 60 }));
    assert_eq!(signed("file:expires:1").check_expiry(60), Ok(()));
    for seen in ["", "never", "-1", "99999999999999999999999"] {
        let comment = format!("expires:{seen}");
        assert_eq!(signed(&comment).check_expiry(0), Err(MinisigError::Expiry { seen: seen.into() }));
    }
}

#[test]
fn every_flipped_bit_of_a_signature_is_caught() {
    let comment = SIGNATURE.find('\n').unwrap();
    let mut equal = 0;
    for at in comment + 1..SIGNATURE.len() {
        for bit in 0..8 {
            let mut text = SIGNATURE.as_bytes().to_vec();
            text[at] ^= 1 << bit;
            let Ok(signature) = Signature::parse(&text) else { continue };
            if signature == parsed(SIGNATURE) {
                equal += 1; // the line end after the last line
            } else {
                assert!(signature.verify(MESSAGE, &trusted()).is_err(), "byte {at}, bit {bit}");
            }
        }
    }
    assert_eq!(equal, 0);
}

proptest! {
    #[test]
    fn any_bytes_are_a_value_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = keys(&bytes);
        let _ = Signature::parse(&bytes);
    }

    #[test]
    fn any_lines_are_a_value_or_an_error(lines in proptest::collection::vec("(untrusted comment: |trusted comment: )?[A-Za-z0-9+/=]{0,110}", 0..6)) {
        if let Ok(signature) = Signature::parse(lines.join("\n").as_bytes()) {
            prop_assert!(signature.verify(MESSAGE, &trusted()).is_err());
        }
    }
}
