
# antiX and MX (init: fromiso=, buuid=, breakpoint 3): the device with that UUID or name, and the ISO's path on it. Loop
# devices are left out of the search unless one is named. A script of the distribution may change all of it.
ISO_FILE=$(value fromiso)
uuid=$(value buuid)
BOOT_ID=${uuid:+uuid=$uuid}
[ ! -r /live/custom/MX/3.sh ] || . /live/custom/MX/3.sh
mkdir -p /live/boot-dev /live/iso-dev /live/iso-file
case $BOOT_ID in
    name=*) boot=/dev/${BOOT_ID#name=} ;;
    *)
        for device in $(blkid | cut -d: -f1 | grep -v /dev/loop); do
            [ "uuid=$(blkid -o value -s UUID "$device")" = "$BOOT_ID" ] && boot=$device && break
        done
        ;;
esac
[ "$boot" ] || fail "a device with $BOOT_ID"
if [ "$ISO_FILE" ]; then
    data=/live/iso-file
    mount -o ro "$boot" /live/iso-dev || fail "to mount $boot"
    mount -o loop,ro "/live/iso-dev/${ISO_FILE#/}" "$data" || fail "$ISO_FILE on $boot"
else
    data=/live/boot-dev
    mount -o ro "$boot" "$data" || fail "to mount $boot"
fi
[ -f "$data/antiX/linuxfs" ] || fail "/antiX/linuxfs"
found "boot device $boot"
found "data $data/antiX"
layer "$data/antiX/linuxfs"
enter_the_union
