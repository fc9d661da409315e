#!/sbin/openrc-run
# Isolde: the way out, after the last service of the runlevel "shutdown" (docs/exit.md).

description="Unmounts everything and stops the machine"

depend() {
    after killprocs mount-ro savecache
}

start() {
    # busybox' init says to nobody what it was asked for: /etc/isolde-exit, by /etc/inittab.
    case "$(readlink /proc/1/exe)" in
    */busybox) return 0 ;;
    esac
    case "${RC_REBOOT-}" in
    YES) isolde=reboot ;;
    *) isolde=poweroff ;;
    esac
    mount -o remount,exec /run
    /run/initramfs/shutdown $isolde
}
