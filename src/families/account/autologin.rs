//! Who is logged in without being asked: gdm, lightdm, sddm, lxdm, and the console where there is none of them.
//!
//! A display manager that has somebody to log in already keeps them: its own scripts, the image, or a persistent
//! upper have said so.

use super::{Changes, settings};
use std::io;

/// gdm's folder in Debian's form and in its own, with the file that counts.
const GDM: [(&str, &str); 2] = [("etc/gdm3", "etc/gdm3/custom.conf"), ("etc/gdm", "etc/gdm/custom.conf")];
const LIGHTDM: &str = "etc/lightdm/lightdm.conf";
/// The session that Void's image names for lightdm.
const LIGHTDM_SESSION: &str = "etc/lightdm/.session";
const SDDM: &str = "etc/sddm.conf";
const LXDM: &str = "etc/lxdm/lxdm.conf";

/// Sessions for sddm, the first that is there: it starts none by itself.
const SDDM_SESSIONS: &[&str] = &[
    "usr/share/xsessions/kubuntu-live-environment.desktop",
    "usr/share/xsessions/plasma.desktop",
    "usr/share/wayland-sessions/plasma.desktop",
    "usr/share/xsessions/plasmax11.desktop",
    "usr/share/xsessions/lubuntu-live-environment.desktop",
    "usr/share/xsessions/budgie-desktop-live.desktop",
    "usr/share/xsessions/lxqt.desktop",
];
/// Sessions for lxdm, the first that is there.
const LXDM_SESSIONS: &[&str] = &[
    "usr/bin/enlightenment_start",
    "usr/bin/startxfce4",
    "usr/bin/mate-session",
    "usr/bin/cinnamon-session",
    "usr/bin/i3",
    "usr/bin/startlxde",
    "usr/bin/startlxqt",
    "usr/bin/startfluxbox",
];

/// In every display manager that the root has; says whether there is one.
pub fn on_the_desktop(changes: &mut Changes, user: &str) -> io::Result<bool> {
    let mut found = false;
    for (folder, file) in GDM {
        if changes.has(folder)? {
            found = true;
            let keys = [("AutomaticLoginEnable", "true"), ("AutomaticLogin", user)];
            set(changes, file, "daemon", "AutomaticLogin", &keys)?;
        }
    }
    if changes.has("etc/lightdm")? {
        found = true;
        lightdm(changes, user)?;
    }
    if changes.has("usr/bin/sddm")? {
        found = true;
        let session = changes.first(SDDM_SESSIONS)?.and_then(|path| path.rsplit('/').next());
        let keys = [("Session", session.unwrap_or_default()), ("User", user)];
        set(changes, SDDM, "Autologin", "User", &keys)?;
    }
    if changes.has(LXDM)? {
        found = true;
        let session = changes.first(LXDM_SESSIONS)?.map(|path| ["/", path].concat());
        let keys = [("session", session.as_deref().unwrap_or_default()), ("autologin", user)];
        set(changes, LXDM, "base", "autologin", &keys)?;
    }
    Ok(found)
}

fn lightdm(changes: &mut Changes, user: &str) -> io::Result<()> {
    // The old name of the section still counts where it is used.
    let old = changes.read(LIGHTDM)?.lines().any(|line| line.trim() == "[SeatDefaults]");
    let section = if old { "SeatDefaults" } else { "Seat:*" };
    let session = changes.read(LIGHTDM_SESSION)?;
    let session = super::names::plain(session.trim()).unwrap_or_default();
    let keys = [
        ("user-session", session),
        ("autologin-session", session),
        ("autologin-user-timeout", "0"),
        ("autologin-user", user),
    ];
    set(changes, LIGHTDM, section, "autologin-user", &keys)
}

/// The keys that have a value, unless `done` has one in the file.
fn set(changes: &mut Changes, file: &str, section: &str, done: &str, keys: &[(&str, &str)]) -> io::Result<()> {
    let mut text = changes.read(file)?;
    if settings::key(&text, done).is_some_and(|value| !value.is_empty()) {
        return Ok(());
    }
    for (key, value) in keys.iter().filter(|(_, value)| !value.is_empty()) {
        text = settings::with_key(&text, section, key, value);
    }
    changes.put(file, &text)
}

/// On the first virtual terminal, where systemd starts it (systemd.unit(5), drop-in; agetty(8)). A root with a drop-in
/// of its own has its own idea of that terminal.
pub fn on_the_console(changes: &mut Changes, user: &str) -> io::Result<()> {
    let own = ["etc/systemd/system/getty@.service.d", "etc/systemd/system/getty@tty1.service.d"];
    if !changes.has("etc/systemd/system")? || changes.first(&own)?.is_some() {
        return Ok(());
    }
    let unit = ["[Service]\nExecStart=\nExecStart=-/sbin/agetty --autologin ", user, " --noclear %I $TERM\n"].concat();
    changes.put("etc/systemd/system/getty@tty1.service.d/autologin.conf", &unit)
}

#[cfg(test)]
mod tests {
    use super::super::fake::{Fake, after};
    use super::*;
    use crate::sys::record::Tree;

    /// The root after two rounds; the second one must have nothing to do.
    fn done(tree: Tree) -> (bool, Fake) {
        let fake = Fake::new(tree);
        let mut changes = Changes::new(&fake);
        let found = on_the_desktop(&mut changes, "me").unwrap();
        let edits = changes.finish();
        let fake = after(fake, edits);
        let mut again = Changes::new(&fake);
        assert_eq!(on_the_desktop(&mut again, "me").unwrap(), found);
        assert_eq!(again.finish(), Vec::new());
        (found, fake)
    }

    #[test]
    fn gdm_logs_in_below_its_own_heading() {
        let stock = "[daemon]\n#WaylandEnable=false\n#  AutomaticLogin = user1\n\n[security]\n";
        let (found, root) = done(Tree::new().file("etc/gdm3/custom.conf", stock));
        assert!(found);
        assert_eq!(
            root.text("etc/gdm3/custom.conf"),
            "[daemon]\nAutomaticLogin=me\nAutomaticLoginEnable=true\n#WaylandEnable=false\n#  AutomaticLogin = user1\n\n\
             [security]\n"
        );
        let (_, root) = done(Tree::new().directory("etc/gdm"));
        assert_eq!(root.text("etc/gdm/custom.conf"), "[daemon]\nAutomaticLogin=me\nAutomaticLoginEnable=true\n");
    }

    #[test]
    fn somebody_who_is_logged_in_already_stays() {
        let (_, root) = done(Tree::new().file("etc/gdm3/custom.conf", "[daemon]\nAutomaticLogin=other\n"));
        assert_eq!(root.text("etc/gdm3/custom.conf"), "[daemon]\nAutomaticLogin=other\n");
        let (_, root) = done(Tree::new().file(LIGHTDM, "[SeatDefaults]\nautologin-user=other\n"));
        assert_eq!(root.text(LIGHTDM), "[SeatDefaults]\nautologin-user=other\n");
    }

    #[test]
    fn lightdm_takes_the_section_that_is_there_and_voids_session() {
        let (_, root) = done(Tree::new().file(LIGHTDM, "[LightDM]\n[Seat:*]\n#autologin-user=\n[XDMCPServer]\n"));
        assert_eq!(
            root.text(LIGHTDM),
            "[LightDM]\n[Seat:*]\nautologin-user=me\nautologin-user-timeout=0\n#autologin-user=\n[XDMCPServer]\n"
        );
        let (_, root) = done(Tree::new().file(LIGHTDM, "[SeatDefaults]\n"));
        assert!(root.text(LIGHTDM).starts_with("[SeatDefaults]\nautologin-user=me\n"));
        let (_, root) = done(Tree::new().file(LIGHTDM_SESSION, "xfce\n"));
        assert!(root.text(LIGHTDM).contains("autologin-session=xfce\nuser-session=xfce\n"), "{}", root.text(LIGHTDM));
        let (_, root) = done(Tree::new().file(LIGHTDM_SESSION, "a\nb\n"));
        assert!(!root.text(LIGHTDM).contains("session"), "a session of two lines is none");
    }

    #[test]
    fn sddm_and_lxdm_get_a_session_that_is_there() {
        let tree = Tree::new().program("usr/bin/sddm").file("usr/share/xsessions/plasma.desktop", "");
        let (found, root) = done(tree);
        assert!(found);
        assert_eq!(root.text(SDDM), "[Autologin]\nUser=me\nSession=plasma.desktop\n");
        let (_, root) = done(Tree::new().program("usr/bin/sddm"));
        assert_eq!(root.text(SDDM), "[Autologin]\nUser=me\n");
        let tree = Tree::new().file(LXDM, "[base]\n# autologin=dgod\n").program("usr/bin/mate-session");
        let (_, root) = done(tree);
        assert_eq!(root.text(LXDM), "[base]\nautologin=me\nsession=/usr/bin/mate-session\n# autologin=dgod\n");
    }

    #[test]
    fn the_console_only_where_systemd_is_and_nobody_has_decided() {
        for (tree, wanted) in [
            (Tree::new(), false),
            (Tree::new().directory("etc/systemd/system"), true),
            (Tree::new().directory("etc/systemd/system/getty@.service.d"), false),
        ] {
            let fake = Fake::new(tree);
            let mut changes = Changes::new(&fake);
            on_the_console(&mut changes, "me").unwrap();
            let edits = changes.finish();
            let fake = after(fake, edits);
            let unit = fake.text("etc/systemd/system/getty@tty1.service.d/autologin.conf");
            assert_eq!(unit.contains("--autologin me "), wanted);
        }
        assert!(!done(Tree::new()).0);
    }
}
