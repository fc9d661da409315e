//! Void Linux: dracut's layout, with the older nested image, and void-mklive's hooks in the initrd.
//!
//! The medium is told from Fedora's by void-mklive's part of GRUB's menu, or by its hooks in the initrd (void-mklive,
//! mklive.sh.in; dracut/vmklive/module-setup.sh). The hooks make the user `anon`, whose password is `voidlinux`, and set
//! what the command line asks for. They are run where they are there: plain scripts that call programs of the new root.
//! Other hooks of dracut at the same place are not ours to run.

use super::account::autologin::on_the_desktop;
use super::account::{Changes, User, add_user, allow_sudo, names, settings};
use super::{Asked, Edit, Family, Layout, LiveUser, NO_HABITS, Scripts, Way, dracut};
use crate::families::tree::Tree;
use crate::words::Does::{Source, Userland};
use crate::words::{Word, Words, word};
use std::io;

#[cfg(test)]
mod tests;

/// See the module's own text.
pub const FAMILY: Family = Family {
    name: "void",
    systems: "Void, hrmpf",
    way: Way::Scripts,
    words: WORDS,
    recognise,
    duties,
    user: |asked, _| Ok(Some(LiveUser::named(user_of(asked.words)))),
    scripts: Some(Scripts {
        marks: HOOKS,
        root: "/sysroot",
        beside: &[],
        text: include_str!("void/hooks.sh"),
        environment: |_| Ok(vec![("NEWROOT".to_owned(), "/sysroot".to_owned())]),
    }),
    ..NO_HABITS
};

/// The words of dracut's own dialect are dracut's.
const WORDS: &[Word] = &[
    word("root", "live:SPEC|SPEC", Source),
    word("iso-scan/filename", "PATH", Source),
    word("live.user", "NAME", Userland),
    word("live.shell", "PATH", Userland),
    word("live.autologin", "", Userland),
    word("live.accessibility", "", Userland),
    word("locale.LANG", "LOCALE", Userland),
    word("vconsole.keymap", "KEYMAP", Userland),
    word("nomodeset", "", Userland),
    word("console", "DEVICE", Userland),
];

/// The first of its hooks, in dracut's older and newer place.
const HOOKS: &[&str] = &["lib/dracut/hooks/pre-pivot/01-adduser.sh", "var/lib/dracut/hooks/pre-pivot/01-adduser.sh"];
const MENU: &str = "boot/grub/grub_void.cfg";

/// crypt(3) of `voidlinux`, from `openssl passwd -6 -salt isolde.void voidlinux`. The password is no secret.
const PASSWORD: &str =
    "$6$isolde.void$6MAfdIq6IpeidbSW3dtDPBEmJXUZFLdlHsH5XI5VbHq9MknmcJyhm0CGuWD3/jPnFWyAwA7HQbRbwKao6RF0n.";
/// Whoever is in `wheel` needs no password (polkit(8)).
const POLKIT: &str = "polkit.addAdminRule(function(action, subject) {\n    return [\"unix-group:wheel\"];\n});\n\n\
    polkit.addRule(function(action, subject) {\n    if (subject.isInGroup(\"wheel\")) return polkit.Result.YES;\n});\n";
/// Where runit looks for services (runsvdir(8)).
const SERVICES: &str = "etc/runit/runsvdir/default/";

fn recognise(asked: &Asked) -> io::Result<Option<Layout>> {
    // The medium first: on the host, the end of an initrd costs a second to read.
    let Some(layout) = (dracut::FAMILY.recognise)(asked)? else { return Ok(None) };
    let mut ours = asked.medium.is_file(MENU)?;
    for hook in HOOKS {
        ours = ours || asked.initrd.is_file(hook)?;
    }
    Ok(ours.then_some(layout))
}

fn duties(asked: &Asked, root: &dyn Tree) -> io::Result<Vec<Edit>> {
    let words = asked.words;
    let mut changes = Changes::new(root);
    names::set_host(&mut changes, "void-live")?;
    let name = user_of(words);
    user(&mut changes, words, name)?;
    on_the_desktop(&mut changes, name)?;
    language(&mut changes, words)?;
    services(&mut changes, words)?;
    Ok(changes.finish())
}

fn user_of(words: &Words) -> &str {
    words.get("live.user").and_then(names::user_name).unwrap_or("anon")
}

fn user(changes: &mut Changes, words: &Words, name: &str) -> io::Result<()> {
    let asked = words.get("live.shell").filter(|shell| shell.starts_with('/')).and_then(names::plain);
    let default = if changes.has("bin/bash")? { "/bin/bash" } else { "/bin/sh" };
    let shell = asked.filter(|shell| !shell.contains([':', ','])).unwrap_or(default);
    let mut shells = changes.read("etc/shells")?;
    if !shells.lines().any(|line| line == shell) {
        settings::push(&mut shells, &[shell]);
        changes.put("etc/shells", &shells)?;
    }
    let groups = &["audio", "video", "wheel"];
    let user = User { name, gecos: name, shell, groups, password: PASSWORD, root_password: PASSWORD };
    add_user(changes, &user)?;
    let conf = settings::with_variable(&changes.read("etc/default/live.conf")?, "USERNAME", name);
    changes.put("etc/default/live.conf", &conf)?;
    allow_sudo(changes, "99-void-live", &[name, " ALL=(ALL:ALL) NOPASSWD: ALL\n"].concat())?;
    if changes.has("etc/polkit-1")? {
        changes.create("etc/polkit-1/rules.d/void-live.rules", POLKIT)?;
    }
    let getty = "etc/sv/agetty-tty1/conf";
    if words.is_set("live.autologin") && changes.has(getty)? {
        let arguments = ["\"--noclear -a ", name, "\""].concat();
        changes.put(getty, &changes.read(getty)?.replace("\"--noclear\"", &arguments))?;
    }
    Ok(())
}

/// locale.conf(5) and the keymap, in vconsole.conf or in Void's own rc.conf.
fn language(changes: &mut Changes, words: &Words) -> io::Result<()> {
    let locale = words.get("locale.LANG").and_then(names::plain).unwrap_or("en_US.UTF-8");
    changes.put("etc/locale.conf", &["LANG=", locale, "\nLC_COLLATE=C\n"].concat())?;
    let keymap = words.get("vconsole.keymap").and_then(names::plain).unwrap_or("us");
    if let Some(file) = changes.first(&["etc/vconsole.conf", "etc/rc.conf"])? {
        changes.put(file, &settings::with_variable(&changes.read(file)?, "KEYMAP", keymap))?;
    }
    Ok(())
}

/// A login on a serial console, a screen reader, and no display manager without graphics.
fn services(changes: &mut Changes, words: &Words) -> io::Result<()> {
    let console = words.get("console").unwrap_or_default();
    let serial = ["ttyS0", "hvc0", "hvsi0"].into_iter().find(|name| console.contains(name));
    let getty = serial.map(|name| ["agetty-", name].concat());
    let readers: &[&str] = if words.is_set("live.accessibility") { &["espeakup", "brltty"] } else { &[] };
    for service in getty.as_deref().into_iter().chain(readers.iter().copied()) {
        let at = ["etc/sv/", service].concat();
        if changes.has(&at)? {
            changes.link(&[SERVICES, service].concat(), &["/", &at].concat())?;
        }
    }
    if words.is_set("nomodeset") {
        for service in ["lightdm", "sddm", "gdm"].map(|name| [SERVICES, name].concat()) {
            if changes.has(&service)? {
                changes.create(&[&service, "/down"].concat(), "")?;
            }
        }
    }
    Ok(())
}
