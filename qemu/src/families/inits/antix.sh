
# antiX and MX (init: fromiso=, buuid=): the device with that UUID, the ISO's path on it, its squashfs inside.
file=$(value fromiso)
uuid=$(value buuid)
mkdir -p /live/iso-dev /live/iso-file
for device in $(blkid | cut -d: -f1); do
    [ "$(blkid -o value -s UUID "$device")" = "$uuid" ] && boot=$device && break
done
[ "$boot" ] || fail "a device with UUID $uuid"
mount -o ro "$boot" /live/iso-dev || fail "to mount $boot"
mount -o loop,ro "/live/iso-dev/${file#/}" /live/iso-file || fail "$file on $boot"
[ -f /live/iso-file/antiX/linuxfs ] || fail "/antiX/linuxfs"
found "store $boot"
found "data /live/iso-file/antiX"
layer /live/iso-file/antiX/linuxfs
enter_the_union
