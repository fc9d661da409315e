
# liveslak (liveinit: livemedia=scandev:PATH): every device, partitions first; each is unmounted by its device's name.
wish=$(value livemedia)
path=${wish#*:}
[ "${wish%%:*}" = scandev ] || fail "livemedia=$wish"
super=/mnt/super_1
mkdir -p "$super" /mnt/livemedia
for device in $(blkid | cut -d: -f1 | grep '[0-9]$') $(blkid | cut -d: -f1 | grep -v '[0-9]$'); do
    mount -t "$(blkid -o value -s TYPE "$device")" -o ro "$device" "$super"
    [ -f "$super/$path" ] && media=$device
    umount "$device"
    [ "$media" ] && break
done
[ "$media" ] || fail "$path on any device"
mount -o ro "$media" "$super"
mount -o loop,ro "$super/$path" /mnt/livemedia
[ -d /mnt/livemedia/liveslak/system ] || fail "liveslak on $media"
found "store $media"
found "data /mnt/livemedia/liveslak"

load=$(value load | sed 's/,/|/g')
cd /mnt/livemedia/liveslak
for module in $(ls system/*.s* | sort) $(ls addons/*.s* | sort); do layer "$module"; done
for module in $(ls optional/*.s* | grep -E "${load:-^$}" | sort); do layer "$module"; done
cd /
enter_the_union
