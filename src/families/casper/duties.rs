//! What casper's scripts would change in the root, for what they have not done: they are not there, one of them failed,
//! or their time was over.
//!
//! Left to the scripts alone, because it needs programs of the root (dpkg-divert, debconf, gio, locale-gen): diversions of
//! update-initramfs, anacron and the update notifiers, preseeding, the installer's icon, and locales that are not built.

use super::identity::{Identity, identity};
use crate::families::account::autologin::{on_the_console, on_the_desktop};
use crate::families::account::{Changes, User, add_user, allow_sudo, names, settings};
use crate::families::{Asked, Edit, tree::Tree};
use crate::words::Words;
use std::io;

/// user-setup's groups in Ubuntu, with `sudo`.
const GROUPS: &[&str] =
    &["adm", "cdrom", "sudo", "dip", "plugdev", "lpadmin", "sambashare", "lxd", "libvirtd", "debian-tor"];
/// crypt(3) of the empty password, as casper has it for sddm, which refuses an empty field.
const BLANK_HASH: &str = "U6aMy0wojraho";
/// Words for the keyboard's settings, the first that is there, and the variable in /etc/default/keyboard (keyboard(5)).
const KEYBOARD: [(&[&str], &str); 4] = [
    (&["keyboard-configuration/layoutcode", "console-setup/layoutcode", "kbd-chooser/method"], "XKBLAYOUT"),
    (&["keyboard-configuration/variantcode", "console-setup/variantcode"], "XKBVARIANT"),
    (&["keyboard-configuration/modelcode", "console-setup/modelcode"], "XKBMODEL"),
    (&["keyboard-configuration/optionscode"], "XKBOPTIONS"),
];
const CDROM_RULES: [&str; 2] = ["lib/udev/rules.d/60-cdrom_id.rules", "usr/lib/udev/rules.d/60-cdrom_id.rules"];
const FIRST_STEPS: [&str; 2] = ["usr/libexec/gnome-initial-setup", "usr/lib/gnome-initial-setup/gnome-initial-setup"];
/// In the stock boot it is in /run, which is not part of the root yet.
const HOLD: &str = "/systemd/system/snapd.hold.service";
const HOLD_UNIT: &str = "[Unit]\nDescription=No refresh of snaps in a live session\nAfter=snapd.service\n\n\
    [Service]\nType=oneshot\nRemainAfterExit=yes\n\
    ExecStart=/bin/sh -c \"snap set core refresh.hold=$(date --date=now+60days --iso-8601=seconds)\"\n";

/// The family's duties.
pub(super) fn duties(asked: &Asked, root: &dyn Tree) -> io::Result<Vec<Edit>> {
    let who = identity(asked)?;
    let mut changes = Changes::new(root);
    user(&mut changes, &who)?;
    names::set_host(&mut changes, &who.host)?;
    names::set_hosts(&mut changes, &who.host)?;
    names::set_fstab(&mut changes)?;
    locale(&mut changes, asked.words)?;
    keyboard(&mut changes, asked.words)?;
    units(&mut changes, asked)?;
    if let Some(conf) = &who.conf {
        changes.put("etc/casper.conf", conf)?;
    }
    Ok(changes.finish())
}

fn user(changes: &mut Changes, who: &Identity) -> io::Result<()> {
    let name = who.user.as_str();
    let password = if changes.has("usr/bin/sddm")? { BLANK_HASH } else { "" };
    let shell = if changes.has("bin/bash")? { "/bin/bash" } else { "/bin/sh" };
    // As chfn(1), which Debian's adduser calls, writes a name without room and telephone.
    let gecos = [&who.full_name, ",,,"].concat();
    let user = User { name, gecos: &gecos, shell, groups: GROUPS, password, root_password: "*" };
    let account = add_user(changes, &user)?;
    allow_sudo(changes, "casper", &[name, "  ALL=(ALL) NOPASSWD: ALL\n"].concat())?;
    allow_polkit(changes, name)?;
    if !on_the_desktop(changes, name)? {
        on_the_console(changes, name)?;
    }
    if changes.first(&FIRST_STEPS)?.is_some() {
        let folder = [&account.home, "/.config"].concat();
        let done = [&folder, "/gnome-initial-setup-done"].concat();
        if !changes.has(&done)? {
            if !changes.has(&folder)? {
                changes.directory(&folder, 0o755, account.uid, account.gid);
            }
            changes.put(&done, "yes")?;
            changes.own(&done, 0o644, account.uid, account.gid);
        }
    }
    Ok(())
}

/// Nobody knows the password that polkit would ask for (polkit(8)). The older form is for versions before 0.106.
fn allow_polkit(changes: &mut Changes, user: &str) -> io::Result<()> {
    if changes.has("var/lib/polkit-1/localauthority")? {
        let text = "[Live CD user permissions]\nAction=*\nResultAny=no\nResultInactive=yes\nResultActive=yes\nIdentity=unix-user:";
        let path = "var/lib/polkit-1/localauthority/10-vendor.d/10-live-cd.pkla";
        changes.create(path, &[text, user, "\n"].concat())?;
    }
    if changes.first(&["etc/polkit-1/rules.d", "usr/share/polkit-1/rules.d"])?.is_some() {
        let text = [
            "polkit.addRule(function(action, subject) {\n    if (subject.local && subject.user == \"",
            user,
            "\") return polkit.Result.YES;\n});\n",
        ]
        .concat();
        changes.create("etc/polkit-1/rules.d/10-live-cd.rules", &text)?;
    }
    Ok(())
}

/// The locale that was asked for, and C.UTF-8 where the image has none. A locale that is not built is not set: many
/// programs do not start in it.
fn locale(changes: &mut Changes, words: &Words) -> io::Result<()> {
    let asked = words.get("debian-installer/locale").or(words.get("locale")).and_then(names::plain);
    let old = changes.read("etc/default/locale")?;
    let locale = match asked {
        Some(asked) => built(changes, asked)?,
        None => settings::variable(&old, "LANG").is_none().then(|| "C.UTF-8".to_owned()),
    };
    let Some(locale) = locale else { return Ok(()) };
    if settings::variable(&old, "LANG") != Some(&locale) {
        changes.put("etc/default/locale", &settings::with_variable(&old, "LANG", &["\"", &locale, "\""].concat()))?;
    }
    Ok(())
}

/// The first supported UTF-8 locale that begins with these letters, if it is built (locale-gen(8)).
fn built(changes: &Changes, asked: &str) -> io::Result<Option<String>> {
    let supported = changes.read("usr/share/i18n/SUPPORTED")?;
    let mut lines = supported.lines().filter(|line| line.starts_with(asked) && line.contains("UTF-8"));
    let name = lines.find_map(|line| line.split(' ').next()).unwrap_or(asked);
    let folder = ["usr/lib/locale/", &name.replace(".UTF-8", ".utf8")].concat();
    let there = changes.has("usr/lib/locale/locale-archive")? || changes.has(&folder)?;
    Ok(there.then(|| name.to_owned()))
}

fn keyboard(changes: &mut Changes, words: &Words) -> io::Result<()> {
    let path = "etc/default/keyboard";
    let old = changes.read(path)?;
    let mut text = old.clone();
    for (asked, variable) in KEYBOARD {
        if let Some(value) = asked.iter().find_map(|word| words.get(word)).and_then(names::plain)
            && settings::variable(&text, variable) != Some(value)
        {
            text = settings::with_variable(&text, variable, &["\"", value, "\""].concat());
        }
    }
    if text == old { Ok(()) } else { changes.put(path, &text) }
}

/// systemd would unmount a medium whose drive it does not see as ready, and snapd would load new snaps into memory.
fn units(changes: &mut Changes, asked: &Asked) -> io::Result<()> {
    if changes.has("etc/systemd/system")? {
        let masked = changes.first(&["lib/systemd/system/cdrom.mount", "usr/lib/systemd/system/cdrom.mount"])?;
        if masked.is_none() {
            changes.link("etc/systemd/system/cdrom.mount", "/dev/null")?;
        }
        if changes.has("usr/lib/snapd/snapd")? && !asked.initrd.is_file(&["run", HOLD].concat())? {
            let unit = ["etc", HOLD].concat();
            changes.create(&unit, HOLD_UNIT)?;
            changes.link("etc/systemd/system/snapd.service.wants/snapd.hold.service", &["/", &unit].concat())?;
        }
    }
    if let Some(path) = changes.first(&CDROM_RULES)? {
        let rules = changes.read(path)?;
        let mut kept = String::new();
        for line in rules.lines().filter(|line| !line.contains("SYSTEMD_MOUNT_DEVICE_BOUND")) {
            settings::push(&mut kept, &[line]);
        }
        changes.put(path, &kept)?;
    }
    Ok(())
}
