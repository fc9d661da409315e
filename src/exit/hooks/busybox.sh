#!/bin/sh
# Isolde: the way out, when process 1 asks the kernel to stop the machine; the last line of /etc/inittab runs this
# (docs/exit.md). The lines before may have unmounted what is needed, or mounted a /run over the one that has the program.
[ -e /run/initramfs/shutdown ] || umount -l /run
[ -e /proc/1 ] || mount -t proc proc /proc
[ -e /sys/block ] || mount -t sysfs sysfs /sys
mount -o remount,rw,exec /run
trap '' HUP INT TERM
setsid /run/initramfs/shutdown as-asked </dev/null &
# It has to be there before process 1 goes on.
for try in 1 2 3 4 5 6 7 8 9 10; do
    grep -q '^TracerPid:.*[1-9]' /proc/1/status && break
    sleep 1
done
