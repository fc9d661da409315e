//! `isolde inspect`: what an image is and how it would boot, without root and without mounting.
//!
//! Takes   the path of an image.
//! Gives   [`Report`]: the same families answer as in init, on the image's own tree.
//! Leaves  the image as it is, and unread but for some megabytes.
//! Fails   with status 1 when the image is no live system or would not boot, and with 2 when it cannot be read or is cut
//!         short.

pub mod checks;
pub mod kernel;
pub mod layers;
pub mod menu;
mod report;

pub use report::{Menu, Report, Verdict};

use crate::iso::bytes::{ImageFile, Limited, MOST, Source};
use crate::iso::initrd::{Effort, Initrd};
use crate::iso::optical::Optical;
use anyhow::{Context, Result, bail};
use isolde::families::{self, Asked, Pair, Way, strangers, tree::Tree};
use isolde::formats::superblock::{Format, Superblock, probe};
use isolde::source::ImageSpec;
use isolde::stages::{cmdline, plan};
use isolde::words::Words;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The status for an image that is no live system, and for one whose boot would stop.
const WILL_NOT_BOOT: u8 = 1;
/// The status when there is no answer; clap's own for a wrong command line.
const NO_ANSWER: u8 = 2;
/// Names that are shown of an image that is not known.
const NAMES_SHOWN: usize = 12;
/// Bytes of the kernel command line that x86 keeps (COMMAND_LINE_SIZE).
const LINE: usize = 2048;

/// What `--help` ends with.
const HELP: &str = "\
Exit status:
  0  it boots, as far as can be seen
  1  it does not: it is no live system, or something would stop its boot
  2  there is no answer: it cannot be read, was cut short, or is of no known format

Example:
  isolde inspect debian-live.iso --at /isos/debian-live.iso

docs/inspect.md explains the answer, and every field of the JSON.";

/// Say what an image is and how it would boot, without root and without mounting it.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Args {
    /// The image: an ISO (ISO 9660 or UDF), or a squashfs, erofs or ext4 file system.
    pub image: PathBuf,
    /// Where the image will be on its store, for the menu entry [default: /boot/iso/ and the file's name].
    #[arg(long, value_name = "PATH")]
    pub at: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Prints the answer; the status says whether it is a live system.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    let report = match examine(&args.image, args.at.as_deref()) {
        Ok(report) => report,
        Err(error) => return no_answer(&format!("{error:#}")),
    };
    let text = match args.json {
        true => serde_json::to_string_pretty(&report).map_err(io::Error::from),
        false => Ok(report.to_string().trim_end().to_owned()),
    };
    match text.and_then(|text| writeln!(io::stdout().lock(), "{text}")) {
        // A reader that has seen enough, such as head(1), is no failure.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => no_answer(&error.to_string()),
        _ if report.boots() => ExitCode::SUCCESS,
        _ => WILL_NOT_BOOT.into(),
    }
}

fn no_answer(why: &str) -> ExitCode {
    eprintln!("isolde: {why}");
    NO_ANSWER.into()
}

/// Looks at an image.
///
/// # Errors
/// When it cannot be read, is of no format that can be booted, or is shorter than it says itself.
pub fn examine(path: &Path, at: Option<&str>) -> Result<Report> {
    let shown = path.display().to_string();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let at = at.map_or_else(|| format!("/boot/iso/{name}"), |at| format!("/{}", at.trim_start_matches('/')));
    let file = ImageFile::open(path).with_context(|| shown.clone())?;
    look(&Limited::new(file, MOST), &shown, &at).with_context(|| shown.clone())
}

/// Looks at the bytes of an image. `shown` is its name in the answer, `at` its path on its store.
pub fn look(image: Source, shown: &str, at: &str) -> Result<Report> {
    const WANTED: &str = "wanted an ISO 9660, UDF, squashfs, erofs or ext4 image";
    let bytes = image.size()?;
    let Some(superblock) = probe(&image)? else { bail!("{WANTED}, seen no known file system in {bytes} bytes") };
    if let Some(want) = superblock.size.filter(|want| *want > bytes) {
        bail!("wanted {want} bytes, as its file system says, seen {bytes}: the copy was cut short");
    }
    let report = Report::new(shown, bytes, &superblock);
    match superblock.format {
        Format::Iso9660 => medium(report, image, &superblock, &Optical::iso(image)?, at),
        Format::Udf => medium(report, image, &superblock, &Optical::udf(image)?, at),
        Format::Squashfs | Format::Erofs | Format::Ext2 | Format::Ext3 | Format::Ext4 => Ok(bare(report, at)),
        other => bail!("{WANTED}, seen {}", other.name()),
    }
}

/// A single file system is the only layer of its root.
fn bare(mut report: Report, at: &str) -> Report {
    report.verdict = Verdict::Live;
    report.is_of(&families::BARE);
    report.layers =
        vec![layers::Layer { file: at.to_owned(), format: Some(report.format), bytes: report.bytes, nested: None }];
    report.notes.push(format!("it has no kernel of its own: boot one with the word isolde.image={at}"));
    report
}

fn medium(mut report: Report, image: Source, superblock: &Superblock, tree: &Optical, at: &str) -> Result<Report> {
    report.names = Some(tree.names().text());
    let (label, uuid) = (superblock.label.as_deref().unwrap_or(""), superblock.uuid.as_deref().unwrap_or(""));
    let (chosen, notes) = menu::choose(menu::grub::Medium { tree, iso_path: at, label, uuid })?;
    report.notes.extend(notes);
    let chosen = chosen.unwrap_or_default();
    let (words, mut for_us) = understood(&chosen.words, at, &mut report.notes);

    let files = chosen.initrd.iter().filter_map(|path| tree.file(path).transpose()).collect::<io::Result<Vec<_>>>()?;
    let initrd = Initrd::new(files, Effort::Start);
    let asked = Asked { medium: tree, initrd: &initrd, words: &words };
    let booted = match families::recognise(&asked)? {
        Some((family, layout)) => {
            report.verdict = Verdict::Live;
            report.is_of(&family);
            let found = layers::find(tree, &layout)?;
            report.layers = found.layers;
            report.stops.extend(found.stops);
            report.notes.extend(found.notes);
            let pair = (family.pair)(&asked)?;
            report.notes.extend(pair.filter(|pair| !pair.medium.contains(&pair.initrd)).map(mismatch));
            if family.way == Way::Delegate {
                for_us.push("rdinit=/isolde/init".to_owned());
                report.notes.push(
                    "its own init boots it: make the second initrd with isolde-mkinitrd --form rdinit".to_owned(),
                );
            }
            let layers = report.layers.iter().map(|layer| layer.file.clone());
            [chosen.kernel.clone()].into_iter().chain(chosen.initrd.clone()).chain(layers).collect()
        }
        None => {
            report.verdict = stranger(image, tree)?;
            Vec::new()
        }
    };
    if let (unknown, Some(why)) = initrd.unknown()
        && !unknown.is_empty()
    {
        report.notes.push(format!("the initrd: {why}; not known whether it has {}", unknown.join(", ")));
    }
    let booted: Vec<String> = booted.into_iter().filter(|path| !path.is_empty()).collect();
    report.checks = checks::find(image, tree, &booted)?;
    entry(&mut report, tree, chosen, &for_us, at)?;
    Ok(report)
}

/// What init makes of the entry's words: those for the family, and the words that have to be added so that it finds the
/// image.
pub(crate) fn understood(words: &[String], at: &str, notes: &mut Vec<String>) -> (Words, Vec<String>) {
    let decide = |line: &str| cmdline::parse(line).and_then(|cmdline| plan::decide(&cmdline));
    let line = words.join(" ");
    match decide(&line) {
        Ok(plan) if plan.image == ImageSpec::File(at.to_owned()) => (plan.words, Vec::new()),
        other => {
            let word = format!("isolde.image={at}");
            match decide(&format!("\"{word}\" {line}")) {
                Ok(plan) => (plan.words, vec![word]),
                Err(error) => {
                    notes.push(format!("the words of its menu: {}", other.err().unwrap_or(error)));
                    (Words::default(), vec![word])
                }
            }
        }
    }
}

fn mismatch(pair: Pair) -> String {
    let medium = if pair.medium.is_empty() { "none".to_owned() } else { pair.medium.join(", ") };
    format!(
        "the initrd is for another medium: it carries the id {}, the medium {medium}; drivers may be missing",
        pair.initrd
    )
}

/// What an image is that is no live system. One that shows a note on its ISO 9660 side and the rest on its UDF side is a
/// Windows medium.
fn stranger(image: Source, tree: &Optical) -> io::Result<Verdict> {
    let mut found = strangers::recognise(tree)?;
    if found.is_none() {
        // Nearly no image has a second file system: that there is none is no error.
        if let Ok(udf) = Optical::udf(image) {
            found = strangers::recognise(&udf)?;
        }
    }
    Ok(match found {
        Some(stranger) => Verdict::NotLive { what: stranger.what.to_owned(), advice: stranger.advice.to_owned() },
        None => {
            let names = tree.list("")?.into_iter().take(NAMES_SHOWN).map(|entry| entry.name);
            Verdict::Unknown { seen: names.collect() }
        }
    })
}

/// Kernel, initrd and menu of the answer.
fn entry(report: &mut Report, tree: &Optical, chosen: menu::Chosen, for_us: &[String], at: &str) -> io::Result<()> {
    if chosen.kernel.is_empty() {
        report.notes.push("no kernel with an initrd was found in it".to_owned());
        return Ok(());
    }
    if let Some(file) = tree.file(&chosen.kernel)? {
        let mut kernel = kernel::read(&file)?;
        if kernel.version.is_none() {
            kernel.version = kernel::version_in_name(&chosen.kernel).map(str::to_owned);
        }
        report.architecture = kernel.architecture;
        report.kernel_version = kernel.version;
    }
    report.kernel = Some(chosen.kernel.clone());
    report.initrd.clone_from(&chosen.initrd);
    if report.verdict != Verdict::Live {
        return Ok(());
    }
    report.grub = menu::render(&chosen, at, for_us);
    if report.grub.is_none() {
        report.notes.push(format!("no menu can name {at}: rename the file to letters, digits, - _ and ."));
    }
    let words: Vec<String> = for_us.iter().chain(&chosen.words).cloned().collect();
    let line = words.join(" ");
    if line.len() >= LINE {
        report.notes.push(format!("the command line has {} bytes, and the kernel keeps {}", line.len(), LINE - 1));
    }
    report.notes.extend(chosen.commands.iter().map(|command| format!("its menu's command {command} is not passed on")));
    report.menu = Some(Menu {
        from: Some(chosen.from).filter(|from| !from.is_empty()),
        title: Some(chosen.title).filter(|title| !title.is_empty()),
        words: line,
        left_out: chosen.left_out.into_iter().map(|(word, why)| format!("{word}: {why}")).collect(),
    });
    Ok(())
}
