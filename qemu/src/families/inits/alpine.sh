
# Alpine (nlplug-findfs): every block device that is not mounted yet is mounted below /media and searched, one folder
# deep, for a repository. Packages of the repository are unpacked into a tmpfs.
for entry in /sys/class/block/*; do
    name=${entry##*/}
    kind=$(blkid -o value -s TYPE "/dev/$name") && [ "$kind" ] || continue
    grep -q "^/dev/$name " /proc/mounts && found "skipped /dev/$name: it is mounted" && continue
    mkdir -p "/media/$name"
    mount -t "$kind" -o ro "/dev/$name" "/media/$name" || continue
    [ -e "/media/$name/apks/.boot_repository" ] && media=/media/$name && break
    umount "/media/$name"
done
[ "$media" ] || fail "a boot repository"
found "data $media"
[ -f "$media/boot/modloop-lts" ] || fail "modloop-lts"
mkdir -p /sysroot
mount -t tmpfs root /sysroot
tar -xzf "$media"/apks/x86_64/alpine-base-3.20.0-r0.apk -C /sysroot
enter /sysroot
