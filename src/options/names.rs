//! The names by which the options of this run are known to who gave them.

use super::table::{ALL, ENV_FILE, OUTPUT_FILE, Opt};
use super::{Inputs, Source};

/// Options that messages call by another name than their flag's.
pub struct Names(Vec<(&'static str, Source)>);

impl Names {
    /// An option has the name by which it was given. One that was not is an input in our action, and elsewhere a flag.
    #[must_use]
    pub fn new(inputs: &Inputs, says_env_file: bool) -> Self {
        let name = |option: &'static Opt| {
            let given = inputs.text(option).ok().flatten().map(|given| given.source);
            match given {
                Some(Source::Flag(_)) if says_env_file && option.name == OUTPUT_FILE.name => Some(Source::Flag(format!("--{ENV_FILE}"))),
                Some(Source::Flag(_)) => None,
                None if inputs.in_action && option.in_action => Some(Source::Input(option.name.into())),
                given => given,
            }
        };
        Self(ALL.iter().copied().filter_map(|option| Some((option.name, name(option)?))).collect())
    }

    /// A message that calls options by their flags, with their names. Flags in a command to be run stay (`jf-token revoke --session NAME`, up
    /// to the end of the clause), and so do those in a numbered line, which lists all names.
    #[must_use]
    pub fn put_into(&self, text: &str) -> String {
        text.split_inclusive('\n').map(|line| self.put_into_line(line)).collect()
    }

    fn put_into_line(&self, line: &str) -> String {
        let (mut done, mut rest) = (String::new(), line);
        if line.trim_start().starts_with(|c: char| c.is_ascii_digit()) {
            return line.to_owned();
        }
        while let Some(at) = rest.find("--") {
            let (before, flag) = rest.split_at(at);
            done.push_str(before);
            let end = flag[2..].find(|c: char| !c.is_ascii_lowercase() && c != '-').map_or(flag.len(), |end| end + 2);
            let (flag, behind) = flag.split_at(end);
            let is_word = done.chars().next_back().is_none_or(|c| c.is_whitespace() || c == '(');
            let name = self.0.iter().find(|(name, _)| *name == &flag[2..]).map(|(_, name)| name);
            match name.filter(|_| is_word && !is_in_a_command(&done) && !behind.starts_with(" (input ")) {
                Some(Source::Input(name)) if behind.starts_with('=') => {
                    done.extend([name, ": "]);
                    rest = &behind[1..];
                    continue;
                }
                // It tells of another way to give what a variable gives.
                Some(Source::Variable(name)) if line.contains(name) => done.push_str(flag),
                Some(name) => done.push_str(&at_the_start_of_a_sentence(&done, name.to_string())),
                None => done.push_str(flag),
            }
            rest = behind;
        }
        done + rest
    }
}

/// Whether the clause at the end of the text has a command of ours or of jf's in it.
fn is_in_a_command(text: &str) -> bool {
    let clause = text.rsplit([';', ':', ',', '(', '\n']).next().unwrap_or_default().rsplit(". ").next().unwrap_or_default();
    clause.split_whitespace().any(|word| matches!(word, "jf" | "jf-token"))
}

fn at_the_start_of_a_sentence(before: &str, name: String) -> String {
    let starts = before.trim_end().is_empty() || before.trim_end().ends_with('.');
    match name.strip_prefix("the ") {
        Some(rest) if starts => format!("The {rest}"),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_called_as_it_was_given_but_for_commands_and_lists() {
        let input = |name: &'static str| (name, Source::Input(name.into()));
        let names = Names(vec![("url", Source::Variable("JF_URL".into())), input("merge"), input("expiry"), input("session")]);
        for (text, told) in [
            ("Check --url, and DNS.", "Check JF_URL, and DNS."),
            ("--url: is wrong", "JF_URL: is wrong"),
            ("Do it. --merge adds (--merge). By --merge", "Do it. The input 'merge' adds (the input 'merge'). By the input 'merge'"),
            ("with --expiry=default.", "with expiry: default."),
            ("--url=x, --urls, x--url, --, ---, --ca-file", "JF_URL=x, --urls, x--url, --, ---, --ca-file"),
            (
                "End it: jf-token revoke --session NAME, or give --session.",
                "End it: jf-token revoke --session NAME, or give the input 'session'.",
            ),
            ("jf c edit with --url. Or --url", "jf c edit with --url. Or JF_URL"),
            ("Looked for:\n1. flags: --url\n--url ü--", "Looked for:\n1. flags: --url\nJF_URL ü--"),
            ("Unset JF_URL, or give --url.", "Unset JF_URL, or give --url."),
            ("--url (input url, JF_URL) is", "--url (input url, JF_URL) is"),
        ] {
            assert_eq!(names.put_into(text), told);
        }
    }
}
