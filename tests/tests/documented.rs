//! Checks that each public type, trait, function and constant of `diesel-proto` has an example, or
//! a link to the one that shows it: `Example: see [..]`.
//!
//! It reads the sources. An item that is `pub` at the beginning of a line is public: the lint
//! `unreachable_pub` refuses any other. What macros make is not seen, nor are methods: those are
//! shown by the examples of their types.

use std::fs;
use std::path::{Path, PathBuf};

const ITEMS: [&str; 6] = ["struct ", "enum ", "trait ", "type ", "const ", "fn "];

/// All source files in `folder`, but not those of tests and of the guide, which are examples.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.file_stem().is_some_and(|stem| stem == "tests" || stem == "guide") {
            true => {}
            false if path.is_dir() => sources(&path, found),
            false if path.extension().is_some_and(|it| it == "rs") => found.push(path),
            false => {}
        }
    }
}

/// The name of the item that is public at this line, if there is one.
fn public_item(line: &str) -> Option<&str> {
    let item = line.strip_prefix("pub ")?;
    let item = item.strip_prefix("async ").unwrap_or(item);
    let item = item.strip_prefix("const ").filter(|it| it.starts_with("fn ")).unwrap_or(item);
    let name = ITEMS.iter().find_map(|kind| item.strip_prefix(kind))?;
    name.split(|c: char| !c.is_alphanumeric() && c != '_').next()
}

/// The public items without an example, and the number of all public items.
fn without_example(text: &str) -> (Vec<&str>, usize) {
    let (mut missing, mut all) = (Vec::new(), 0);
    // What stands above the item: its documentation and its attributes.
    let (mut documented, mut hidden) = (false, false);
    for line in text.lines() {
        if let Some(name) = public_item(line).filter(|_| !hidden) {
            all += 1;
            if !documented {
                missing.push(name);
            }
        }
        // An item ends with one of these; what comes next belongs to another item.
        if line.is_empty() || line.starts_with('}') || line.ends_with(';') {
            (documented, hidden) = (false, false);
        }
        if let Some(doc) = line.strip_prefix("///") {
            documented |= doc.starts_with(" ```") || doc.contains("Example: see ");
        }
        hidden |= line == "#[doc(hidden)]";
    }
    (missing, all)
}

#[test]
fn each_public_item_has_an_example_or_a_link_to_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../diesel-proto/src");
    let (mut files, mut missing, mut all) = (Vec::new(), Vec::new(), 0);
    sources(&root, &mut files);
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let (names, n) = without_example(&text);
        let place = file.strip_prefix(&root).unwrap().display();
        missing.extend(names.iter().map(|name| format!("{place}: {name}")));
        all += n;
    }
    assert!(all > 150, "only {all} public items were found");
    assert!(missing.is_empty(), "write `/// Example: see [`X`].`, or an example:\n{missing:#?}");
}

#[test]
fn an_item_without_an_example_is_found() {
    let text = "\
/// One with an example.
///
/// ```
/// assert!(true);
/// ```
#[derive(Debug)]
pub struct Shown;

/// One with a link.
///
/// Example: see [`Shown`].
#[diagnostic::on_unimplemented(
    message = \"no\"
)]
pub trait Linked {}

/// One with neither, behind one that has one.
pub const fn bare(text: &str) {}

#[doc(hidden)]
pub enum Hidden {}

pub(crate) struct Private;
";
    assert_eq!(without_example(text), (vec!["bare"], 3));
}
