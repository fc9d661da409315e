//! Words of menus that are known: a word that is not is left out of a menu that is made here.
//!
//! Known are the words of the live systems' own dialects, which `isolde::families` has, and the words below: what the
//! kernel, systemd, dracut and the userlands of live media read and the menus of real media have. Sources: linux,
//! Documentation/admin-guide/kernel-parameters.txt; kernel-command-line(7); dracut.cmdline(7); live-config(7);
//! ubiquity's and the installers' documents; and the menus of the media that `isolde inspect` was made for.

use isolde::families::find_word;

/// Words by their name, `_` for `-`. A name that ends with a dot or a slash stands for all names that begin so.
const KNOWN: &[&str] = &[
    // The kernel: the console and the screen.
    "consoleblank",
    "debug",
    "earlyprintk",
    "fbcon",
    "ignore_loglevel",
    "ip",
    "loglevel",
    "printk.time",
    "quiet",
    "vga",
    "video",
    // Its machine.
    "acpi",
    "acpi_backlight",
    "acpi_enforce_resources",
    "acpi_osi",
    "add_efi_memmap",
    "all_generic_ide",
    "apm",
    "clocksource",
    "edd",
    "efi",
    "gpt",
    "hpet",
    "intel_idle.max_cstate",
    "intel_iommu",
    "iommu",
    "irqpoll",
    "kaslr",
    "libata.force",
    "max_loop",
    "maxcpus",
    "mitigations",
    "net.ifnames",
    "noapic",
    "noapm",
    "nodma",
    "noefi",
    "nohibernate",
    "noiommu",
    "nolapic",
    "nomce",
    "nomdmonddf",
    "nomdmonisw",
    "nosmp",
    "noresume",
    "nowatchdog",
    "nvme_load",
    "pci",
    "pcie_aspm",
    "pnpbios",
    "raid",
    "reboot",
    "rootdelay",
    "rootwait",
    "scsi_mod.use_blk_mq",
    "usbcore.autosuspend",
    // Its own protection, which a menu may make stronger or weaker for its own system.
    "apparmor",
    "audit",
    "enforcing",
    "init_on_alloc",
    "init_on_free",
    "l1tf",
    "lockdown",
    "lsm",
    "mce",
    "mds",
    "page_alloc.shuffle",
    "page_poison",
    "pti",
    "randomize_kstack_offset",
    "security",
    "selinux",
    "slab_nomerge",
    "slub_debug",
    "spec_store_bypass_disable",
    "vsyscall",
    "zswap.enabled",
    // Its graphics.
    "amdgpu.",
    "i915.",
    "module_blacklist",
    "modprobe.blacklist",
    "nouveau.",
    "nvidia_drm.",
    "radeon.",
    "vmwgfx.",
    // Its root, which is the image's own business.
    "init",
    "load_ramdisk",
    "prompt_ramdisk",
    "ramdisk_size",
    "ro",
    "rootflags",
    "rootfstype",
    "rw",
    // Splash screens.
    "nosplash",
    "plymouth.",
    "rhgb",
    "splash",
    "splasht",
    "logo.nologo",
    "vt.global_cursor_default",
    // systemd, udev and dracut.
    "locale.",
    "rd.dm",
    "rd.luks",
    "rd.lvm",
    "rd.live.deltadir",
    "rd.live.host",
    "rd.live.user",
    "rd.md",
    "rd.multipath",
    "rd.plymouth",
    "rd.udev.log_level",
    "rd.udev.log_priority",
    "rd.vconsole.",
    "systemd.gpt_auto",
    "systemd.log_level",
    "systemd.mask",
    "systemd.show_status",
    "systemd.unified_cgroup_hierarchy",
    "systemd.unit",
    "systemd.zram",
    "udev.log_level",
    "udev.log_priority",
    "vconsole.",
    // live-config.
    "debconf_preseed",
    "forensic",
    "hooks",
    "keyb",
    "keyboard_layouts",
    "keyboard_model",
    "keyboard_options",
    "keyboard_variants",
    "live_config.",
    "live_config",
    "locales",
    "noautomount",
    "nocomponents",
    "noconfig",
    "noeject",
    "noroot",
    "noswap",
    "nottyautologin",
    "nox11autologin",
    "pkeys",
    "union",
    "timezone",
    "user_default_groups",
    "user_fullname",
    "utc",
    "wlan_driver",
    "x_session_manager",
    "xorg_driver",
    "xorg_resolution",
    // Screen readers.
    "speakup.",
    // Clonezilla and GParted.
    "gl_",
    "ocs_",
    // Installers and their preseeds.
    "auto",
    "console_setup/",
    "debian_installer/",
    "keyboard_configuration/",
    "languagechooser/",
    "countrychooser/",
    "preseed/",
    "netcfg/",
    "cdrom_detect/",
    "inst.",
    "ks",
    "liveinst",
    "oem",
    "priority",
    "textinst",
    "xdriver",
    // Manjaro, archiso, antiX, Porteus, Slax, Slackware, Calculate, kiwi.
    "automatic",
    "base_only",
    "earlymodules",
    "fastboot",
    "keytable",
    "kbd",
    "kiwi_hybrid",
    "lang",
    "menus",
    "nodevfs",
    "nonfree",
    "norootcopy",
    "repo",
    "slax.flags",
    "xkb",
    "nomagic",
    "showopts",
    "tz",
    "xorg",
];

/// Whether anybody here knows a word of this name.
pub(super) fn knows(name: &str) -> bool {
    // The two that end the kernel's words: with three dashes for Ubuntu, with two for the kernel.
    if matches!(name, "--" | "---") || find_word(name).is_some() {
        return true;
    }
    let name = name.replace('-', "_");
    KNOWN.iter().any(|known| match known.strip_suffix(['.', '/', '_']) {
        Some(_) => name.len() > known.len() && name.starts_with(known),
        None => name == *known,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_the_form_that_is_compared() {
        for name in KNOWN {
            assert!(!name.contains(['-', '=', ' ']), "{name}");
            assert!(!name.starts_with("isolde") && *name != "rdinit", "{name}");
            assert_eq!(KNOWN.iter().filter(|other| *other == name).count(), 1, "{name}");
            assert!(find_word(name).is_none(), "{name} is a word of a dialect");
        }
    }

    #[test]
    fn nearly_every_word_of_real_menus_is_known() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/cmdlines");
        let (mut known, mut all) = (0, 0);
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if ["hostile.txt", "refused.txt", "isolde.txt"].iter().any(|name| path.ends_with(name)) {
                continue;
            }
            let text = std::fs::read_to_string(path).unwrap();
            for line in text.lines().filter_map(|line| line.strip_prefix("> ")) {
                for word in isolde::stages::plan::render::origins::words(line) {
                    // Boot loaders add the first by themselves; the second is what an image must not say.
                    let name = word.text.split('=').next().unwrap_or_default();
                    if name != "BOOT_IMAGE" && name != "rdinit" && !name.starts_with("isolde.") {
                        known += u32::from(knows(name));
                        all += 1;
                    }
                }
            }
        }
        assert!(all > 500 && known * 100 >= all * 95, "{known} of {all}");
    }

    #[test]
    fn what_is_known_and_what_is_not() {
        for name in
            ["quiet", "boot", "findiso", "keyboard-layouts", "i915.modeset", "ocs_live_run", "--", "---", "init"]
        {
            assert!(knows(name), "{name}");
        }
        for name in ["", "i915.", "ocs_", "quiet_", "systemd.run", "systemd.setenv", "rdinit", "isolde.verify", "x"] {
            assert!(!knows(name), "{name}");
        }
    }
}
