//! The text of grub.cfg.
//!
//! GRUB finds the ISOs itself each time it shows the menu, so one copied onto the stick by hand is there at once. The
//! layouts of live images and their kernel words are in `docs` of the families; here is only what a boot loader must do.

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

# $1: name of the loop device, $2: path of the ISO on this file system.
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

	if [ -d "($loop)/live" ]; then
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
		echo "It has neither /live (live-boot) nor /LiveOS (dracut)."
	elif [ ! -f "$kernel" -o ! -f "$initrd" ]; then
		echo "isolde: $iso_path: no kernel or no initrd in it"
		echo "Looked for '$kernel' and '$initrd'."
	else
		echo "isolde: loading $kernel"
		echo "    and $initrd $second"
		echo "    with $family"
		if linux "$kernel" $family $words; then
			# Out of memory shows only here; without the second initrd another system would boot.
			if initrd "$initrd" $second; then
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
			boot_iso "iso_$1" "$2"
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
        assert!(BODY.contains("boot_iso \"iso_$1\" \"$2\""));
    }
}
