//! The order of the modules: each imports only from those before it, and no command imports another.

use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

use crate::support::documents::files_below;

/// Each module may import those before it. `error` is first, because every module uses it.
const ORDER: [&str; 11] = ["error", "os", "io", "options", "ci", "api", "credential", "session", "deliver", "lifecycle", "commands"];

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    files_below(folder).into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// The top-level module of a path relative to `src`.
fn module_of(path: &Path) -> String {
    let first = path.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// Every top-level module that this source imports or names.
fn imports(text: &str) -> Vec<String> {
    let single = Regex::new(r"\bcrate::(\w+)").unwrap();
    let group = Regex::new(r"(?s)\bcrate::\{(.*?)\};").unwrap();
    let mut names: Vec<_> = single.captures_iter(text).map(|found| found[1].to_owned()).collect();
    for found in group.captures_iter(text) {
        let mut depth = 0;
        let top: String = found[1]
            .chars()
            .filter(|c| {
                depth += i32::from(*c == '{') - i32::from(*c == '}');
                depth == 0
            })
            .collect();
        names.extend(top.split(',').filter_map(|part| Some(part.trim().split("::").next()?.to_owned())));
    }
    names.retain(|name| !name.is_empty());
    names
}

#[test]
fn a_module_imports_only_from_its_left() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut seen = Vec::new();
    for path in rust_files(&source) {
        let inside = path.strip_prefix(&source).unwrap();
        let module = module_of(inside);
        // The crate roots may import all modules.
        if matches!(module.as_str(), "lib" | "main") {
            continue;
        }
        let place = ORDER.iter().position(|name| *name == module).unwrap_or_else(|| panic!("{module} has no place in the order"));
        for name in imports(&fs::read_to_string(&path).unwrap()) {
            let other = ORDER.iter().position(|other| *other == name).unwrap_or_else(|| panic!("{}: crate::{name}?", inside.display()));
            assert!(other <= place, "{} imports {name}, which comes after {module}", inside.display());
            seen.push((module.clone(), name));
        }
    }
    assert!(seen.len() > 100, "the test no longer finds the imports");
}

#[test]
fn no_command_imports_another() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/commands");
    let commands: Vec<_> = rust_files(&folder).iter().map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    let sibling = Regex::new(r"\b(?:super|crate::commands)::(?:\{([^}]*)\}|(\w+))").unwrap();
    for path in rust_files(&folder).iter().filter(|path| path.file_name().is_some_and(|name| name != "mod.rs")) {
        for found in sibling.captures_iter(&fs::read_to_string(path).unwrap()) {
            let names = found.get(1).or(found.get(2)).unwrap().as_str();
            for name in names.split(',').map(str::trim) {
                assert!(!commands.iter().any(|command| command == name), "{} imports the command {name}", path.display());
            }
        }
    }
}

#[test]
fn the_order_is_the_one_in_the_architecture_document() {
    let document = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/ARCHITECTURE.md")).unwrap();
    assert!(document.contains(&ORDER.join(" < ")), "ARCHITECTURE.md has a different order");
}

/// Otherwise the tests above could not fail.
#[test]
fn imports_are_seen_in_every_form() {
    assert_eq!(
        imports("use crate::os;\nuse crate::{io::{Console, X}, api, ci::Ci};\nlet x = crate::deliver::y();"),
        ["os", "deliver", "io", "api", "ci"]
    );
}
