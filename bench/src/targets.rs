//! The figures that are to be reached, and whether they are. Pure.

use serde::Serialize;

use crate::contender::Contender;
use crate::results::Results;

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
    let hashing = results.hashing.as_ref();
    let sha = hashing.map(|hashing| hashing.blake3_one_thread.median / hashing.sha256sum.median);
    let scaling = hashing.map(|hashing| hashing.blake3_all_threads.median / hashing.blake3_one_thread.median);
    let scaling_wanted = hashing.map_or(1.0, |hashing| 1.0_f64.max(SCALING * hashing.threads as f64));
    let peak = results.peak_rss_kib().map(|kib| kib * 1024);
    [
        at_least("live-boot / isolde-debian", FASTER_THAN_PEERS, ratio(Contender::LiveBoot, Contender::IsoldeDebian)),
        at_least("dracut / isolde-fedora", FASTER_THAN_PEERS, ratio(Contender::Dracut, Contender::IsoldeFedora)),
        at_most("isolde-debian / floor", ABOVE_FLOOR, ratio(Contender::IsoldeDebian, Contender::Floor)),
        at_most("standalone / both, from the kernel", ALONE, alone()),
        bytes("init", INIT, results.sizes.map(|sizes| sizes.init)),
        bytes("second initrd, compressed", SECOND_INITRD, results.sizes.map(|sizes| sizes.second_initrd)),
        bytes("peak memory of process 1", PEAK, peak),
        at_least("BLAKE3 on 1 thread / sha256sum", FASTER_THAN_SHA256SUM, sha),
        at_least("BLAKE3 on all threads / on 1 thread", scaling_wanted, scaling),
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

fn bytes(name: &'static str, wanted: u64, seen: Option<u64>) -> Option<Target> {
    let seen = seen?;
    Some(Target { name, wanted: format!("≤ {wanted} B"), seen: format!("{seen} B"), met: seen <= wanted })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::Boot;
    use crate::results::{Series, Sizes};

    fn series(contender: Contender, seconds: f64, peak_rss_kib: Option<u64>) -> Series {
        Series { contender, boots: vec![Boot { seconds, from_kernel: seconds + 2.0, peak_rss_kib }] }
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
        ];
        results.sizes = Some(Sizes { init: 2_000_001, second_initrd: 1_000_000, standalone: None, stock: 35_000_000 });
        let seen: Vec<_> = targets(&results).into_iter().map(|target| (target.name, target.met)).collect();
        let wanted = [
            ("live-boot / isolde-debian", true),
            ("dracut / isolde-fedora", false),
            ("isolde-debian / floor", false),
            ("standalone / both, from the kernel", false),
            ("init", false),
            ("second initrd, compressed", true),
            ("peak memory of process 1", true),
        ];
        assert_eq!(seen, wanted);
    }

    #[test]
    fn what_was_not_measured_is_not_judged() {
        let mut results = Results::new("usb", "");
        results.series = vec![series(Contender::LiveBoot, 12.0, None), series(Contender::Floor, 1.0, None)];
        assert_eq!(targets(&results), []);
    }
}
