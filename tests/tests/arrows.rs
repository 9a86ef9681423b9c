//! Checks that imports within `diesel-proto` run one way: between folders down the table of
//! `CONTRIBUTING.md`, and between files without a circle.
//!
//! It reads the `use` declarations of the sources, without those of tests and of documentation. A
//! module and its parent belong together: what a file takes from a folder's `mod.rs` is not checked.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A module, as its path from the root of the crate.
type Module = Vec<String>;

/// All source files in `folder`, but not those of tests.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.file_stem().is_some_and(|stem| stem == "tests") {
            true => {}
            false if path.is_dir() => sources(&path, found),
            false if path.extension().is_some_and(|it| it == "rs") => found.push(path),
            false => {}
        }
    }
}

fn module(root: &Path, file: &Path) -> Module {
    let path = file.strip_prefix(root).unwrap().with_extension("");
    let parts = path.iter().map(|part| part.to_str().unwrap().to_owned());
    parts.filter(|part| part != "mod" && part != "lib").collect()
}

/// The paths that the `use` declarations of a file name, without its tests.
fn imports(text: &str) -> Vec<Vec<String>> {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let (mut paths, mut declaration) = (Vec::new(), None::<String>);
    let mut is_doc = false;
    for line in text.lines().map(str::trim) {
        let line = line.strip_prefix("pub(crate) ").or(line.strip_prefix("pub ")).unwrap_or(line);
        if declaration.is_none() && line.starts_with("use ") && !is_doc {
            declaration = Some(String::new());
        }
        is_doc = line == "#[cfg(doc)]" || line == "#[cfg(test)]";
        if let Some(so_far) = &mut declaration {
            so_far.push_str(line);
            if line.ends_with(';') {
                let whole = so_far.trim_start_matches("use ").trim_end_matches(';');
                expand(Vec::new(), whole, &mut paths);
                declaration = None;
            }
        }
    }
    paths
}

/// Splits `a::{b::C, d}` into its paths.
fn expand(prefix: Vec<String>, tree: &str, paths: &mut Vec<Vec<String>>) {
    let tree = tree.trim();
    let Some((head, group)) = tree.split_once('{') else {
        let path = tree.split("::").map(|part| part.trim().to_owned());
        return paths.push(prefix.into_iter().chain(path).collect());
    };
    let head = head.split("::").filter(|part| !part.is_empty()).map(|part| part.trim().to_owned());
    let prefix: Vec<_> = prefix.into_iter().chain(head).collect();
    let (mut depth, mut member) = (0, String::new());
    for c in group.strip_suffix('}').unwrap_or(group).chars().chain([',']) {
        depth += i32::from(c == '{') - i32::from(c == '}');
        if c == ',' && depth == 0 {
            if !member.trim().is_empty() {
                expand(prefix.clone(), &member, paths);
            }
            member.clear();
        } else {
            member.push(c);
        }
    }
}

/// The module of the file that holds what `path`, in a file of module `from`, names.
fn target(modules: &BTreeSet<Module>, from: &Module, path: &[String]) -> Option<Module> {
    let (mut at, mut rest) = (from.clone(), path);
    match path.first()?.as_str() {
        "crate" => (at, rest) = (Module::new(), &path[1..]),
        "self" => rest = &path[1..],
        "super" => {}
        _ => return None,
    }
    while rest.first().is_some_and(|part| part == "super") {
        at.pop();
        rest = &rest[1..];
    }
    for part in rest {
        at.push(part.clone());
        if !modules.contains(&at) && !modules.iter().any(|module| module.starts_with(&at)) {
            at.pop();
            break;
        }
    }
    Some(at)
}

/// The folders of the table in `CONTRIBUTING.md`, from the bottom up.
fn folders() -> Vec<Module> {
    let table = include_str!("../../CONTRIBUTING.md");
    let (_, table) = table.split_once("| folder | holds |").unwrap();
    let rows = table.lines().skip(2).map_while(|row| row.strip_prefix("| `")?.split_once("/`"));
    rows.map(|(folder, _)| folder.split('/').map(str::to_owned).collect()).collect()
}

/// The imports of each module, of other modules that are neither its parents nor its children.
fn arrows() -> BTreeMap<Module, BTreeSet<Module>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../diesel-proto/src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 100, "{files:?}");
    let modules: BTreeSet<Module> = files.iter().map(|file| module(&root, file)).collect();
    let mut arrows = BTreeMap::new();
    for file in files {
        let from = module(&root, &file);
        let paths = imports(&fs::read_to_string(&file).unwrap());
        let targets = paths.iter().filter_map(|path| target(&modules, &from, path));
        let others = targets.filter(|to| !to.starts_with(&from) && !from.starts_with(to));
        arrows.insert(from.clone(), others.collect());
    }
    arrows
}

#[test]
fn arrows_between_folders_run_down() {
    let folders = folders();
    assert!(folders.len() > 10, "{folders:?}");
    let level = |module: &Module| folders.iter().position(|folder| module.starts_with(folder));
    let mut upward = Vec::new();
    for (from, targets) in arrows() {
        let Some(own) = level(&from) else { continue };
        let above = targets.iter().filter(|to| level(to).is_some_and(|level| level > own));
        upward.extend(above.map(|to| format!("{} uses {}", from.join("::"), to.join("::"))));
    }
    assert!(upward.is_empty(), "a folder uses one below it in the table: {upward:#?}");
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let mut arrows = arrows();
    assert!(arrows.values().map(BTreeSet::len).sum::<usize>() > 300);
    // Files that use no others that are left are in no circle.
    loop {
        let left: BTreeSet<Module> = arrows.keys().cloned().collect();
        arrows.values_mut().for_each(|targets| targets.retain(|to| left.contains(to)));
        let before = arrows.len();
        arrows.retain(|_, targets| !targets.is_empty());
        if arrows.len() == before {
            break;
        }
    }
    // Nor are those that no others use.
    loop {
        let used: BTreeSet<Module> = arrows.values().flatten().cloned().collect();
        let before = arrows.len();
        arrows.retain(|from, _| used.contains(from));
        if arrows.len() == before {
            break;
        }
    }
    let circle: Vec<_> = arrows.keys().map(|module| module.join("::")).collect();
    assert!(circle.is_empty(), "files that import each other: {circle:#?}");
}
