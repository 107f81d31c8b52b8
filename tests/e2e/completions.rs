//! The completions in the shells that they are for.

use std::fs;
use std::process::Command;

use crate::peers::system;

#[allow(dead_code, reason = "its main function")]
#[path = "../../examples/completions.rs"]
mod files;

/// What the shell offers for each of these beginnings of a command line, by a script that takes them as arguments.
fn offers(shell: &str, script: &str, lines: &[&str]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    files::write(folder.path()).unwrap();
    fs::write(folder.path().join("script"), script).unwrap();
    fs::write(folder.path().join("token.txt"), "").unwrap();
    let mut command = Command::new(system(shell));
    if shell != "fish" {
        command.args(if shell == "bash" { &["--norc"][..] } else { &["-f"] });
    }
    let output =
        command.arg("script").args(lines).current_dir(folder.path()).env("TERM", "dumb").env("HOME", folder.path()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).replace('\r', "");
    let offered: Vec<_> = text.split("=== \n").skip(1).map(str::to_owned).collect();
    assert_eq!(offered.len(), lines.len(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    offered
}

/// Lines, what must be offered, and what must not.
const LINES: [(&str, &[&str], &str); 7] = [
    ("jf-token re", &["refresh", "redact", "revoke"], "create"),
    ("jf-token create --max", &["--max-life"], "--min-ttl"),
    ("jf-token atc --gr", &["--groups", "--grant-admin"], "--session"),
    ("jf-token exec --outl", &["--outlive-parent"], "--format"),
    ("jf-token get --format po", &["powershell"], "table"),
    ("jf-token status --format ", &["table", "json"], "powershell"),
    ("jf-token create --token-file tok", &["token.txt"], "script"),
];

fn completes(shell: &str, script: &str) {
    let offered = offers(shell, script, &LINES.map(|(line, ..)| line));
    for ((line, wanted, unwanted), offered) in LINES.iter().zip(offered) {
        assert!(wanted.iter().all(|word| offered.contains(word)) && !offered.contains(unwanted), "{shell}: {line}: {offered}");
    }
}

#[test]
fn bash_completes_commands_options_words_and_files() {
    completes(
        "bash",
        r#"
        source completions/jf-token.bash
        [[ $(complete -p jf-token) =~ -F\ ([^ ]+) ]] || exit
        for line; do
            COMP_LINE=$line COMP_POINT=${#line} COMPREPLY=()
            read -ra COMP_WORDS <<<"$line"
            [[ $line != *' ' ]] || COMP_WORDS+=('')
            COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
            "${BASH_REMATCH[1]}" jf-token "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}" 2>/dev/null
            echo '=== '
            printf '%s\n' "${COMPREPLY[@]}"
        done
        "#,
    );
}

#[test]
fn fish_completes_commands_options_words_and_files() {
    completes("fish", "source completions/jf-token.fish; for line in $argv; echo '=== '; complete -C \"$line\"; end");
}

#[test]
fn zsh_completes_commands_options_words_and_files() {
    // It completes only in a terminal, here one of its own, where the key Tab lists what fits.
    completes(
        "zsh",
        r#"
        zmodload zsh/zpty
        zpty shell zsh -f -i
        read_all() { local part; while zpty -r -t shell part; do print -rn -- "$part"; done }
        wait_for() { local text= part; repeat 200; do zpty -r -t shell part && text+=$part || sleep 0.05; [[ $text == *$1* ]] && break; done; print -rn -- "$text" }
        zpty -w shell 'PS1=; fpath=(completions $fpath); autoload -U compinit; compinit -u -D; LISTMAX=1000; zstyle ":completion:*" list-prompt ""; stty cols 500; echo rea""dy'
        wait_for ready >/dev/null
        for line; do
            zpty -w -n shell $line$'\t\t'
            sleep 0.7
            print '=== '
            read_all
            zpty -w -n shell $'\x15'
        done
        "#,
    );
}

#[test]
fn the_man_pages_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    files::write(folder.path()).unwrap();
    for page in fs::read_dir(folder.path().join("man1")).unwrap() {
        let page = page.unwrap().path();
        let text = fs::read_to_string(&page).unwrap();
        assert!(text.contains(".SH NAME") && (text.contains(".SH EXAMPLES") || text.contains(".SH EXIT STATUS")), "{}", page.display());
    }
}
