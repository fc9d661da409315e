//! The figures that are to be reached, and whether they are. Pure.

use serde::Serialize;

use crate::cache::State;
use crate::contender::Contender;
use crate::hashing::Reader;
use crate::results::Results;
use crate::statistics::Spread;

/// How many times faster than live-boot and than dracut.
const FASTER_THAN_PEERS: f64 = 12.0;
/// How many times the floor.
const ABOVE_FLOOR: f64 = 1.3;
/// How long a boot without the ISO's own initrd takes from the kernel's start on, in boots with both initrds.
const ALONE: f64 = 0.6;
/// Bytes of the stripped, static init. An empty static program of Rust has 1.1 MB.
const INIT: u64 = 2_000_000;
/// Bytes of the compressed second initrd.
const SECOND_INITRD: u64 = 1_000_000;
/// Bytes of memory that process 1 has at its peak.
const PEAK: u64 = 8_000_000;
/// How many times faster than sha256sum on one thread.
const FASTER_THAN_SHA256SUM: f64 = 3.0;
/// How many times faster than md5sum on all threads of this machine, by which most media are checked that bring a sum.
const FASTER_THAN_MD5SUM: f64 = 5.0;
/// How much of the disk's own rate.
const OF_THE_DISK: f64 = 0.95;
/// How many times a copy of the same file.
const ABOVE_COPY: f64 = 1.1;
/// How many times the boot without a check.
const ABOVE_UNCHECKED: f64 = 1.05;
/// Seconds that the way out may take longer than live-boot's.
const LATER: f64 = 0.5;
/// How many times faster on all threads than on one, for each thread: what is left after memory is shared.
const SCALING: f64 = 0.7;

/// One figure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Target {
    /// What.
    pub name: &'static str,
    /// The bound.
    pub wanted: String,
    /// The measurement.
    pub seen: String,
    /// Is it within the bound?
    pub met: bool,
}

/// All figures for which there are measurements.
pub fn targets(results: &Results) -> Vec<Target> {
    let ratio = |over: Contender, under: Contender| Some(results.median(over)? / results.median(under)?);
    let from_kernel = |contender: Contender| results.median_from_kernel(contender);
    let alone = || Some(from_kernel(Contender::IsoldeStandalone)? / from_kernel(Contender::IsoldeDebian)?);
    // Up to the shell: most of what is checked is read after the hand-off.
    let to_shell = |contender: Contender| results.median_to_shell(contender);
    let checked = || Some(to_shell(Contender::IsoldeVerity)? / to_shell(Contender::IsoldeDebian)?);
    let scaling_wanted = results.hashing.as_ref().map_or(1.0, |hashing| 1.0_f64.max(SCALING * hashing.threads as f64));
    let speeds = |state: State, over: Reader, under: Reader| {
        let hashing = results.hashing.as_ref()?;
        Some(hashing.median(over, state)? / hashing.median(under, state)?)
    };
    let sealing = |state: State| {
        let sealing = results.sealing.iter().find(|sealing| sealing.state == state)?;
        Some(sealing.seal.median / sealing.cp.median)
    };
    let ours = results.stops(Contender::IsoldeDebian);
    // Round by round: the host may have been slower in some of them.
    let later = || {
        let pairs = ours?.stops.iter().zip(&results.stops(Contender::LiveBoot)?.stops);
        Some(Spread::of(pairs.map(|(ours, theirs)| ours.seconds - theirs.seconds))?.median)
    };
    let peak = results.peak_rss_kib().map(|kib| kib * 1024);
    [
        at_least("live-boot / isolde-debian", FASTER_THAN_PEERS, ratio(Contender::LiveBoot, Contender::IsoldeDebian)),
        at_least("dracut / isolde-fedora", FASTER_THAN_PEERS, ratio(Contender::Dracut, Contender::IsoldeFedora)),
        at_most("isolde-debian / floor", ABOVE_FLOOR, ratio(Contender::IsoldeDebian, Contender::Floor)),
        at_most("standalone / both, from the kernel", ALONE, alone()),
        at_most("verity / unchecked, to the shell", ABOVE_UNCHECKED, checked()),
        at_most("power-off: isolde − live-boot, s", LATER, later()),
        none("loops left at the end", ours.and_then(|stops| stops.loops_left())),
        none("stores left at the end", ours.map(|stops| usize::from(stops.store_left()))),
        bytes("init", INIT, results.sizes.map(|sizes| sizes.init)),
        bytes("second initrd, compressed", SECOND_INITRD, results.sizes.map(|sizes| sizes.second_initrd)),
        bytes("peak memory of process 1", PEAK, peak),
        at_least(
            "BLAKE3 on 1 thread / sha256sum",
            FASTER_THAN_SHA256SUM,
            speeds(State::Warm, Reader::OneThread, Reader::Sha256sum),
        ),
        at_least(
            "BLAKE3 on all threads / on 1 thread",
            scaling_wanted,
            speeds(State::Warm, Reader::AllThreads, Reader::OneThread),
        ),
        at_least(
            "BLAKE3 on all threads / md5sum",
            FASTER_THAN_MD5SUM,
            speeds(State::Warm, Reader::AllThreads, Reader::Md5sum),
        ),
        at_least(
            "BLAKE3 on all threads / the disk",
            OF_THE_DISK,
            speeds(State::Cold, Reader::AllThreads, Reader::Disk),
        ),
        at_most("seal / cp, cold", ABOVE_COPY, sealing(State::Cold)),
        at_most("seal / cp, warm", ABOVE_COPY, sealing(State::Warm)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn at_least(name: &'static str, wanted: f64, seen: Option<f64>) -> Option<Target> {
    let seen = seen?;
    Some(Target { name, wanted: format!("≥ {wanted:.2}"), seen: format!("{seen:.2}"), met: seen >= wanted })
}

fn at_most(name: &'static str, wanted: f64, seen: Option<f64>) -> Option<Target> {
    let seen = seen?;
    Some(Target { name, wanted: format!("≤ {wanted:.2}"), seen: format!("{seen:.2}"), met: seen <= wanted })
}

fn none(name: &'static str, seen: Option<usize>) -> Option<Target> {
    let seen = seen?;
    Some(Target { name, wanted: "0".to_owned(), seen: seen.to_string(), met: seen == 0 })
}

fn bytes(name: &'static str, wanted: u64, seen: Option<u64>) -> Option<Target> {
    let seen = seen?;
    Some(Target { name, wanted: format!("≤ {wanted} B"), seen: format!("{seen} B"), met: seen <= wanted })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::Boot;
    use crate::hashing::{Hashing, Speed};
    use crate::results::{Series, Sizes};
    use crate::sealing::Sealing;
    use crate::shutdown::{Stop, Stops};

    fn series(contender: Contender, seconds: f64, peak_rss_kib: Option<u64>) -> Series {
        Series {
            contender,
            boots: vec![Boot { seconds, from_kernel: seconds + 2.0, to_shell: seconds * 10.0, peak_rss_kib }],
        }
    }

    #[test]
    fn each_figure_is_compared_with_its_bound() {
        let mut results = Results::new("virtio", "quiet");
        results.series = vec![
            series(Contender::LiveBoot, 12.0, None),
            series(Contender::IsoldeDebian, 1.0, Some(7812)),
            series(Contender::IsoldeStandalone, 0.5, Some(5000)),
            series(Contender::Dracut, 11.9, None),
            series(Contender::IsoldeFedora, 1.0, Some(7000)),
            series(Contender::Floor, 0.5, None),
            series(Contender::IsoldeVerity, 1.06, None),
        ];
        results.sizes = Some(Sizes { init: 2_000_001, second_initrd: 1_000_000, standalone: None, stock: 35_000_000 });
        let seen: Vec<_> = targets(&results).into_iter().map(|target| (target.name, target.met)).collect();
        let wanted = [
            ("live-boot / isolde-debian", true),
            ("dracut / isolde-fedora", false),
            ("isolde-debian / floor", false),
            ("standalone / both, from the kernel", false),
            ("verity / unchecked, to the shell", false),
            ("init", false),
            ("second initrd, compressed", true),
            ("peak memory of process 1", true),
        ];
        assert_eq!(seen, wanted);
    }

    #[test]
    fn speeds_and_seconds_are_compared_in_the_right_direction() {
        let spread = |median| Spread { median, min: median, max: median };
        let speed = |reader, warm, cold| Speed { reader, warm: Some(spread(warm)), cold: Some(spread(cold)) };
        let speeds = vec![
            Speed { reader: Reader::Disk, warm: None, cold: Some(spread(500.0)) },
            speed(Reader::Sha256sum, 100.0, 100.0),
            speed(Reader::Md5sum, 600.0, 400.0),
            speed(Reader::OneThread, 1600.0, 400.0),
            speed(Reader::AllThreads, 3100.0, 470.0),
        ];
        let mut results = Results::new("virtio", "quiet");
        results.hashing = Some(Hashing { threads: 2, speeds });
        results.sealing = vec![
            Sealing { state: State::Cold, cp: spread(2.0), seal: spread(2.1) },
            Sealing { state: State::Warm, cp: spread(1.0), seal: spread(1.2) },
        ];
        let seen: Vec<_> = targets(&results).into_iter().map(|target| (target.name, target.seen, target.met)).collect();
        let wanted = [
            ("BLAKE3 on 1 thread / sha256sum", "16.00", true),
            ("BLAKE3 on all threads / on 1 thread", "1.94", true),
            ("BLAKE3 on all threads / md5sum", "5.17", true),
            ("BLAKE3 on all threads / the disk", "0.94", false),
            ("seal / cp, cold", "1.05", true),
            ("seal / cp, warm", "1.20", false),
        ];
        assert_eq!(seen, wanted.map(|(name, seen, met)| (name, seen.to_owned(), met)));
    }

    #[test]
    fn the_way_out_is_later_by_so_much_and_leaves_nothing() {
        let stops = |contender, all: &[(f64, usize, bool)]| Stops {
            contender,
            stops: all
                .iter()
                .map(|&(seconds, loops_left, store_left)| Stop { seconds, loops: 2, loops_left, store_left })
                .collect(),
        };
        let mut results = Results::new("virtio", "quiet");
        let live_boot = stops(Contender::LiveBoot, &[(5.0, 2, true), (9.0, 2, true), (5.0, 2, true)]);
        results.stops = vec![
            live_boot.clone(),
            stops(Contender::IsoldeDebian, &[(5.25, 0, false), (9.25, 0, false), (9.0, 0, false)]),
        ];
        let seen = |results: &Results| -> Vec<_> {
            targets(results).into_iter().map(|target| (target.seen, target.met)).collect()
        };
        assert_eq!(seen(&results), [("0.25", true), ("0", true), ("0", true)].map(|(s, met)| (s.to_owned(), met)));
        results.stops = vec![live_boot, stops(Contender::IsoldeDebian, &[(6.0, 0, false), (10.0, 1, true)])];
        assert_eq!(seen(&results), [("1.00", false), ("1", false), ("1", false)].map(|(s, met)| (s.to_owned(), met)));
    }

    #[test]
    fn what_was_not_measured_is_not_judged() {
        let mut results = Results::new("usb", "");
        results.series = vec![series(Contender::LiveBoot, 12.0, None), series(Contender::Floor, 1.0, None)];
        assert_eq!(targets(&results), []);
    }
}
