# Runs void-mklive's hooks of the initramfs, in which this starts, against the new root at $NEWROOT, in dracut's order and
# as dracut does: sourced, with its library. Each goes on by itself, and its failure is told.
. ./lib/dracut-lib.sh
for hook in ./lib/dracut/hooks/pre-pivot/*.sh ./var/lib/dracut/hooks/pre-pivot/*.sh; do
    case $hook in
        */[0-9][0-9]-adduser.sh | */[0-9][0-9]-display-manager-autologin.sh | */[0-9][0-9]-getty-serial.sh | \
            */[0-9][0-9]-locale.sh | */[0-9][0-9]-accessibility.sh | */[0-9][0-9]-nomodeset.sh | \
            */[0-9][0-9]-services.sh) ;;
        *) continue ;;
    esac
    (. "$hook") || echo "$hook ended with status $?"
done
