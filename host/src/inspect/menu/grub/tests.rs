//! Config files as distributions ship them, and as an attacker would.

use super::super::sketch::Sketch;
use super::*;
use proptest::prelude::*;

fn read(files: &[(&str, &str)]) -> Vec<Entry> {
    let tree = Sketch::new(files);
    let medium = Medium { tree: &tree, iso_path: "/boot/iso/x.iso", label: "LIVE", uuid: "2026-11-21-00-00-00-00" };
    entries(medium, "boot/grub/loopback.cfg").unwrap()
}

fn one(text: &str) -> Entry {
    let mut all = read(&[("boot/grub/loopback.cfg", text), (".disk/info", "x")]);
    assert_eq!(all.len(), 1, "{all:?}");
    all.pop().unwrap()
}

#[test]
fn ubuntu() {
    let entry = one("menuentry \"Try or Install Ubuntu\" {\n\tset gfxpayload=keep\n\tlinux\t/casper/vmlinuz  \
                     iso-scan/filename=${iso_path} --- quiet splash\n\tinitrd\t/casper/initrd\n}\n");
    assert_eq!((entry.title.as_str(), entry.kernel.as_str()), ("Try or Install Ubuntu", "casper/vmlinuz"));
    assert_eq!(entry.words, ["iso-scan/filename=/boot/iso/x.iso", "---", "quiet", "splash"]);
    assert_eq!(entry.initrd, ["casper/initrd"]);
    assert_eq!(entry.not_understood, [""; 0]);
}

#[test]
fn debian_sources_its_ordinary_menu() {
    let all = read(&[
        ("boot/grub/loopback.cfg", "source /boot/grub/grub.cfg\n"),
        (
            "boot/grub/grub.cfg",
            "source /boot/grub/config.cfg\n\n# Live boot\nmenuentry \"Live system (amd64)\" --hotkey=l {\n\
             linux /live/vmlinuz-6.1 boot=live components quiet splash findiso=${iso_path}\ninitrd /live/initrd.img-6.1\n}\n\
             submenu 'Advanced install options ...' --hotkey=a {\n source /boot/grub/theme.cfg\n \
             menuentry \"... Rescue\" { linux /install/vmlinuz\n initrd /install/initrd.gz\n }\n}\n",
        ),
        (
            "boot/grub/config.cfg",
            "set default=0\nif [ x$feature_default_font_path = xy ] ; then\n font=unicode\nelse\n font=$prefix/unicode.pf2\nfi\n",
        ),
    ]);
    assert_eq!(all.len(), 2);
    assert_eq!(all[0].words, ["boot=live", "components", "quiet", "splash", "findiso=/boot/iso/x.iso"]);
    assert_eq!(all[1].title, "Advanced install options ...: ... Rescue");
}

#[test]
fn arch_asks_for_the_stores_uuid() {
    let entry = one("search --no-floppy --set=archiso_img_dev --file \"${iso_path}\"\n\
                     probe --set archiso_img_dev_uuid --fs-uuid \"${archiso_img_dev}\"\n\
                     if [ \"${grub_platform}\" == 'efi' ]; then\n archiso_platform='UEFI'\nfi\ndefault=archlinux\n\
                     menuentry \"Arch Linux (x86_64, ${archiso_platform})\" --class arch --id 'archlinux' {\n\
                     set gfxpayload=keep\n linux /arch/boot/x86_64/vmlinuz-linux archisobasedir=arch \
                     img_dev=UUID=${archiso_img_dev_uuid} img_loop=\"${iso_path}\"\n initrd /arch/boot/x86_64/initramfs-linux.img\n}\n");
    assert_eq!(entry.title, "Arch Linux (x86_64, UEFI)");
    assert_eq!(entry.words, ["archisobasedir=arch", "img_dev=UUID=\u{fffd}", "img_loop=/boot/iso/x.iso"]);
}

#[test]
fn kiwi_has_its_commands_in_variables() {
    let entry = one(
        "search --file --set=root /.disk/info\nset default=0\nif [ \"$grub_platform\" = \"efi\" ]; then\n set linux=linuxefi\n \
                     set initrd=initrdefi\nelse\n set linux=linux\nfi\nset isoboot=\"iso-scan/filename=${iso_path} quiet\"\n\
                     menuentry \"Live\" --class os --unrestricted {\n echo Loading...\n $linux ($root)/boot/x86_64/loader/linux ${isoboot} \
                     root=live:CDLABEL=LIVE\n $initrd ($root)/boot/x86_64/loader/initrd\n}\n",
    );
    assert_eq!(entry.kernel, "boot/x86_64/loader/linux");
    assert_eq!(entry.words, ["iso-scan/filename=/boot/iso/x.iso", "quiet", "root=live:CDLABEL=LIVE"]);
    assert_eq!(entry.initrd, ["boot/x86_64/loader/initrd"]);
}

#[test]
fn grml_adds_a_word_when_the_path_is_set() {
    let entry = one("function show { menuentry \"$1\" {\n linux /k $loopback\n initrd /a /b\n}\n}\n\
                     if [ -n \"${iso_path}\" ] ; then\n loopback=\"findiso=${iso_path}\"\nfi\n\
                     if [ -z \"$nothing\" -a ! -e /no ]; then show 'a b'; fi");
    assert_eq!((entry.title.as_str(), entry.words), ("a b", vec!["findiso=/boot/iso/x.iso".to_owned()]));
    assert_eq!(entry.initrd, ["a", "b"]);
}

#[test]
fn another_devices_files_are_nobodys() {
    let all = read(&[(
        "boot/grub/loopback.cfg",
        "menuentry a { linux (hd0,1)/k\n initrd /i\n }\nset root=hd0,1\nmenuentry b { linux /k\n }\n\
         menuentry c { linux (loop)/k x\n initrd (hd0)/i (loop)/j }\n",
    )]);
    assert_eq!(all.len(), 1);
    assert_eq!((all[0].title.as_str(), all[0].initrd.as_slice()), ("c", ["j".to_owned()].as_slice()));
}

#[test]
fn hostile_files_have_an_end() {
    let names: String = (0..2000).map(|n| format!("menuentry {n} {{ linux /k\ninitrd /i\n}}\n")).collect();
    assert_eq!(read(&[("boot/grub/loopback.cfg", &names)]).len(), ENTRIES);
    // Each line doubles the variable.
    let bomb = format!("set a=xxxxxxxx\n{}menuentry b {{ linux /k $a\ninitrd /i\n}}", "set a=\"$a$a\"\n".repeat(60));
    let entry = one(&bomb);
    assert!(entry.words.iter().map(String::len).sum::<usize>() <= LONGEST, "{}", entry.words.len());
    // Functions that call themselves, and twice.
    let calls = "function f { f\n f\n }\nf\nmenuentry a { linux /k }";
    assert!(read(&[("boot/grub/loopback.cfg", calls)]).len() <= 1);
    let tree = Sketch::new(&[("boot/grub/loopback.cfg", "source /boot/grub/loopback.cfg\n")]);
    let medium = Medium { tree: &tree, iso_path: "/x", label: "", uuid: "" };
    assert!(entries(medium, "boot/grub/loopback.cfg").is_err());
}

proptest! {
    #[test]
    fn reading_is_total(text in "[a-z${}\\[\\]\"'\\\\;#\n =/-]{0,200}") {
        let tree = Sketch::new(&[("menu.cfg", &text)]);
        let _ = entries(Medium { tree: &tree, iso_path: "/x", label: "", uuid: "" }, "menu.cfg");
    }

    #[test]
    fn reading_words_of_the_language_is_total(words in proptest::collection::vec(
        prop::sample::select(vec!["menuentry", "submenu", "{", "}", "if", "then", "elif", "else", "fi", "function", "for", "in",
            "do", "done", "while", "\n", ";", "set", "a=$a$b", "b=x", "$a", "${b}", "\"$a\"", "'x'", "source", "/menu.cfg", "[", "]",
            "-n", "linux", "/k", "initrd", "/i", "search", "--set", "probe", "f", "|", "\\\n"]), 0..120)) {
        let text = words.join(" ");
        let tree = Sketch::new(&[("menu.cfg", &text)]);
        let _ = entries(Medium { tree: &tree, iso_path: "/x", label: "", uuid: "" }, "menu.cfg");
    }
}
