//! Stand-ins for casper's own scripts: the main one, which its init runs when it is delegated to, and those after it. Each
//! of these does for a small root what the script of that name does in Ubuntu, in its way (shell, chroot, debconf through
//! descriptors 3 and 4), and writes down that it ran and what it was given.

use super::Tree;

/// Where the scripts write down that they ran, in the new root: a name and the variables they go by, in their order.
pub const LOG: &str = "/var/log/casper-bottom";

/// The main script. Like the real one it takes the device that LIVEMEDIA names before it searches for any, reads that name
/// from a file after each script that it runs, and stacks what LAYERFS_PATH says.
const MAIN: &str = r#"mount_top() { :; }
mount_premount() { :; }
mountroot() {
    run_scripts /scripts/casper-premount
    [ -b "$LIVEMEDIA" ] || panic "no medium was named"
    modprobe overlay
    mkdir -p /cdrom /run/memory
    mount -t iso9660 -o ro "$LIVEMEDIA" /cdrom
    name= lower=
    for part in $(echo "${LAYERFS_PATH%.squashfs}" | tr . ' '); do
        name=$name${name:+.}$part
        mkdir -p "/run/layers/$name"
        mount -t squashfs -o ro,loop "/cdrom/casper/$name.squashfs" "/run/layers/$name"
        lower=/run/layers/$name${lower:+:$lower}
    done
    mount -t tmpfs memory /run/memory
    mkdir /run/memory/changes /run/memory/work
    mount -t overlay -o "lowerdir=$lower,upperdir=/run/memory/changes,workdir=/run/memory/work" /cow "$rootmnt"
    echo "medium $LIVEMEDIA" >/run/found
}
"#;
/// The script that it runs first, in the place of casper's own.
const PREMOUNT: &str = "scripts/casper-premount/10driver_updates";

/// What every one of the others begins with; the first argument is for initramfs-tools, which orders them.
const BEGIN: &str = r#"#!/bin/sh
PREREQ=""
prereqs() { echo "$PREREQ"; }
case $1 in prereqs) prereqs; exit 0 ;; esac
. /scripts/casper-functions
log_begin_msg "$DESCRIPTION"
mkdir -p /root/var/log
echo "${0##*/} $USERNAME $HOST $USERFULLNAME, $BUILD_SYSTEM $FLAVOUR, $rootmnt $LIVE_MEDIA_PATH $LAYERFS_PATH" >>/root/var/log/casper-bottom
"#;

/// Name and body, in the order in which they run.
const SCRIPTS: [(&str, &str); 11] = [
    (
        "05mountpoints",
        "mkdir -p /root/cdrom /root/media\nmount -n -o move /cdrom /root/cdrom\nln -sf /cdrom /root/media/cdrom\n",
    ),
    ("12fstab", "printf '%s\\n' 'overlay / overlay rw 0 0' 'tmpfs /tmp tmpfs nosuid,nodev 0 0' >>/root/etc/fstab\n"),
    ("13swap", "touch /root/etc/swap-was-used\n"),
    ("14locales", "mkdir -p /root/etc/default\nprintf 'LANG=\"C.UTF-8\"\\n' >/root/etc/default/locale\n"),
    (
        "15autologin",
        "sed -i \"s/\\[daemon\\]/[daemon]\\nAutomaticLoginEnable=true\\nAutomaticLogin=$USERNAME/\" /root/etc/gdm3/custom.conf\n",
    ),
    (
        "18hostname",
        "echo \"$HOST\" >/root/etc/hostname\n\
         printf '%s\\n' '127.0.0.1 localhost' \"127.0.1.1 $HOST\" '::1 ip6-localhost' >/root/etc/hosts\n",
    ),
    (
        // debconf has a copy of its data while the scripts run; what it was told is there afterwards.
        "19keyboard",
        "layout=$(tr ' ' '\\n' </proc/cmdline | sed -n 's,^keyboard-configuration/layoutcode=,,p')\n\
         echo \"set keyboard-configuration/layoutcode $layout\" >&3\nread -r answer <&4\n\
         echo \"debconf: $answer\" >>/root/var/log/casper-bottom\n\
         sed -i \"s/^XKBLAYOUT=.*/XKBLAYOUT=\\\"$layout\\\"/\" /root/etc/default/keyboard\n",
    ),
    (
        "25adduser",
        r#"echo "$USERNAME:x:1000:1000:$USERFULLNAME,,,:/home/$USERNAME:/bin/sh" >>/root/etc/passwd
echo "$USERNAME:x:1000:" >>/root/etc/group
echo "$USERNAME:!::" >>/root/etc/gshadow
echo "$USERNAME:::0:99999:7:::" >>/root/etc/shadow
for group in adm cdrom dip lpadmin plugdev sudo; do
    sed -i -e "s/^\($group:.*[^:]\)\$/\1,$USERNAME/" -e "s/^\($group:.*:\)\$/\1$USERNAME/" /root/etc/group /root/etc/gshadow
done
chroot /root cp -r /etc/skel "/home/$USERNAME"
chroot /root chown -R "$USERNAME:$USERNAME" "/home/$USERNAME"
chmod 750 "/root/home/$USERNAME"
echo "$USERNAME  ALL=(ALL) NOPASSWD: ALL" >/root/etc/sudoers.d/casper
chmod 440 /root/etc/sudoers.d/casper
"#,
    ),
    (
        "25disable_cdrom.mount",
        "sed -i '/SYSTEMD_MOUNT_DEVICE_BOUND/d' /root/usr/lib/udev/rules.d/60-cdrom_id.rules\n\
         ln -s /dev/null /root/etc/systemd/system/cdrom.mount\n",
    ),
    (
        // One that fails must not keep the next from running.
        "43disable_updateinitramfs",
        "exit 3\n",
    ),
    (
        "99casperboot",
        "printf 'polkit.addRule(function(action, subject) {\\n    if (subject.local && subject.user == \"%s\") return polkit.Result.YES;\\n});\\n' \
         \"$USERNAME\" >/root/etc/polkit-1/rules.d/10-live-cd.rules\ntouch /run/.casper-boot\n",
    ),
];

/// The scripts, and what they need of casper's library; initramfs-tools' own is in the base initrd.
pub(super) fn tree() -> Tree {
    let entry = |path: &str| format!("/{path} \"$@\"\n[ -e /conf/param.conf ] && . /conf/param.conf\n");
    let order = SCRIPTS.map(|(name, _)| entry(&format!("scripts/casper-bottom/{name}")));
    let tree = Tree::new()
        .text("scripts/casper", MAIN)
        .text("scripts/casper-premount/ORDER", entry(PREMOUNT))
        .program(PREMOUNT, "#!/bin/sh\nexit 0\n")
        .text("scripts/casper-functions", ". /scripts/functions\n")
        .text("scripts/casper-bottom/ORDER", order.concat());
    SCRIPTS.iter().fold(tree, |tree, (name, body)| {
        let text = format!("{BEGIN}{body}\nlog_end_msg\n");
        tree.program(format!("scripts/casper-bottom/{name}"), text)
    })
}

/// debconf in the root: takes answers on its input, as debconf-communicate(1) does, and keeps them in the data that its
/// settings name.
pub(super) fn debconf() -> Tree {
    let communicate = r#"#!/bin/sh
data=$(sed -n '/^Name: config$/,/^$/s/^Filename: //p' "${DEBCONF_SYSTEMRC:-/etc/debconf.conf}")
while read -r command name value; do
    case $command in
        set) printf 'Name: %s\nValue: %s\n\n' "$name" "$value" >>"$data"; echo "0 value set" ;;
        *) echo "20 unsupported command" ;;
    esac
done
"#;
    // debconf-copydb(1), as far as casper's stage asks for it: from a data base that the options describe into a named one.
    let copydb = r#"#!/bin/sh
from=$1 to=$2
[ "$3 $4" = "--config=Name:$from --config=Driver:File" ] && cat "${5#--config=Filename:}" >"/var/cache/debconf/$to.dat"
"#;
    Tree::new()
        .program("usr/bin/debconf-communicate", communicate)
        .program("usr/bin/debconf-copydb", copydb)
        .text(
            "etc/debconf.conf",
            "Config: configdb\nTemplates: templatedb\n\nName: config\nDriver: File\nMode: 644\nFilename: \
             /var/cache/debconf/config.dat\n\nName: passwords\nDriver: File\nMode: 600\nFilename: \
             /var/cache/debconf/passwords.dat\n\nName: templatedb\nDriver: File\nMode: 644\nFilename: \
             /var/cache/debconf/templates.dat\n",
        )
        .text("var/cache/debconf/config.dat", "")
        .text("var/cache/debconf/passwords.dat", "")
        .text("var/cache/debconf/templates.dat", "")
}
