//! `make demo`: a live system boots from a stick, in a virtual machine on the user's terminal.
//!
//! Takes   `[--second-initrd FILE] [--firmware bios|uefi] [--iso FILE] [--stick FILE]`; an empty FILE is as good as none.
//! Gives   the guest's console on the terminal, until it is powered off.
//! Leaves  the stick, with what the user made in `/home`, for the next time.
//! Fails   when a program is missing, or a file is not there.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use isolde_qemu::fixtures;
use isolde_qemu::machine::{Bus, Disk, Firmware, Machine};
use isolde_qemu::stick::Stick;
use isolde_qemu::store::FileSystem;
use isolde_qemu::{cache, tool};

/// MiB of free space on the data partition. The image is sparse, so it costs nothing until it is used, and an ISO of any
/// size can be put on later.
const FREE: u64 = 16 * 1024;

/// MiB of memory: Ubuntu's desktop needs that much; Debian's live image would do with a fourth.
const MEMORY: u32 = 2048;

/// Without `noautologin`, live-config logs its user in by itself, and there would be no login prompt.
const WORDS: &str = "console=tty0 console=ttyS0,115200 noautologin";

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
    let (iso, kernel) = match &options.iso {
        Some(path) => {
            ensure!(path.is_file(), "{} is not there", path.display());
            (path.canonicalize().with_context(|| format!("find {}", path.display()))?, kernel_of(path, work.path()))
        }
        None => {
            let iso = fixtures::debian()?;
            (iso.path, Some(iso.kernel))
        }
    };
    let stick_path = match &options.stick {
        Some(path) => std::path::absolute(path).context("the stick's path")?,
        None => cache::folder()?.join("demo-stick.img"),
    };
    let mut stick = Stick::new(FileSystem::Ext4).free(FREE).words(WORDS).iso(&iso);
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

/// The kernel of an ISO, if it is at one of the usual places; it is only used to find out whether KVM works.
fn kernel_of(iso: &Path, work: &Path) -> Option<PathBuf> {
    let to = work.join("vmlinuz");
    ["/live/vmlinuz", "/casper/vmlinuz", "/boot/x86_64/loader/linux", "/images/pxeboot/vmlinuz"]
        .iter()
        .any(|inside| fixtures::extract(iso, inside, &to).is_ok())
        .then_some(to)
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
