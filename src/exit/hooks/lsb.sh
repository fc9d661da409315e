# Isolde: the way out, after the last script that unmounts (docs/exit.md).
case "$0 ${1-}" in
*umountroot\ stop)
    case "${INIT_HALT-} $0 ${RUNLEVEL-} ${RC_REBOOT-}" in
    *rc6.d* | *\ 6\ * | *YES) isolde=reboot ;;
    HALT*) isolde=halt ;;
    *) isolde=poweroff ;;
    esac
    trap 'mount -o remount,exec /run; /run/initramfs/shutdown $isolde' EXIT
    ;;
esac
