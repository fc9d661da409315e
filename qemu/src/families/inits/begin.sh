#!/bin/sh
# Stand-in for the init of a distribution's own initrd. It looks for what that one looks for, in the same way, stacks what
# it finds, and enters it. This part is the same for all: file systems, drivers, helpers.
#
# Leaves  /run/arguments and /run/environment as the kernel gave them; /run/found with a line for everything found.

export PATH=/usr/sbin:/usr/bin
mkdir -p /proc /sys /dev /run /tmp /union
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t tmpfs run /run
printf '%s\n' "$0" "$@" >/run/arguments
env >/run/environment
for module in loop isofs ext4 squashfs overlay; do modprobe "$module"; done

# The value of a kernel word.
value() { tr ' ' '\n' </proc/cmdline | sed -n "s|^$1=||p" | tail -n 1; }

# What has been found, for the test to read.
found() { echo "$*" >>/run/found; }

# The device that is mounted there.
mounted_from() { awk -v at="$1" '$2 == at { device = $1 } END { print device }' /proc/mounts; }

# Mounts a squashfs above those before.
lower=
layer() {
    at=/run/layers/$(basename "$1")
    mkdir -p "$at"
    mount -t squashfs -o ro,loop "$1" "$at" && lower=$at${lower:+:$lower}
}

# Enters the stack of the layers.
enter_the_union() {
    mkdir -p /run/memory
    mount -t tmpfs memory /run/memory
    mkdir -p /run/memory/changes /run/memory/work
    mount -t overlay -o "lowerdir=$lower,upperdir=/run/memory/changes,workdir=/run/memory/work" union /union
    enter /union
}

# Enters a root.
enter() {
    for tree in /proc /sys /dev /run; do mount -o move "$tree" "$1$tree"; done
    exec switch_root "$1" /sbin/init
}

# What was looked for is not there: the test can ask why.
fail() {
    found "not found: $*"
