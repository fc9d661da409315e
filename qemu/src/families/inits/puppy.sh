
# Puppy (init, sbin/isoboot): words come from the environment, names from /DISTRO_SPECS of the initrd.
. /DISTRO_SPECS
mkdir -p /mnt/imgp /mnt/pdrv
for device in $(blkid | grep -v /dev/loop | cut -d: -f1); do
    mount -o ro "$device" /mnt/imgp || continue
    [ -f "/mnt/imgp/${findiso#/}" ] && boot=$device && break
    umount /mnt/imgp
done
[ "$boot" ] || fail "findiso=$findiso"
loop=$(losetup -f)
losetup -r "$loop" "/mnt/imgp/${findiso#/}"
mount -t iso9660 -o ro "$loop" /mnt/pdrv || fail "to mount $loop"
[ -f "/mnt/pdrv/$DISTRO_PUPPYSFS" ] || fail "$DISTRO_PUPPYSFS"
found "store $boot"
found "data /mnt/pdrv"
found "pmedia $pmedia"
for name in $DISTRO_FDRVSFS $DISTRO_ZDRVSFS $DISTRO_PUPPYSFS $DISTRO_YDRVSFS $DISTRO_ADRVSFS; do layer "/mnt/pdrv/$name"; done
enter_the_union
