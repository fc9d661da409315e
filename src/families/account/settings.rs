//! Settings in text files, changed without a look at the rest of the file. Pure.
//!
//! Two forms: `NAME=value` as a shell sources it, and `key=value` below `[section]` headings (GKeyFile; lightdm, gdm,
//! sddm).

/// The value of a variable, without the quotes around it.
pub fn variable<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().rev().find(|line| assigns(line, name))?;
    line.split_once('=').map(|(_, value)| value.trim().trim_matches(['"', '\'']))
}

/// The text with that variable; `value` is put down as it is. A line that only lacks its `#` is used for it.
pub fn with_variable(text: &str, name: &str, value: &str) -> String {
    let comment = |line: &str| line.strip_prefix('#').is_some_and(|line| assigns(line, name));
    let set = text.lines().any(|line| assigns(line, name));
    let (mut out, mut done) = (String::new(), false);
    for line in text.lines() {
        if assigns(line, name) || (!set && !done && comment(line)) {
            let export = if line.trim_start().starts_with("export ") { "export " } else { "" };
            out.push_str(export);
            push(&mut out, &[name, "=", value]);
            done = true;
        } else {
            push(&mut out, &[line]);
        }
    }
    if !done {
        push(&mut out, &[name, "=", value]);
    }
    out
}

/// Whether the line sets that shell variable.
fn assigns(line: &str, name: &str) -> bool {
    let line = line.trim_start();
    let line = line.strip_prefix("export ").unwrap_or(line);
    line.strip_prefix(name).is_some_and(|rest| rest.starts_with('='))
}

/// The value of a key, in any section.
pub fn key<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find(|line| sets(line, key))?.split_once('=').map(|(_, value)| value.trim())
}

/// The text with that key as the first of its section.
pub fn with_key(text: &str, section: &str, key: &str, value: &str) -> String {
    let heading = |line: &str| line.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) == Some(section);
    let (mut out, mut inside, mut done) = (String::new(), false, false);
    for line in text.lines() {
        if line.trim_start().starts_with('[') {
            inside = heading(line);
        } else if inside && sets(line, key) {
            continue;
        }
        push(&mut out, &[line]);
        if inside && !done && heading(line) {
            push(&mut out, &[key, "=", value]);
            done = true;
        }
    }
    if !done {
        push(&mut out, &["[", section, "]"]);
        push(&mut out, &[key, "=", value]);
    }
    out
}

fn sets(line: &str, key: &str) -> bool {
    line.split_once('=').is_some_and(|(name, _)| name.trim() == key)
}

/// Adds a line.
pub fn push(text: &mut String, parts: &[&str]) {
    parts.iter().for_each(|part| text.push_str(part));
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_variable_is_replaced_where_it_stands() {
        let text = "# the host\nexport HOST=\"a\"\nexport HOSTNAME=b\n";
        assert_eq!(with_variable(text, "HOST", "\"c\""), "# the host\nexport HOST=\"c\"\nexport HOSTNAME=b\n");
        assert_eq!(variable(text, "HOST"), Some("a"));
        assert_eq!(variable("#HOST=a\n", "HOST"), None);
        assert_eq!(variable("HOST=a\nHOST='b'", "HOST"), Some("b"), "the last one wins, as in a shell");
    }

    #[test]
    fn a_comment_is_used_only_when_nothing_sets_the_variable() {
        assert_eq!(with_variable("#KEYMAP=es\n", "KEYMAP", "de"), "KEYMAP=de\n");
        assert_eq!(with_variable("#KEYMAP=es\nKEYMAP=fr", "KEYMAP", "de"), "#KEYMAP=es\nKEYMAP=de\n");
        assert_eq!(with_variable("", "KEYMAP", "de"), "KEYMAP=de\n");
    }

    #[test]
    fn a_key_goes_below_its_heading() {
        let text = "[daemon]\n# AutomaticLogin = user1\n\n[security]\nAutomaticLogin=not-this\n";
        assert_eq!(
            with_key(text, "daemon", "AutomaticLogin", "me"),
            "[daemon]\nAutomaticLogin=me\n# AutomaticLogin = user1\n\n[security]\nAutomaticLogin=not-this\n"
        );
        assert_eq!(with_key("[a]\nb = 1\nc=2\n", "a", "b", "3"), "[a]\nb=3\nc=2\n");
        assert_eq!(with_key("x=1\n", "a", "b", "3"), "x=1\n[a]\nb=3\n");
    }

    #[test]
    fn a_commented_key_is_not_set() {
        assert_eq!(key("[daemon]\n# AutomaticLogin = user1\n", "AutomaticLogin"), None);
        assert_eq!(key("[Seat:*]\nautologin-user = me\n", "autologin-user"), Some("me"));
    }

    proptest! {
        #[test]
        fn what_was_set_is_read_back_and_stays(text in "([#a-c=\\[\\] ]{0,8}\n){0,6}") {
            let once = with_key(&text, "a", "b", "v");
            prop_assert!(key(&once, "b").is_some());
            prop_assert_eq!(with_key(&once, "a", "b", "v"), once);
            let once = with_variable(&text, "a", "v");
            prop_assert_eq!(variable(&once, "a"), Some("v"));
            prop_assert_eq!(with_variable(&once, "a", "v"), once);
        }
    }
}
