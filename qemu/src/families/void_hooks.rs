//! Stand-ins for void-mklive's hooks: each does for a small root what the hook of that name does, by programs of the root
//! and dracut's own library, and writes down that it ran.

use anyhow::Result;

use super::Tree;
use super::root::busybox;

/// Where the hooks write down that they ran, in the new root.
pub const LOG: &str = "/var/log/void-hooks";

const BEGIN: &str = r#"#!/bin/sh
type getarg >/dev/null 2>&1 || . /lib/dracut-lib.sh
USERNAME=$(getarg live.user)
[ -z "$USERNAME" ] && USERNAME=anon
"#;

/// Name and body, in the order in which they run.
const HOOKS: [(&str, &str); 4] = [
    (
        "01-adduser.sh",
        r#"echo "01-adduser $USERNAME $NEWROOT" >>"$NEWROOT/var/log/void-hooks"
echo void-live >"$NEWROOT/etc/hostname"
mkdir -p "$NEWROOT/etc/default"
echo "USERNAME=$USERNAME" >>"$NEWROOT/etc/default/live.conf"
chroot "$NEWROOT" useradd -m -c "$USERNAME" -G audio,video,wheel -s /bin/sh "$USERNAME"
chroot "$NEWROOT" sh -c 'echo "root:voidlinux" | chpasswd -c SHA512'
chroot "$NEWROOT" sh -c "echo '$USERNAME:voidlinux' | chpasswd -c SHA512"
echo "$USERNAME ALL=(ALL:ALL) NOPASSWD: ALL" >"$NEWROOT/etc/sudoers.d/99-void-live"
chmod 440 "$NEWROOT/etc/sudoers.d/99-void-live"
cat >"$NEWROOT/etc/polkit-1/rules.d/void-live.rules" <<END
polkit.addAdminRule(function(action, subject) {
    return ["unix-group:wheel"];
});

polkit.addRule(function(action, subject) {
    if (subject.isInGroup("wheel")) return polkit.Result.YES;
});
END
if getarg live.autologin >/dev/null; then
    sed -i "s,GETTY_ARGS=\"--noclear\",GETTY_ARGS=\"--noclear -a $USERNAME\",g" "$NEWROOT/etc/sv/agetty-tty1/conf"
fi
"#,
    ),
    (
        "02-display-manager-autologin.sh",
        r#"echo "02-display-manager-autologin $USERNAME" >>"$NEWROOT/var/log/void-hooks"
session=$(cat "$NEWROOT/etc/lightdm/.session")
sed -i -e "s|^#\(autologin-user=\).*|\1$USERNAME|" -e "s|^#\(autologin-user-timeout=\).*|\10|" \
    -e "s|^#\(autologin-session=\).*|\1$session|" -e "s|^#\(user-session=\).*|\1$session|" \
    "$NEWROOT/etc/lightdm/lightdm.conf"
"#,
    ),
    (
        "03-getty-serial.sh",
        r#"echo "03-getty-serial" >>"$NEWROOT/var/log/void-hooks"
case $(getarg console) in
    *ttyS0*) ln -s /etc/sv/agetty-ttyS0 "$NEWROOT/etc/runit/runsvdir/default/agetty-ttyS0" ;;
esac
"#,
    ),
    (
        "04-locale.sh",
        r#"echo "04-locale" >>"$NEWROOT/var/log/void-hooks"
printf 'LANG=%s\nLC_COLLATE=C\n' "$(getarg locale.LANG)" >"$NEWROOT/etc/locale.conf"
sed -i "s/^#KEYMAP=.*/KEYMAP=$(getarg vconsole.keymap)/" "$NEWROOT/etc/rc.conf"
"#,
    ),
];

/// The hooks, and the programs that void-mklive's dracut module adds for them.
pub(super) fn tree() -> Result<Tree> {
    let tree = Tree::new()
        .copy("usr/bin/void-programs", &busybox()?)
        .link("usr/bin/chroot", "void-programs")
        .link("usr/bin/chmod", "void-programs")
        // A hook of somebody else, which is not to be run.
        .program("usr/lib/dracut/hooks/pre-pivot/99-other.sh", "touch \"$NEWROOT/etc/other-hook-ran\"\n");
    Ok(HOOKS.iter().fold(tree, |tree, (name, body)| {
        tree.program(format!("usr/lib/dracut/hooks/pre-pivot/{name}"), format!("{BEGIN}{body}"))
    }))
}

/// The programs of the root that the hooks call. The password's hash is made by the hook's caller, so it is left in words.
pub(super) fn programs() -> Tree {
    let useradd = r#"#!/bin/sh
for name in "$@"; do :; done
echo "$name:x:1000:1000:$name:/home/$name:/bin/sh" >>/etc/passwd
echo "$name:x:1000:" >>/etc/group
echo "$name:!::" >>/etc/gshadow
echo "$name:!:19700:0:99999:7:::" >>/etc/shadow
for group in audio video wheel; do
    sed -i -e "s/^\($group:.*[^:]\)\$/\1,$name/" -e "s/^\($group:.*:\)\$/\1$name/" /etc/group /etc/gshadow
done
cp -r /etc/skel "/home/$name"
chmod "$(sed -n 's/^HOME_MODE[[:space:]]*//p' /etc/login.defs)" "/home/$name"
chown -R 1000:1000 "/home/$name"
"#;
    let chpasswd =
        "#!/bin/sh\nIFS=:\nread -r name word\nsed -i \"s/^$name:[^:]*:/$name:hash-of-$word:/\" /etc/shadow\n";
    Tree::new().program("usr/bin/useradd", useradd).program("usr/bin/chpasswd", chpasswd)
}
