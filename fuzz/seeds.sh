#!/bin/sh
# Makes the first inputs of the fuzz targets in fuzz/corpus, from the same tools as tests/formats_real.rs. Tools that are
# not installed are named and left out; the other seeds serve all the same.
set -eu
cd "$(dirname "$0")"
PATH=$PATH:/usr/sbin:/sbin
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for target in superblock partitions module_index modinfo compressed b3sums manifest minisig verity sums implanted luks lvm cmdline iso_tree squashfs erofs initrd loopback_cfg; do
    mkdir -p "corpus/$target"
done
mkdir "$work/contents"
echo hello > "$work/contents/hello"

# image NAME MIB COMMAND…: the start of an image is the seed; behind it nothing but labels of FAT and its like is read.
image() {
    name=$1 size=$2
    shift 2
    if ! command -v "$1" > /dev/null; then
        echo "seeds.sh: $1 is not installed, no seed $name" >&2
        return
    fi
    rm -f "$work/image"
    if [ "$size" != 0 ]; then truncate -s "${size}M" "$work/image"; fi
    if ! "$@" > "$work/output" 2>&1; then
        cat "$work/output" >&2
        exit 1
    fi
    head -c 81920 "$work/image" > "corpus/superblock/$name"
}
image ext2 8 mke2fs -q -t ext2 -L label "$work/image"
image ext4 20 mke2fs -q -t ext4 -L label "$work/image"
image fat12 2 mkfs.vfat -F 12 -n LABEL "$work/image"
image fat16 20 mkfs.vfat -F 16 -n LABEL "$work/image"
image fat32 64 mkfs.vfat -F 32 -n LABEL "$work/image"
image exfat 20 mkfs.exfat -L label "$work/image"
image btrfs 120 mkfs.btrfs -q -L label "$work/image"
image squashfs 0 mksquashfs "$work/contents" "$work/image"
image erofs 0 mkfs.erofs "$work/image" "$work/contents"
image iso9660 0 xorriso -as mkisofs -J -V "Label with 20 letters" -o "$work/image" "$work/contents"
image swap 2 mkswap -L label "$work/image"
image ntfs 2 mkfs.ntfs -q -F -c 512 -L label "$work/image"
image xfs 320 mkfs.xfs -q "$work/image"
image f2fs 120 mkfs.f2fs -q "$work/image"
image udf 2 mkudffs -b 512 -l label "$work/image"

# disk NAME: reads sfdisk's script. 1 MiB is the least sfdisk makes partitions on without alignment.
disk() {
    rm -f "$work/disk"
    truncate -s 64K "$work/disk"
    sfdisk -q "$work/disk" > /dev/null
    cp "$work/disk" "corpus/partitions/$1"
}
printf 'label: gpt\nfirst-lba: 34\nstart=40, size=10, name="one"\nstart=60, size=10\n' | disk gpt
printf 'label: dos\nstart=2, size=10, type=83\nstart=20, size=90, type=5\nstart=22, size=10\nstart=40, size=10\n' | disk mbr

cat > corpus/manifest/whole << 'END'
version = 1
serial = 7
# one
[[file]]
path = "boot/iso/x.iso"
size = 8192
blake3 = "0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f"
verity-root = "abababababababababababababababababababababababababababababababab"
verity-salt = "00ff"
verity-block = 2048
END
if command -v minisign > /dev/null; then
    minisign -G -W -p corpus/minisig/key -s "$work/key" > /dev/null
    minisign -S -s "$work/key" -m corpus/manifest/whole -x corpus/minisig/hashed
    minisign -S -l -s "$work/key" -m corpus/manifest/whole -x corpus/minisig/plain
else
    echo "seeds.sh: minisign is not installed, no seeds of it" >&2
fi
if command -v veritysetup > /dev/null; then
    head -c 20480 "$work/disk" > "$work/data"
    veritysetup format --data-block-size=512 --hash-block-size=512 --salt=00ff "$work/data" corpus/verity/tree > /dev/null
else
    echo "seeds.sh: veritysetup is not installed, no seed of it" >&2
fi

# Both headers of the second kind are in the first 32 KiB.
for kind in luks1 luks2; do
    if command -v cryptsetup > /dev/null; then
        rm -f "$work/volume"
        truncate -s 20M "$work/volume"
        echo x | cryptsetup luksFormat -q --type "$kind" --pbkdf pbkdf2 --pbkdf-force-iterations 1000 "$work/volume" -
        head -c 32768 "$work/volume" > "corpus/luks/$kind"
    else
        echo "seeds.sh: cryptsetup is not installed, no seed $kind" >&2
    fi
done
cat > corpus/lvm/text << 'END'
vg {
id = "eGX4s2-62lj-Njbx-PGnJ-lmPO-2avV-C5m0f6"
seqno = 1
status = ["READ"] # flags
extent_size = 8192
physical_volumes {
pv0 {
id = "mUNVSf-ah0x-bHzu-GUQk-76d0-Vptu-3p9lm9"
pe_start = 2048
pe_count = 9
}
}
logical_volumes {
store {
id = "DDdjgk-ttL1-Al23-EcLT-ENDa-j7Ts-oq3PZ2"
status = ["READ", "VISIBLE"]
segment_count = 1
segment1 {
start_extent = 0
extent_count = 3
type = "striped"
stripe_count = 1
stripes = [
"pv0", 0
]
}
}
}
}
contents = "Text Format Volume Group"
END

for name in usb-storage ext4; do
    mkdir -p "$work/lib/modules/1.0/kernel"
    printf '__attribute__((section(".modinfo"), used)) static const char i[] = "alias=usb:v*p*d[0-9]*ic08*\\0alias=fs-%s\\0depends=a,b\\0softdep=pre: c";\n' \
        "$name" > "$work/$name.c"
    cc -c -o "$work/lib/modules/1.0/kernel/$name.ko" "$work/$name.c"
    cp "$work/lib/modules/1.0/kernel/$name.ko" "corpus/modinfo/$name"
done
depmod -b "$work" 1.0 2> /dev/null
cp "$work"/lib/modules/1.0/modules.*.bin corpus/module_index/

module=$work/lib/modules/1.0/kernel/ext4.ko
xz --check=crc32 --x86 --lzma2=dict=1MiB -c "$module" > corpus/compressed/xz
xz -c "$module" > corpus/compressed/xz-crc64
zstd -q -19 -c "$module" > corpus/compressed/zstd
gzip -c "$module" > corpus/compressed/gzip

(cd "$work/contents" && b3sum hello && b3sum --no-names hello) > corpus/b3sums/list
digest=$(b3sum --no-names "$work/contents/hello")
printf '\\%s  a\\\\b\\nc\r\n\nBLAKE3 (a b) = %s\n' "$digest" "$digest" > corpus/b3sums/escaped

(cd "$work/contents" && sha256sum hello && sha512sum --tag hello && md5sum -b hello) > corpus/sums/list
printf -- '-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n# hello\n%s\n- %s\n-----BEGIN PGP SIGNATURE-----\n\n=x\n' \
    "$(sha256sum --tag "$work/contents/hello")" "$(sha1sum "$work/contents/hello")" > corpus/sums/signed
printf 'ISO MD5SUM = %s;SKIPSECTORS = 15;RHLISOSTATUS=0;FRAGMENT SUMS = 00;FRAGMENT COUNT = 20;THIS IS NOT THE SAME' \
    "$(md5sum < "$work/contents/hello" | cut -c 1-32)" > corpus/implanted/isomd5sum
printf 'check=1;pad=2;sha1sum=%s;partition=4,90,%s;signature=64' "$(sha1sum < "$work/contents/hello" | cut -c 1-40)" \
    "$(sha1sum < "$work/contents/hello" | cut -c 1-40)" > corpus/implanted/checkmedia

# The real command lines of tests/cmdlines, one seed each.
cat ../tests/cmdlines/*.txt | sed -n 's/^> //p' | split -l 1 - corpus/cmdline/line-

# A live medium: tool NAME COMMAND… runs a program that makes a seed, or says that it is not there.
tool() {
    name=$1
    shift
    if ! command -v "$1" > /dev/null; then
        echo "seeds.sh: $1 is not installed, no seed $name" >&2
    elif ! "$@" > "$work/output" 2>&1; then
        cat "$work/output" >&2
        exit 1
    fi
}
live=$work/live
mkdir -p "$live/live/deep" "$live/boot/grub" "$work/initrd/conf/conf.d" "$work/root/LiveOS"
head -c 4096 /dev/zero > "$live/live/vmlinuz"
ln -s live "$live/casper"
printf 'menuentry "Live" {\n linux /live/vmlinuz boot=live findiso=${iso_path}\n initrd /live/initrd.img\n}\n' \
    > "$live/boot/grub/loopback.cfg"
echo 'LAYERFS_PATH=a.squashfs' > "$work/initrd/conf/conf.d/default-layer.conf"
(cd "$work/initrd" && find . | LC_ALL=C sort | cpio -o -H newc --quiet) > "$live/live/initrd.img"
cp "$live/live/initrd.img" corpus/initrd/plain
for packer in "gzip -c" "xz -c --check=crc32" "xz -c --format=lzma" "zstd -qc" "lz4 -lc"; do
    program=${packer%% *}
    if command -v "$program" > /dev/null; then
        $packer < "$live/live/initrd.img" > "corpus/initrd/$(echo "$packer" | tr -dc a-z0-9)"
    else
        echo "seeds.sh: $program is not installed, no seed of it" >&2
    fi
done

# Containers, packed in every way; blocks of 4 KiB keep the file small enough to be changed everywhere.
head -c 3000 /dev/urandom > "$work/root/LiveOS/rootfs.img"
mkdir -p "$work/root/a/b" && echo hello > "$work/root/a/b/c" && ln -s a/b "$work/root/hello"
for pack in gzip xz zstd lz4; do
    tool "$pack" mksquashfs "$work/root" "corpus/squashfs/$pack" -comp "$pack" -b 4096 -noappend -all-root -quiet -no-progress
done
cp corpus/squashfs/zstd "$live/live/filesystem.squashfs"
tool plain mkfs.erofs corpus/erofs/plain "$work/root"
tool lz4hc mkfs.erofs -zlz4hc corpus/erofs/lz4hc "$work/root"

# Names of every kind, without the padding that an ISO usually ends with.
tool rock-ridge xorriso -no_rc -as mkisofs -no-pad -quiet -R -o corpus/iso_tree/rock-ridge "$live"
tool joliet xorriso -no_rc -as mkisofs -no-pad -quiet -J -o corpus/iso_tree/joliet "$live"
tool plain xorriso -no_rc -as mkisofs -no-pad -quiet -o corpus/iso_tree/plain "$live"
tool udf genisoimage -quiet -no-pad -udf -R -o corpus/iso_tree/udf "$live"

# A menu for each boot loader; the first letter chooses it, by its code modulo four.
{ printf d; cat "$live/boot/grub/loopback.cfg"; } > corpus/loopback_cfg/grub
{
    printf 'dsearch --set=root --file $iso_path\nif [ -n "$iso_path" -a ! -e /x ]; then\n a="b c"\nelse\n source /y\nfi\n'
    printf 'function f { menuentry "$1" { linux (loop)/live/vmlinuz $2 ${a}; initrd /live/initrd.img; } }\nf x y\n'
} > corpus/loopback_cfg/script
printf 'fUI vesamenu.c32\nlabel live\n menu label ^Live\n kernel /live/vmlinuz\n append initrd=/live/initrd.img boot=live\n' \
    > corpus/loopback_cfg/isolinux
printf 'gtitle Live\nlinux /live/vmlinuz\ninitrd /live/initrd.img\noptions boot=live quiet\n' > corpus/loopback_cfg/systemd-boot
