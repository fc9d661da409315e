use super::*;
use proptest::prelude::*;

/// A restart page as Windows writes it: number, client in use, flags, version.
fn page(sign: &[u8; 4], number: u64, client: u16, flags: u16, version: u16) -> Vec<u8> {
    let mut page = vec![0; PAGE];
    let mut put = |at: usize, what: &[u8]| page[at..at + what.len()].copy_from_slice(what);
    put(0, sign);
    put(4, &0x1e_u16.to_le_bytes());
    put(6, &9_u16.to_le_bytes());
    put(0x10, &4096_u32.to_le_bytes());
    put(0x18, &0x30_u16.to_le_bytes());
    put(0x1c, &version.to_le_bytes());
    put(0x1e, &[7, 0]); // the update sequence's number
    put(0x30, &number.to_le_bytes());
    put(0x3c, &client.to_le_bytes());
    put(0x3e, &flags.to_le_bytes());
    (1..=8).for_each(|part| put(part * PART - 2, &[7, 0]));
    page
}

fn judged(first: Vec<u8>, second: Vec<u8>) -> Option<Log> {
    judge([Some(first), Some(second)])
}

#[test]
fn the_newer_page_says_whether_it_was_closed() {
    let closed = |number| page(b"RSTR", number, NO_CLIENT, 0, 1);
    let flagged = |number| page(b"RSTR", number, 0, VOLUME_IS_CLEAN, 1);
    let used = |number| page(b"RSTR", number, 0, 0, 1);
    let asleep = |number| page(b"RSTR", number, 0, VOLUME_IS_CLEAN, MOUNTED);
    let empty = || vec![0xff; PAGE];
    for (first, second, wanted) in [
        (empty(), empty(), Some(Log::Closed)),
        (closed(1), closed(1), Some(Log::Closed)),
        (flagged(1), flagged(2), Some(Log::Closed)),
        (used(1), flagged(2), Some(Log::Closed)),
        (used(2), flagged(1), Some(Log::InUse)),
        (flagged(1), asleep(2), Some(Log::InUse)),
        (asleep(1), asleep(1), Some(Log::InUse)),
        (used(1), empty(), Some(Log::InUse)),
        (empty(), used(1), Some(Log::InUse)),
        (page(b"CHKD", 0, NO_CLIENT, 0, 1), empty(), Some(Log::Closed)),
        (vec![0; PAGE], vec![0; PAGE], None),
    ] {
        assert_eq!(judged(first.clone(), second.clone()), wanted, "{:x?} {:x?}", &first[..64], &second[..64]);
    }
}

#[test]
fn a_page_that_is_torn_says_nothing_and_the_other_one_is_not_believed() {
    let mut torn = page(b"RSTR", 9, 0, 0, 1);
    torn[3 * PART - 2] = 6;
    assert_eq!(judged(torn.clone(), page(b"RSTR", 1, NO_CLIENT, 0, 1)), None);
    let mut outside = page(b"RSTR", 9, NO_CLIENT, 0, 1);
    outside[0x18..0x1a].copy_from_slice(&4090_u16.to_le_bytes());
    assert_eq!(judged(outside, vec![0xff; PAGE]), None);
    assert_eq!(judge([None, Some(vec![0xff; PAGE])]), None);
}

/// A record whose only attribute is its data: these runs, of 4 KiB clusters.
fn record(runs: &[u8], change: impl Fn(&mut [u8])) -> Vec<u8> {
    let mut record = vec![0; 1024];
    record[0x14] = 0x38;
    record[0x38] = 0x80;
    record[0x38 + 4] = 0x60;
    record[0x38 + 8] = 1;
    record[0x38 + 0x20] = 0x40;
    record[0x38 + 0x40..0x38 + 0x40 + runs.len()].copy_from_slice(runs);
    change(&mut record[0x38..]);
    record
}

#[test]
fn the_first_run_is_where_it_begins() {
    let at = |runs: &[u8]| start(&record(runs, |_| {}), 4096);
    assert_eq!(at(&[0x11, 2, 5, 0]), Some(5 * 4096));
    assert_eq!(at(&[0x32, 0, 2, 1, 0, 1, 0]), Some(0x1_0001 * 4096));
    for wrong in [&[0][..], &[0x11, 1, 5], &[0x01, 2], &[0x11, 0x82, 5], &[0x11, 2, 0x85], &[0x11, 2, 0], &[0xff; 24]] {
        assert_eq!(at(wrong), None, "{wrong:x?}");
    }
    for (byte, value) in [(8, 0), (9, 4), (0x0c, 1), (0x10, 1), (0x20, 0x5f)] {
        assert_eq!(start(&record(&[0x11, 2, 5, 0], |data| data[byte] = value), 4096), None, "{byte:#x}");
    }
}

proptest! {
    #[test]
    fn damage_is_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..1200), cluster in 512_u64..1 << 21) {
        let _ = (start(&bytes, cluster), mended(bytes.clone()), page_size(&bytes), restart(&bytes, false));
        let _ = judge([Some(bytes.clone()), Some(bytes)]);
    }

    #[test]
    fn no_byte_of_a_page_makes_a_used_journal_unreadable_and_safe(at in 0..PAGE, bit in 0..8_u8) {
        let used = page(b"RSTR", 1, 0, 0, 1);
        let mut changed = used.clone();
        changed[at] ^= 1 << bit;
        // Only what says so itself: the client that is in use, the flag, and whether it is a page at all.
        let says_so = (0x3c..0x40).contains(&at) || at < 8 || (0x18..0x1a).contains(&at);
        prop_assert!(says_so || judged(changed, used) != Some(Log::Closed));
    }
}
