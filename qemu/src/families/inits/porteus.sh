
# Porteus (linuxrc: locate, search): every device but loop devices, the ISO's path on it, the marker of the release inside.
from=$(value from)
mkdir -p /mnt/isoloop
for device in $(blkid | grep -E -v '/dev/sr|/dev/loop' | cut -d: -f1 | cut -d/ -f3); do
    mkdir -p "/mnt/$device"
    mount -o ro "/dev/$device" "/mnt/$device" || continue
    [ -e "/mnt/$device/$from" ] && mount -o loop,ro "/mnt/$device/$from" /mnt/isoloop && break
    umount "/mnt/$device"
done
ls /mnt/isoloop/porteus/*.cfg || fail "the marker file"
found "store /dev/$device"
found "data /mnt/isoloop/porteus"

# base and modules by path, then the optional ones that load= names.
load=$(value load | sed 's/;/|/g')
cd /mnt/isoloop/porteus
for module in $(find base modules -name '*.xzm' | sort); do layer "$module"; done
for module in $(find optional -name '*.xzm' | grep -E "${load:-^$}" | sort); do layer "$module"; done
cd /
enter_the_union
