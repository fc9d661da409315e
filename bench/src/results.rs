//! What was measured, for people and as JSON.

use std::fmt;
use std::fs;

use serde::Serialize;

use crate::boot::Boot;
use crate::cache::State;
use crate::contender::Contender;
use crate::hashing::{Hashing, Speed};
use crate::sealing::Sealing;
use crate::shutdown::Stops;
use crate::statistics::Spread;
use crate::targets::{Target, targets};

/// Everything measured in one run.
#[derive(Debug, Clone, Serialize)]
pub struct Results {
    /// The processor's name, and how many there are.
    pub machine: String,
    /// What the stick was plugged into.
    pub bus: String,
    /// Additional kernel words of every contender.
    pub words: String,
    /// The boots by contender.
    pub series: Vec<Series>,
    /// Sizes, when Isolde took part.
    pub sizes: Option<Sizes>,
    /// The ways out by contender; nothing when they were left out.
    pub stops: Vec<Stops>,
    /// Hashing, unless left out.
    pub hashing: Option<Hashing>,
    /// Sealing in both states; nothing when it was left out.
    pub sealing: Vec<Sealing>,
}

/// All boots of one contender.
#[derive(Debug, Clone, Serialize)]
pub struct Series {
    /// Who.
    pub contender: Contender,
    /// Its boots in order.
    pub boots: Vec<Boot>,
}

/// Sizes in bytes.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Sizes {
    /// The program isolde-init.
    pub init: u64,
    /// The second initrd with it, compressed.
    pub second_initrd: u64,
    /// The only initrd, compressed, where one is measured.
    pub standalone: Option<u64>,
    /// The Debian ISO's own initrd.
    pub stock: u64,
}

/// The JSON document: the measurements, and what follows from them.
#[derive(Debug, Serialize)]
pub struct Document<'a> {
    #[serde(flatten)]
    results: &'a Results,
    spreads: Vec<(Contender, Spread)>,
    targets: Vec<Target>,
}

impl Series {
    /// A series without boots.
    pub fn new(contender: Contender) -> Self {
        Self { contender, boots: Vec::new() }
    }

    /// Seconds from the kernel's start to the real init.
    pub fn spread_from_kernel(&self) -> Option<Spread> {
        Spread::of(self.boots.iter().map(|boot| boot.from_kernel))
    }

    /// Seconds from the kernel's start to the root shell.
    pub fn spread_to_shell(&self) -> Option<Spread> {
        Spread::of(self.boots.iter().map(|boot| boot.to_shell))
    }

    /// Seconds from process 1 to the real init.
    pub fn spread(&self) -> Option<Spread> {
        Spread::of(self.boots.iter().map(|boot| boot.seconds))
    }
}

impl Results {
    /// Results without measurements.
    pub fn new(bus: &str, words: &str) -> Self {
        let machine = machine(&fs::read_to_string("/proc/cpuinfo").unwrap_or_default());
        let (bus, words) = (bus.to_owned(), words.to_owned());
        let (series, stops, sealing) = (Vec::new(), Vec::new(), Vec::new());
        Self { machine, bus, words, series, sizes: None, stops, hashing: None, sealing }
    }

    /// Median of a contender, when it was measured.
    pub fn median(&self, contender: Contender) -> Option<f64> {
        Some(self.series.iter().find(|series| series.contender == contender)?.spread()?.median)
    }

    /// The same from the kernel's start on.
    pub fn median_from_kernel(&self, contender: Contender) -> Option<f64> {
        Some(self.series.iter().find(|series| series.contender == contender)?.spread_from_kernel()?.median)
    }

    /// The same up to the root shell.
    pub fn median_to_shell(&self, contender: Contender) -> Option<f64> {
        Some(self.series.iter().find(|series| series.contender == contender)?.spread_to_shell()?.median)
    }

    /// The ways out of a contender, when they were measured.
    pub fn stops(&self, contender: Contender) -> Option<&Stops> {
        self.stops.iter().find(|stops| stops.contender == contender)
    }

    /// The highest peak of process 1 in all boots of Isolde, in KiB; nothing when no report had it.
    pub fn peak_rss_kib(&self) -> Option<u64> {
        self.series.iter().flat_map(|series| &series.boots).filter_map(|boot| boot.peak_rss_kib).max()
    }

    /// For the JSON file.
    pub fn document(&self) -> Document<'_> {
        let spread = |series: &Series| Some((series.contender, series.spread()?));
        Document { results: self, spreads: self.series.iter().filter_map(spread).collect(), targets: targets(self) }
    }
}

/// "2 × AMD EPYC …" from the text of /proc/cpuinfo. Pure.
fn machine(cpuinfo: &str) -> String {
    let names: Vec<&str> = cpuinfo
        .lines()
        .filter_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map(|(_, name)| name)
        .collect();
    format!("{} × {}", names.len(), names.first().copied().unwrap_or("unknown processor"))
}

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "machine: {}; stick on {}; kernel words: {}\n", self.machine, self.bus, self.words)?;
        type Measure = fn(&Series) -> Option<Spread>;
        let tables: [(&str, Measure); 3] = [
            ("process 1 → real init, s", Series::spread),
            ("kernel → real init, s", Series::spread_from_kernel),
            ("kernel → root shell, s", Series::spread_to_shell),
        ];
        for (title, spread) in tables.iter().filter(|_| !self.series.is_empty()) {
            writeln!(f, "{title:<26} {:>8} {:>8} {:>8}   boots", "median", "min", "max")?;
            for series in &self.series {
                if let Some(Spread { median, min, max }) = spread(series) {
                    let name = series.contender.to_string();
                    writeln!(f, "{name:<26} {median:8.3} {min:8.3} {max:8.3}   {}", series.boots.len())?;
                }
            }
            writeln!(f)?;
        }
        if let Some(Sizes { standalone: Some(standalone), second_initrd, stock, .. }) = self.sizes {
            writeln!(f, "initrds, bytes: standalone {standalone}; the ISO's own {stock} and ours {second_initrd}")?;
        }
        if !self.stops.is_empty() {
            writeln!(f, "\n{:<26} {:>8} {:>8} {:>8}   left in use", "power-off, s", "median", "min", "max")?;
            for stops in &self.stops {
                if let (Some(Spread { median, min, max }), Some(loops)) = (stops.spread(), stops.loops_left()) {
                    let (name, store) =
                        (stops.contender.to_string(), if stops.store_left() { ", the store" } else { "" });
                    writeln!(f, "{name:<26} {median:8.3} {min:8.3} {max:8.3}   {loops} loops{store}")?;
                }
            }
        }
        if let Some(hashing) = &self.hashing {
            type Select = fn(&Speed) -> Option<Spread>;
            let tables: [(&str, Select); 2] = [("warm", |speed| speed.warm), ("cold", |speed| speed.cold)];
            for (state, spread) in tables {
                let title = format!("hashing 1 GiB, {state}, MB/s");
                writeln!(f, "\n{title:<26} {:>8} {:>8} {:>8}", "median", "min", "max")?;
                for speed in &hashing.speeds {
                    if let Some(Spread { median, min, max }) = spread(speed) {
                        let name = speed.reader.name(hashing.threads);
                        writeln!(f, "{name:<26} {median:8.0} {min:8.0} {max:8.0}")?;
                    }
                }
            }
        }
        if !self.sealing.is_empty() {
            writeln!(f, "\n{:<26} {:>8} {:>8} {:>8}", "1 GiB to the disk, s", "median", "min", "max")?;
            for Sealing { state, cp, seal } in &self.sealing {
                let state = match state {
                    State::Warm => "warm",
                    State::Cold => "cold",
                };
                for (name, Spread { median, min, max }) in [("cp and sync", cp), ("isolde seal", seal)] {
                    let name = format!("{name}, {state}");
                    writeln!(f, "{name:<26} {median:8.3} {min:8.3} {max:8.3}")?;
                }
            }
        }
        let targets = targets(self);
        if !targets.is_empty() {
            writeln!(f, "\n{:<36} {:>16} {:>16}", "target", "wanted", "seen")?;
        }
        for Target { name, wanted, seen, met } in targets {
            writeln!(f, "{name:<36} {wanted:>16} {seen:>16}   {}", if met { "met" } else { "MISSED" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_named_by_its_processors() {
        assert_eq!(machine("model name\t: A B\nflags: x\nmodel name\t: A B\n"), "2 × A B");
        assert_eq!(machine(""), "0 × unknown processor");
    }
}
