//! Measures Isolde against live-boot, dracut and the bare floor, in one run on one machine. See README.md.

mod boot;
mod cache;
mod contender;
mod hashing;
mod results;
mod sealing;
mod shutdown;
mod statistics;
mod targets;
mod trace;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use isolde_qemu::machine;

use contender::{Bench, Contender};
use results::{Results, Series};

/// Measure Isolde against live-boot, dracut and the bare floor.
#[derive(Debug, Parser)]
#[command(name = "isolde-bench", version)]
struct Cli {
    /// How many rounds; in each every contender is booted, some of them more than once. Fewer than 5 is for trying out.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// What the stick is plugged into.
    #[arg(long, value_enum, default_value = "virtio")]
    bus: Bus,
    /// Kernel words that every contender gets besides those of its medium's menu.
    #[arg(long, default_value = "quiet")]
    words: String,
    /// Only these contenders, and only their boots.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Contender>,
    /// Leave out a part of the benchmark.
    #[arg(long, value_enum)]
    skip: Vec<Part>,
    /// The program isolde-init. Without it, the file of that name beside this program.
    #[arg(long)]
    init: Option<PathBuf>,
    /// The program isolde-floor. Without it, the file of that name beside this program.
    #[arg(long)]
    floor: Option<PathBuf>,
    /// Folder for the stick's image and the console logs. Without it, `bench` beside this program.
    #[arg(long)]
    work: Option<PathBuf>,
    /// Write the results to this file as well, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// What the stick is plugged into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Bus {
    /// virtio-blk
    Virtio,
    /// USB 3; the kernel waits a second before it looks at a stick (usb-storage.delay_use), for every contender
    Usb,
}

/// A part of the benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The boots
    Boots,
    /// The hashing
    Hashing,
    /// The sealing
    Sealing,
    /// The way out
    Shutdown,
}

impl Bus {
    /// The harness's name for it.
    fn machine(self) -> machine::Bus {
        match self {
            Self::Virtio => machine::Bus::Virtio,
            Self::Usb => machine::Bus::Usb,
        }
    }

    /// The floor's name for it.
    fn word(self) -> &'static str {
        match self {
            Self::Virtio => "virtio",
            Self::Usb => "usb",
        }
    }
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let program = std::env::current_exe().context("the path of this program")?;
    let beside = |name: &str| program.parent().unwrap_or(Path::new(".")).join(name);
    let work = cli.work.clone().unwrap_or_else(|| beside("bench"));
    fs::create_dir_all(&work).with_context(|| format!("create {}", work.display()))?;

    let mut results = Results::new(cli.bus.word(), &cli.words);
    if !cli.skip.contains(&Part::Hashing) {
        eprintln!("hashing 1 GiB, {} rounds …", hashing::ROUNDS);
        results.hashing = Some(hashing::measure(&work)?);
    }
    if !cli.skip.contains(&Part::Sealing) {
        eprintln!("sealing 1 GiB, {} rounds …", hashing::ROUNDS);
        results.sealing = sealing::measure(&work)?;
    }
    let boots = !cli.skip.contains(&Part::Boots);
    let stops = !cli.skip.contains(&Part::Shutdown) && cli.only.is_empty();
    if boots || stops {
        let init = cli.init.clone().unwrap_or_else(|| beside("isolde-init"));
        let floor = cli.floor.clone().unwrap_or_else(|| beside("isolde-floor"));
        let contenders = match (boots, cli.only.as_slice()) {
            (false, _) => shutdown::CONTENDERS.to_vec(),
            (true, []) => Contender::value_variants().to_vec(),
            (true, only) => only.to_vec(),
        };
        let bench = Bench::prepare(&work, &init, &floor, &contenders, cli.bus, &cli.words)?;
        if boots {
            results.sizes = bench.sizes()?;
            results.series = all_boots(&bench, &contenders, cli.runs)?;
        }
        if stops {
            results.stops = shutdown::measure(&bench, cli.runs)?;
        }
    }
    print!("{results}");
    if let Some(path) = &cli.json {
        let text = serde_json::to_string_pretty(&results.document()).context("the results as JSON")?;
        fs::write(path, text + "\n").with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}

/// All boots, the contenders alternating, so that a machine that becomes slower or faster meanwhile does so for all.
fn all_boots(bench: &Bench, contenders: &[Contender], runs: u32) -> Result<Vec<Series>> {
    let mut series: Vec<Series> = contenders.iter().map(|&contender| Series::new(contender)).collect();
    let most = contenders.iter().map(|contender| contender.boots_per_round()).max().unwrap_or_default();
    for run in 1..=runs {
        for turn in 0..most {
            for one in series.iter_mut().filter(|one| turn < one.contender.boots_per_round()) {
                // The name before the boot, the result behind it: a boot can take a minute.
                eprint!("round {run} of {runs}: {:<14}", one.contender.to_string());
                let boot =
                    boot::measure(bench, one.contender).with_context(|| format!("{} round {run}", one.contender))?;
                eprintln!("{:8.3} s", boot.seconds);
                one.boots.push(boot);
            }
        }
    }
    Ok(series)
}
