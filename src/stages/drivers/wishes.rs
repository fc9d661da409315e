//! What the command line says about modules.
//!
//! `isolde.modules=` forces some, `isolde.blacklist=` and kmod's `modprobe.blacklist=` keep some out, and `MODULE.NAME=VALUE`
//! is a module's own parameter (modprobe(8); kernel: Documentation/admin-guide/kernel-parameters.rst). Read from the words
//! themselves: whoever answers the kernel's request for a module has no plan.

use super::catalogue::normal;

/// The kernel keeps out what this word names; to try would be a warning that says nothing.
const KERNELS_OWN: &str = "module_blacklist";

/// See the module's own text.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    /// Modules to load first, in this order.
    pub(super) forced: Vec<String>,
    kept_out: Vec<String>,
    /// Words that may be parameters of modules: name with its dot, and value.
    parameters: Vec<(String, Option<String>)>,
}

impl Wishes {
    /// Reads the words of a command line. Pure and total.
    pub(super) fn of<'a>(words: impl Iterator<Item = &'a str>) -> Wishes {
        let mut wishes = Wishes::default();
        for word in words {
            let (name, value) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
            let names = || value.unwrap_or_default().split(',').filter(|name| !name.is_empty()).map(normal);
            match normal(name).as_str() {
                "isolde.modules" => wishes.forced.extend(names()),
                "isolde.blacklist" | "modprobe.blacklist" | KERNELS_OWN => wishes.kept_out.extend(names()),
                name if name.contains('.') => {
                    wishes.parameters.push((name.to_owned(), value.map(str::to_owned)));
                }
                _ => {}
            }
        }
        wishes
    }

    /// Whether a module is to stay out. Its name may have either dash.
    pub(super) fn keeps_out(&self, module: &str) -> bool {
        self.kept_out.contains(&normal(module))
    }

    /// The parameters of a module as the kernel takes them: `NAME=VALUE NAME …`, with quotes around white space
    /// (kernel/params.c, parse_args).
    pub(super) fn parameters(&self, module: &str) -> String {
        let mut text = String::new();
        for (name, value) in &self.parameters {
            let Some(name) = name.strip_prefix(module).and_then(|rest| rest.strip_prefix('.')) else { continue };
            let quote = if value.as_ref().is_some_and(|value| value.contains(char::is_whitespace)) { "\"" } else { "" };
            let (equals, value) = value.as_ref().map_or(("", ""), |value| ("=", value.as_str()));
            let space = if text.is_empty() { "" } else { " " };
            text += &[space, name, equals, quote, value, quote].concat();
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stages::cmdline;
    use proptest::prelude::*;

    fn wishes(line: &str) -> Wishes {
        Wishes::of(cmdline::words(line).iter().map(String::as_str))
    }

    #[test]
    fn a_module_is_known_by_either_dash() {
        let wishes = wishes("isolde.modules=usb-storage,uas modprobe.blacklist=ahci isolde.blacklist=sr-mod,,");
        assert_eq!(wishes.forced, ["usb_storage", "uas"]);
        assert_eq!(
            ["ahci", "sr_mod", "sr-mod", "uas", ""].map(|m| wishes.keeps_out(m)),
            [true, true, true, false, false]
        );
    }

    #[test]
    fn parameters_are_those_of_the_module_and_no_other() {
        let line = "usb-storage.quirks=0781:5581:u usb_storage.option_zero_cd usb_storagex.a=1 usb_storage.b=\"c d\" \
                    loop.max_part=8";
        let wishes = wishes(line);
        assert_eq!(wishes.parameters("usb_storage"), "quirks=0781:5581:u option_zero_cd b=\"c d\"");
        assert_eq!(wishes.parameters("loop"), "max_part=8");
        assert_eq!(wishes.parameters("usb"), "");
    }

    proptest! {
        #[test]
        fn any_line_is_read(line in "\\PC*", module in "[a-z_]{0,6}") {
            let wishes = wishes(&line);
            wishes.keeps_out(&module);
            prop_assert!(wishes.parameters(&module).len() <= 2 * line.len());
        }
    }
}
