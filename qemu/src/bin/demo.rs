//! `make demo`: a live system boots from a stick, in a virtual machine on the user's terminal.
//!
//! Takes   `[--second-initrd FILE] [--firmware bios|uefi] [--iso FILE] [--stick FILE]`; an empty FILE is as good as none.
//!         An ISO of the user's own is looked at with `isolde inspect`, the program beside this one, and wants a second
//!         initrd in the rdinit form: its family may be one that boots itself.
//! Gives   the guest's console on the terminal, until it is powered off.
//! Leaves  the stick, with what the user made in `/home`, for the next time.
//! Fails   when a program is missing, a file is not there, or the ISO is no live system.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};
use isolde_qemu::fixtures;
use isolde_qemu::machine::{Bus, Disk, Firmware, Machine};
use isolde_qemu::stick::{Loads, Stick};
use isolde_qemu::store::FileSystem;
use isolde_qemu::{cache, tool};
use serde_json::Value;

/// MiB of free space on the data partition. The image is sparse, so it costs nothing until it is used, and an ISO of any
/// size can be put on later.
const FREE: u64 = 16 * 1024;

/// MiB of memory: Ubuntu's desktop needs that much; Debian's live image would do with a fourth.
const MEMORY: u32 = 2048;

/// Without `noautologin`, live-config logs its user in by itself, and there would be no login prompt.
const WORDS: &str = "console=tty0 console=ttyS0,115200 noautologin";

/// The program of the second initrd's rdinit form.
const RDINIT: &str = "rdinit=/isolde/init";

#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    second_initrd: Option<PathBuf>,
    uefi: bool,
    iso: Option<PathBuf>,
    stick: Option<PathBuf>,
}

fn main() -> ExitCode {
    match parse(std::env::args().skip(1)).and_then(|options| demonstrate(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Options> {
    let mut options = Options::default();
    while let Some(word) = words.next() {
        let value = words.next().with_context(|| format!("{word} needs a value"))?;
        let file = (!value.is_empty()).then(|| PathBuf::from(&value));
        match (word.as_str(), value.as_str()) {
            ("--second-initrd", _) => options.second_initrd = file,
            ("--iso", _) => options.iso = file,
            ("--stick", _) => options.stick = file,
            ("--firmware", "bios" | "") => options.uefi = false,
            ("--firmware", "uefi") => options.uefi = true,
            ("--firmware", other) => bail!("firmware \"{other}\": there are bios and uefi"),
            (other, _) => bail!("unknown option {other}"),
        }
    }
    Ok(options)
}

fn demonstrate(options: &Options) -> Result<()> {
    let work = tempfile::tempdir().context("a work folder")?;
    let (iso, kernel, entry) = match &options.iso {
        Some(path) => {
            ensure!(path.is_file(), "{} is not there", path.display());
            let iso = path.canonicalize().with_context(|| format!("find {}", path.display()))?;
            ensure!(iso.extension().is_some_and(|end| end == "iso"), "wanted NAME.iso, seen {}", iso.display());
            let loads = look(&iso)?;
            (iso, kernel_of(path, &loads.kernel, work.path()), Some(loads))
        }
        None => {
            let iso = fixtures::debian()?;
            (iso.path, Some(iso.kernel), None)
        }
    };
    let stick_path = match &options.stick {
        Some(path) => std::path::absolute(path).context("the stick's path")?,
        None => cache::folder()?.join("demo-stick.img"),
    };
    let mut stick = Stick::new(FileSystem::Ext4).free(FREE).iso(&iso);
    stick = match entry {
        Some(loads) => stick.words(&format!("{WORDS} {RDINIT}")).entry(&name_of(&iso), &loads)?,
        None => stick.words(WORDS),
    };
    if let Some(path) = &options.second_initrd {
        stick = stick.second_initrd(path);
    }
    tool::say(&format!("ISO    {}", iso.display()));
    tool::say(&format!("stick  {}", stick_path.display()));
    match stick.update(&stick_path)?.as_slice() {
        [] => tool::say("       up to date"),
        changed => tool::say(&format!("       written: {}", changed.join(" "))),
    }
    tool::say(&explanation(options));

    let firmware = if options.uefi { Firmware::Uefi } else { Firmware::Bios };
    let mut machine = Machine::firmware("demo", work.path(), firmware)
        .disk(Disk::new("stick", &stick_path, Bus::Usb).kept())
        .memory(MEMORY);
    if let Some(kernel) = kernel {
        machine = machine.probe_with(&kernel);
    }
    machine.run_on_terminal()
}

fn explanation(options: &Options) -> String {
    let firmware = if options.uefi { "OVMF (UEFI)" } else { "SeaBIOS" };
    let second =
        if options.second_initrd.is_some() { "Isolde" } else { "no second initrd: the ISO's own scripts boot it" };
    let login = if options.iso.is_some() { "as the ISO's makers say" } else { "user \"user\", password \"live\"" };
    [
        "",
        &format!("A machine starts from this stick: {firmware}, GRUB, the ISO's kernel and initrd; {second}."),
        &format!("To log in   {login}. What is saved in the home directory is there the next time."),
        "To leave    sudo poweroff, or Ctrl-A and then X to pull the plug.",
        "",
    ]
    .join("\n")
}

/// The name of the ISO's entry in the menu.
fn name_of(iso: &Path) -> String {
    iso.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// Asks `isolde inspect` what the ISO is, and what has to be loaded from it.
fn look(iso: &Path) -> Result<Loads> {
    let program = std::env::current_exe().context("the path of this program")?.with_file_name("isolde");
    let output = Command::new(&program)
        .args(["inspect", "--json", "--at", &format!("/boot/iso/{}.iso", name_of(iso))]) // where the stick has it
        .arg(iso)
        .output()
        .with_context(|| format!("start {}", program.display()))?;
    let refusal = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    ensure!(!output.stdout.is_empty(), "{refusal}");
    answer(&output.stdout).with_context(|| iso.display().to_string())
}

/// What `isolde inspect --json` says. Pure.
fn answer(json: &[u8]) -> Result<Loads> {
    let report: Value = serde_json::from_slice(json).context("the answer of isolde inspect")?;
    let text = |at: &str| report.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
    let list = |at: &str| -> Vec<String> {
        let items = report.pointer(at).and_then(Value::as_array).into_iter().flatten();
        items.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    if report.pointer("/verdict/not_live").is_some() {
        bail!("this is {}: {}", text("/verdict/not_live/what"), text("/verdict/not_live/advice"));
    }
    if report.pointer("/verdict/unknown").is_some() {
        bail!("wanted a live system of a known family, seen {}", list("/verdict/unknown/seen").join(", "));
    }
    for note in list("/notes") {
        tool::say(&format!("       {note}"));
    }
    let loads = Loads { kernel: text("/kernel"), initrd: list("/initrd"), words: text("/menu/words") };
    ensure!(!loads.kernel.is_empty() && !loads.initrd.is_empty(), "wanted a kernel and an initrd in it, seen none");
    Ok(loads)
}

/// The kernel of an ISO; it is only used to find out whether KVM works.
fn kernel_of(iso: &Path, inside: &str, work: &Path) -> Option<PathBuf> {
    let to = work.join("vmlinuz");
    fixtures::extract(iso, &format!("/{}", inside.trim_start_matches('/')), &to).is_ok().then_some(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<Options> {
        parse(words.iter().map(|word| (*word).to_owned()))
    }

    #[test]
    fn an_empty_value_is_as_good_as_none() {
        assert_eq!(parsed(&["--iso", "", "--firmware", "", "--second-initrd", ""]).unwrap(), Options::default());
    }

    #[test]
    fn what_inspect_says_is_loaded_or_told() {
        let live = br#"{"verdict":"live","kernel":"casper/vmlinuz","initrd":["casper/initrd"],"menu":{"words":"a b"}}"#;
        let loads = answer(live).unwrap();
        assert_eq!((loads.kernel.as_str(), loads.words.as_str()), ("casper/vmlinuz", "a b"));
        let windows = br#"{"verdict":{"not_live":{"what":"a Windows medium","advice":"write it"}}}"#;
        assert_eq!(answer(windows).unwrap_err().to_string(), "this is a Windows medium: write it");
        let unknown = br#"{"verdict":{"unknown":{"seen":["a","b"]}}}"#;
        assert!(answer(unknown).unwrap_err().to_string().ends_with("seen a, b"));
        assert!(answer(br#"{"verdict":"live"}"#).is_err(), "a bare image has no kernel");
    }

    #[test]
    fn options_are_read_and_wrong_ones_refused() {
        let options = parsed(&["--firmware", "uefi", "--iso", "/a.iso", "--second-initrd", "/i"]).unwrap();
        assert!(options.uefi);
        assert_eq!(options.iso, Some(PathBuf::from("/a.iso")));
        assert_eq!(options.second_initrd, Some(PathBuf::from("/i")));
        assert!(parsed(&["--firmware", "coreboot"]).unwrap_err().to_string().contains("coreboot"));
        assert!(parsed(&["--iso"]).is_err());
        assert!(parsed(&["--frobnicate", "x"]).is_err());
    }
}
