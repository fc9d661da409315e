#!/bin/sh
# Installs what `make demo` or `make test` needs of Debian's or Ubuntu's packages, and nothing when all is there.
#
#   ./setup.sh demo|test
#
# Root, or a user with sudo; asks for nothing but sudo's password. Fails when a package cannot be installed, or there is
# no Rust toolchain.
set -eu

# Building the live images and media, and running them.
demo="debian-archive-keyring dosfstools e2fsprogs fakeroot fdisk gcc grub-common grub-efi-amd64-bin grub-pc-bin libc6-dev
      mmdebstrap mtools ovmf qemu-system-x86 squashfs-tools uidmap xorriso"
# Besides these: more file systems, and what the tests make extensions, checksums and archives with.
test="$demo b3sum btrfs-progs busybox-static cpio cryptsetup-bin erofs-utils exfatprogs f2fs-tools genisoimage isomd5sum
      kmod lvm2 lz4 minisign ntfs-3g udftools util-linux xfsprogs xz-utils zstd"

case "${1:-}" in
demo) wanted=$demo ;;
test) wanted=$test ;;
*) echo "usage: $0 demo|test" >&2; exit 2 ;;
esac

if ! command -v dpkg-query >/dev/null; then
    echo "setup.sh: this is neither Debian nor Ubuntu; install the counterparts of:" $wanted >&2
    exit 1
fi

missing=
for package in $wanted; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing="$missing $package"
done

if [ -n "$missing" ]; then
    echo "setup.sh: installing$missing"
    sudo=
    if [ "$(id -u)" != 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "setup.sh: sudo is not there; as root, run: apt-get install$missing" >&2
            exit 1
        fi
        sudo="sudo env DEBIAN_FRONTEND=noninteractive"
    fi
    export DEBIAN_FRONTEND=noninteractive
    $sudo apt-get update
    $sudo apt-get install --yes --no-install-recommends $missing </dev/null
fi

# rustup puts cargo where only a new login shell looks.
PATH="$PATH:$HOME/.cargo/bin"
if ! command -v cargo >/dev/null || ! command -v rustc >/dev/null; then
    echo "setup.sh: a Rust toolchain is missing (cargo and rustc, 1.91 or newer); install it with rustup" >&2
    exit 1
fi
