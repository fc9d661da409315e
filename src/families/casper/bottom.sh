# Runs /scripts/casper-bottom of the initramfs, in which this starts, against the new root at $rootmnt: the part of
# casper's own main script that comes after the mounts. Each script goes on by itself, and its failure is told.
quiet=n
case " $(cat proc/cmdline) " in *" quiet "*) quiet=y ;; esac
export quiet BOOT=casper ROOT= DPKG_ARCH= debug= panic= break=
[ ! -e conf/arch.conf ] || . ./conf/arch.conf
[ -z "$CASPER_CONF" ] || printf %s "$CASPER_CONF" >etc/casper.conf
unset CASPER_CONF
[ ! -d "$rootmnt/var/crash" ] || { : >"$rootmnt/var/crash/crash.init" && rm "$rootmnt/var/crash/crash.init"; }
: >>casper.vars
. ./scripts/functions

# Scripts ask debconf through file descriptors 3 and 4, which stay open for all of them. debconf works on copies of its
# data: the programs that scripts start in the new root open the data themselves.
mkdir -p tmp/casper-bottom
mkfifo tmp/questions tmp/answers
copy=
if [ -x "$rootmnt/usr/bin/debconf-communicate" ] && copy=$(chroot "$rootmnt" mktemp -d /tmp/debconf.XXXXXX); then
    cp -p "$rootmnt/var/cache/debconf/config.dat" "$rootmnt/var/cache/debconf/passwords.dat" "$rootmnt$copy/"
    sed -e "s,^\(Filename: \)/var/cache/debconf/\(config\|passwords\)\.dat\$,\1$copy/\2.dat," \
        -e 's/^Name: templatedb$/&\nReadonly: true/' "$rootmnt/etc/debconf.conf" >"$rootmnt$copy/debconf.conf"
    DEBCONF_SYSTEMRC="$copy/debconf.conf" \
        chroot "$rootmnt" debconf-communicate -fnoninteractive casper >tmp/answers <tmp/questions &
else
    copy=
    while read -r question; do echo "10 there is no debconf"; done >tmp/answers <tmp/questions &
fi
debconf=$!
exec 4<tmp/answers 3>tmp/questions # in the order of the other side

# Nothing touches a disk that it was not asked to.
run() { "$@" || echo "$1 ended with status $?"; }
sed -e 's,^.*/13swap .*,echo "13swap is left out: it would use the swap partitions of all disks",' -e 's,^/[^ ]*/casper-bottom/,run &,' scripts/casper-bottom/ORDER >tmp/casper-bottom/ORDER
run_scripts ./tmp/casper-bottom

exec 3>&- 4<&-
[ ! -f etc/casper.conf ] || cp etc/casper.conf "$rootmnt/etc/"
wait "$debconf"
for data in ${copy:+config passwords}; do
    chroot "$rootmnt" debconf-copydb copy "$data" --config=Name:copy --config=Driver:File \
        --config="Filename:$copy/$data.dat"
done
rm -rf tmp/casper-bottom tmp/questions tmp/answers ${copy:+"$rootmnt$copy"}
