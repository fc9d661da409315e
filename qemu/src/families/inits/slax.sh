
# Linux Live Kit (livekitlib: find_data): every device but loop devices, the ISO's path on it, the kit's folder inside.
. /usr/lib/config
from=$(value from)
mkdir -p /memory/data /memory/iso
for device in $(blkid | sort | cut -d: -f1 | grep -E -v '/loop|/ram|/zram'); do
    mount -r "$device" /memory/data || continue
    if [ -f "/memory/data/$from" ] && mount -o loop,ro "/memory/data/$from" /memory/iso; then
        [ -d "/memory/iso/$LIVEKITNAME" ] && data=/memory/iso/$LIVEKITNAME && break
        umount /memory/iso
    fi
    umount /memory/data
done
[ "$data" ] || fail "$LIVEKITNAME data"
found "store $device"
found "data $data"

# Bundles by number, then those of modules/ by name.
for bundle in $(ls "$data" | grep "\.$BEXT\$" | sort -n); do layer "$data/$bundle"; done
for bundle in $(find "$data/modules" -name "*.$BEXT" | sort); do layer "$bundle"; done
enter_the_union
