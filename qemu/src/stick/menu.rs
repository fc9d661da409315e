//! The text of grub.cfg.
//!
//! GRUB finds the ISOs itself each time it shows the menu, so one copied onto the stick by hand is there at once. What to
//! load from it is said by an [entry](Loads) of its name; without one, by the two layouts that GRUB can tell apart.

use anyhow::{Result, ensure};

/// What is loaded from an ISO. Paths are the ISO's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loads {
    /// The kernel.
    pub kernel: String,
    /// The initrd's files.
    pub initrd: Vec<String>,
    /// The kernel command line.
    pub words: String,
}

impl Loads {
    /// The commands that put it into the variables of the menu.
    pub(super) fn text(&self) -> Result<String> {
        // Between single quotes GRUB takes everything as it is, but a single quote.
        let every = || self.initrd.iter().chain([&self.kernel, &self.words]);
        ensure!(
            every().all(|text| !text.contains('\'') && !text.chars().any(char::is_control)),
            "an entry with a quote or a control character: {self:?}"
        );
        let spaces = self.initrd.iter().chain([&self.kernel]).any(|path| path.contains(' '));
        ensure!(!spaces, "an entry with a space in a path: {self:?}");
        let inside = |path: &String| format!("($loop)/{}", path.trim_start_matches('/'));
        let initrd: Vec<String> = self.initrd.iter().map(inside).collect();
        let (kernel, initrd) = (inside(&self.kernel), initrd.join(" "));
        // The loop device is a variable, so the paths are between double quotes, where more has a meaning.
        ensure!(
            every().take(self.initrd.len() + 1).all(|path| !path.contains(['"', '\\', '`', '$'])),
            "a path of {self:?}"
        );
        Ok(format!("set kernel=\"{kernel}\"\nset initrd=\"{initrd}\"\nset family='{}'\n", self.words))
    }
}

/// What a menu depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Menu<'a> {
    /// Kernel words for every entry.
    pub words: &'a str,
    /// Seconds until the first entry, or the chosen one, starts.
    pub timeout: u32,
    /// The name of the ISO to start, without `.iso`; the first one if there is none.
    pub chosen: Option<&'a str>,
}

/// Everything of the menu that is the same on each stick.
///
/// A loop device has the name of its entry and is deleted first: GRUB keeps the one of an entry that failed.
const BODY: &str = r##"
# OVMF repeats its console on the serial port by itself.
if [ "$grub_platform" = pc ]; then
	serial --unit=0 --speed=115200
	terminal_input console serial
	terminal_output console serial
fi

# $1: name of the loop device, $2: path of the ISO on this file system, $3: name of the entry.
function boot_iso {
	set loop="$1"
	set iso_path="$2"
	set kernel=
	set initrd=
	set family=

	if [ -d "($loop)/" ]; then
		loopback -d "$loop"
	fi
	loopback "$loop" "$iso_path"

	if [ -f "/boot/grub/entries/$3.cfg" ]; then
		source "/boot/grub/entries/$3.cfg"
	elif [ -d "($loop)/live" ]; then
		set family="boot=live components findiso=$iso_path"
		for file in ($loop)/live/vmlinuz*; do
			set kernel="$file"
		done
		for file in ($loop)/live/initrd*; do
			set initrd="$file"
		done
	elif [ -d "($loop)/LiveOS" ]; then
		probe --set label --label "($loop)"
		# dracut wants blanks written as \x20.
		while regexp --set 1:before --set 2:after '^([^ ]*) (.*)$' "$label"; do
			set label="$before\\x20$after"
		done
		set family="root=live:CDLABEL=$label rd.live.image iso-scan/filename=$iso_path"
		for file in ($loop)/boot/x86_64/loader/linux ($loop)/isolinux/vmlinuz ($loop)/images/pxeboot/vmlinuz; do
			if [ -f "$file" ]; then
				set kernel="$file"
			fi
		done
		for file in ($loop)/boot/x86_64/loader/initrd ($loop)/isolinux/initrd.img ($loop)/images/pxeboot/initrd.img; do
			if [ -f "$file" ]; then
				set initrd="$file"
			fi
		done
	fi

	set second=
	if [ -f /boot/isolde.img ]; then
		set second=/boot/isolde.img
	fi

	if [ -z "$family" ]; then
		echo "isolde: $iso_path: unknown layout"
		echo "It has neither /live (live-boot) nor /LiveOS (dracut), and the stick has no entry for it."
	elif [ ! -f "$kernel" -o -z "$initrd" ]; then
		echo "isolde: $iso_path: no kernel or no initrd in it"
		echo "Looked for '$kernel' and '$initrd'."
	else
		echo "isolde: loading $kernel"
		echo "    and $initrd $second"
		echo "    with $family"
		if linux "$kernel" $family $words; then
			# Out of memory shows only here; without the second initrd another system would boot.
			if initrd $initrd $second; then
				boot
			fi
		fi
		echo "isolde: $iso_path: GRUB could not load it"
		echo "Is there enough memory?"
	fi
	echo "Back to the menu in 30 s, or with any key."
	sleep --interruptible 30
}

for iso in /boot/iso/*.iso; do
	if [ -f "$iso" ]; then
		regexp --set 1:name '([^/]*)\.iso$' "$iso"
		menuentry "$name" "$iso" {
			boot_iso "iso_$1" "$2" "$1"
		}
	fi
done
menuentry "Power off" {
	halt
}
"##;

/// The whole file. Pure.
pub(super) fn text(menu: &Menu<'_>) -> String {
    let chosen = menu.chosen.unwrap_or("0");
    format!(
        "# Boots every /boot/iso/*.iso of this file system. Written by isolde; do not edit.\nset words=\"{}\"\nset timeout={}\nset default=\"{chosen}\"\n{BODY}",
        menu.words, menu.timeout
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tool::{command, run};

    #[test]
    fn grub_accepts_the_menu() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("grub.cfg");
        std::fs::write(&file, text(&Menu { words: "console=ttyS0", timeout: 1, chosen: Some("debian") })).unwrap();
        run("menu", command("grub-script-check").arg(&file)).unwrap();
    }

    #[test]
    fn an_entry_is_commands_that_grub_accepts_and_nothing_else() {
        let loads = |words: &str, path: &str| Loads {
            kernel: path.to_owned(),
            initrd: ["/casper/initrd", "extra.img"].map(str::to_owned).into(),
            words: words.to_owned(),
        };
        let text = loads("boot=casper label=A\\x20B ---", "casper/vmlinuz").text().unwrap();
        assert_eq!(
            text,
            "set kernel=\"($loop)/casper/vmlinuz\"\nset initrd=\"($loop)/casper/initrd ($loop)/extra.img\"\n\
             set family='boot=casper label=A\\x20B ---'\n"
        );
        for (words, path) in
            [("a'; reboot; '", "k"), ("a\nreboot", "k"), ("a", "k\"; reboot"), ("a", "k k"), ("a", "$root")]
        {
            assert!(loads(words, path).text().is_err(), "{words} {path}");
        }
    }

    #[test]
    fn words_time_and_choice_are_in_the_first_lines() {
        let text = text(&Menu { words: "a=b quiet", timeout: 7, chosen: None });
        let head: Vec<&str> = text.lines().skip(1).take(3).collect();
        assert_eq!(head, ["set words=\"a=b quiet\"", "set timeout=7", "set default=\"0\""]);
    }

    #[test]
    fn each_entry_has_a_loop_device_of_its_own_that_is_deleted_before_use() {
        let delete = BODY.find("loopback -d \"$loop\"").unwrap();
        let create = BODY.find("loopback \"$loop\"").unwrap();
        assert!(delete < create);
        assert!(BODY.contains("boot_iso \"iso_$1\" \"$2\" \"$1\""));
    }
}
