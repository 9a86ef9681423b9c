//! Checks the tables of `http1::conformance` against the sources and, if they are available,
//! against the RFCs: all names in a row exist, and every sentence has a row.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// `9.3`, as numbers: so sections sort as they stand in the RFC.
type Section = Vec<u32>;

/// A sentence: its section, and which of that it is, from one.
type Id = (Section, u32);

struct Row {
    hash: String,
    verdict: String,
    tests: Vec<String>,
}

/// The sentences of a section, and of those below it, that have no separate row.
#[derive(Debug, PartialEq)]
struct Group {
    sentences: usize,
    hash: String,
}

#[derive(Default)]
struct Table {
    rows: BTreeMap<Id, Row>,
    groups: BTreeMap<Section, Group>,
}

/// A sentence with a requirement.
struct Sentence {
    id: Id,
    text: String,
}

/// The tables of a client have this behind the name of the RFC.
const CLIENT: &str = "_client";

/// The beginnings that a row without a test may have.
const OTHERWISE: [&str; 3] = ["Not ours:", "The application's:", "Not met"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn section(text: &str) -> Section {
    let number = |part: &str| part.parse().unwrap_or_else(|_| panic!("{text:?} is no section"));
    text.split('.').map(number).collect()
}

fn shown(section: &[u32]) -> String {
    section.iter().map(u32::to_string).collect::<Vec<_>>().join(".")
}

fn shown_id((section, ordinal): &Id) -> String {
    format!("{}.{ordinal}", shown(section))
}

/// FNV-1a of 32 bits, over the words with one space between.
fn hash<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let text = words.into_iter().flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ");
    let step = |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    format!("{:08x}", text.bytes().fold(0x811c_9dc5, step))
}

/// The code spans of a text.
fn spans(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(String::from).collect()
}

fn table(rfc: &str) -> Table {
    let path = format!("diesel-proto/src/http1/conformance/{rfc}.md");
    parse(&read(&root().join(path)))
}

/// Rows have five cells and stand below the heading of their section, groups have four.
fn parse(text: &str) -> Table {
    let mut table = Table::default();
    let mut heading: Option<Section> = None;
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            let number = title.split(' ').next().unwrap();
            heading = number.starts_with(|c: char| c.is_ascii_digit()).then(|| section(number));
        }
        let Some(cells) = line.strip_prefix("| ").and_then(|line| line.strip_suffix('|')) else {
            continue;
        };
        let cells: Vec<&str> = cells.split('|').map(str::trim).collect();
        if cells[0].starts_with(['-', 's']) {
            continue;
        }
        let number = section(cells[0]);
        match cells[..] {
            [_, hash, what, verdict, tests] => {
                assert!(!what.is_empty() && !verdict.is_empty(), "{line}");
                let (ordinal, section) = number.split_last().unwrap();
                assert_eq!(heading.as_deref(), Some(section), "below another heading: {line}");
                let id = (section.to_vec(), *ordinal);
                let last = table.rows.last_key_value().map(|(id, _)| id.clone());
                assert!(last.is_none_or(|last| last < id), "not sorted, or twice: {line}");
                let row = Row { hash: hash.into(), verdict: verdict.into(), tests: spans(tests) };
                table.rows.insert(id, row);
            }
            [_, sentences, hash, why] => {
                assert!(!why.is_empty(), "{line}");
                let last = table.groups.last_key_value().map(|(section, _)| section.clone());
                assert!(last.is_none_or(|last| last < number), "not sorted, or twice: {line}");
                let group = Group { sentences: sentences.parse().unwrap(), hash: hash.into() };
                table.groups.insert(number, group);
            }
            _ => panic!("neither a row nor a group: {line}"),
        }
    }
    assert!(!table.rows.is_empty());
    table
}

/// The sentences with requirements, if the RFCs are available.
fn sentences(table: &str) -> Option<Vec<Sentence>> {
    let rfc = table.strip_suffix(CLIENT).unwrap_or(table);
    let path = env::var_os("DIESEL_SHARED")
        .map(|shared| Path::new(&shared).join(format!("rfc/{rfc}-requirements.tsv")))
        .filter(|path| path.exists());
    let Some(path) = path else {
        println!("skipped: no sentences of {rfc} in DIESEL_SHARED to compare with");
        return None;
    };
    let mut counts: BTreeMap<Section, u32> = BTreeMap::new();
    let mut found = Vec::new();
    for line in read(&path).lines().skip(1) {
        let [number, _, words, text] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{}: {line:?}", path.display())
        };
        let section = section(number);
        let ordinal = counts.entry(section.clone()).or_default();
        *ordinal += 1;
        let is_asked = |word: &str| {
            ["MUST", "SHOULD", "SHALL", "REQUIRED", "RECOMMENDED"]
                .iter()
                .any(|asks| word.contains(asks))
        };
        if words.split('/').any(is_asked) {
            found.push(Sentence { id: (section, *ordinal), text: text.into() });
        }
    }
    assert!(!found.is_empty());
    Some(found)
}

/// Whether a file has a test of this name.
fn has_test(path: &Path, name: &str) -> bool {
    let Ok(text) = fs::read_to_string(path) else { return false };
    let function = format!("fn {name}(");
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[test]") {
            is_test = true;
        } else if line.starts_with(&function) {
            return is_test;
        } else if !line.starts_with("#[") {
            is_test = false;
        }
    }
    false
}

/// A test's path: that of a module of `diesel-proto`, or a file and `::`.
fn is_test(path: &str) -> bool {
    let Some((place, name)) = path.rsplit_once("::") else { return false };
    if place.ends_with(".rs") {
        return has_test(&root().join(place), name);
    }
    let source = |module: &str| {
        let file = root().join("diesel-proto/src").join(module.replace("::", "/"));
        [file.with_extension("rs"), file.join("mod.rs")]
    };
    let inline = place.rsplit_once("::").map_or("", |(outer, _)| outer);
    [place, inline].into_iter().flat_map(source).any(|file| has_test(&file, name))
}

/// Every word of the sources below a folder.
fn words(folder: &Path, into: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            words(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let is_word = |c: char| c.is_alphanumeric() || c == '_';
            into.extend(read(&path).split(|c| !is_word(c)).map(String::from));
        }
    }
}

fn names_what_exists(rfc: &str) {
    let mut known = BTreeSet::new();
    words(&root().join("diesel-proto/src"), &mut known);
    let mut wrong = Vec::new();
    for (id, row) in table(rfc).rows {
        let id = shown_id(&id);
        if row.tests.is_empty() && !OTHERWISE.iter().any(|why| row.verdict.starts_with(why)) {
            wrong.push(format!("{id}: no test shows it"));
        }
        for test in row.tests.iter().filter(|test| !is_test(test)) {
            wrong.push(format!("{id}: there is no test {test}"));
        }
        // A path, a type, a function. Anything else is a part of a message.
        for name in spans(&row.verdict) {
            let is_name = name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == ':');
            if is_name && !name.split("::").all(|part| known.contains(part)) {
                wrong.push(format!("{id}: there is no {name}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{rfc}:\n{}", wrong.join("\n"));
}

/// The group that a sentence without a row belongs to: that of its section, or of one above.
fn group_of(section: &Section, table: &Table) -> Option<Section> {
    (1..=section.len())
        .rev()
        .map(|len| section[..len].to_vec())
        .find(|section| table.groups.contains_key(section))
}

/// Compares a table with the sentences, and returns the differences.
fn compare(table: &Table, sentences: &[Sentence]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut grouped: BTreeMap<Section, Vec<&str>> = BTreeMap::new();
    for sentence in sentences {
        let (id, text) = (shown_id(&sentence.id), &sentence.text);
        let expected = hash([text.as_str()]);
        match table.rows.get(&sentence.id) {
            Some(row) if row.hash == expected => {}
            Some(row) => wrong.push(format!("| {id} | {expected} | not {}: {text}", row.hash)),
            None => match group_of(&sentence.id.0, table) {
                Some(group) => grouped.entry(group).or_default().push(text),
                None => wrong.push(format!("| {id} | {expected} | has no row: {text}")),
            },
        }
    }
    let known: BTreeSet<&Id> = sentences.iter().map(|sentence| &sentence.id).collect();
    for id in table.rows.keys().filter(|id| !known.contains(id)) {
        wrong.push(format!("{}: there is no such sentence", shown_id(id)));
    }
    for (section, group) in &table.groups {
        let texts = grouped.remove(section).unwrap_or_default();
        let expected = Group { sentences: texts.len(), hash: hash(texts) };
        if *group != expected {
            let Group { sentences, hash } = expected;
            wrong.push(format!("| {} | {sentences} | {hash} | is the group", shown(section)));
        }
    }
    wrong
}

fn forgets_no_sentence(rfc: &str) {
    let Some(sentences) = sentences(rfc) else { return };
    let table = table(rfc);
    let mut wrong = compare(&table, &sentences);
    if rfc.ends_with(CLIENT) {
        wrong.extend(left_out(&table, &sentences));
    }
    assert!(wrong.is_empty(), "{rfc}:\n{}", wrong.join("\n"));
}

/// The sentences about clients that have no row: one does not apply because of a reason for its
/// whole section.
fn left_out(table: &Table, sentences: &[Sentence]) -> Vec<String> {
    let is_left_out = |sentence: &&Sentence| {
        is_about_clients(&sentence.text) && !table.rows.contains_key(&sentence.id)
    };
    let left_out = sentences.iter().filter(is_left_out);
    left_out.map(|it| format!("| {} | is about clients: {}", shown_id(&it.id), it.text)).collect()
}

/// Whether the first role that a sentence names is that of a client.
fn is_about_clients(text: &str) -> bool {
    const CLIENTS: [&str; 2] = ["client", "user agent"];
    const OTHERS: [&str; 7] =
        ["server", "prox", "recipient", "sender", "intermediar", "gateway", "implementation"];
    let text = text.to_lowercase();
    let first = |roles: &[&str]| roles.iter().filter_map(|role| text.find(role)).min();
    first(&CLIENTS).is_some_and(|client| first(&OTHERS).is_none_or(|other| client < other))
}

#[test]
fn what_rfc9112_rows_name_exists() {
    names_what_exists("rfc9112");
}

#[test]
fn no_sentence_of_rfc9112_is_forgotten() {
    forgets_no_sentence("rfc9112");
}

#[test]
fn what_rfc9110_rows_name_exists() {
    names_what_exists("rfc9110");
}

#[test]
fn no_sentence_of_rfc9110_is_forgotten() {
    forgets_no_sentence("rfc9110");
}

#[test]
fn what_the_rows_of_a_client_name_exists() {
    names_what_exists("rfc9112_client");
    names_what_exists("rfc9110_client");
}

#[test]
fn no_sentence_that_binds_a_client_is_forgotten() {
    forgets_no_sentence("rfc9112_client");
    forgets_no_sentence("rfc9110_client");
}

#[test]
fn a_sentence_about_clients_is_known_by_the_first_role() {
    assert!(is_about_clients("A client MUST send a Host to a server."));
    assert!(is_about_clients("User agents SHOULD display it."));
    assert!(!is_about_clients("A server MUST NOT send it to a client."));
    assert!(!is_about_clients("Names MUST be registered."));
    let text = "A client MUST ask.";
    let sentences = [Sentence { id: (section("3"), 1), text: text.into() }];
    let row = format!("| 3.1 | {} | it | so | `a::b` |\n", hash([text]));
    assert_eq!(left_out(&parse(&format!("## 3 A\n{row}")), &sentences).len(), 0);
    let other = format!("## 4 B\n| 4.1 | {0} | it | so | |\n| 3 | 1 | {0} | so |\n", hash([text]));
    assert_eq!(left_out(&parse(&other), &sentences).len(), 1);
}

#[test]
fn what_is_missing_or_has_changed_is_found() {
    let sentence = |section: &str, ordinal, text: &str| Sentence {
        id: (self::section(section), ordinal),
        text: text.into(),
    };
    let sentences =
        [sentence("3", 1, "One."), sentence("3.2", 2, "Two  words."), sentence("4.1", 1, "Three.")];
    let row = |id: &str, text: &str| format!("| {id} | {} | it | so | `a::b` |\n", hash([text]));
    let group = |section: &str, n: u32, text: &str| {
        format!("| {section} | {n} | {} | so |\n", hash([text]))
    };
    let wrong = |text: &str| compare(&parse(text), &sentences).len();
    let (one, two) = (row("3.1", "One."), row("3.2.2", "Two words."));
    let (four, three) = (group("4", 1, "Three."), row("4.1.1", "Three."));
    assert_eq!(wrong(&format!("## 3 A\n{one}## 3.2 B\n{two}## Others\n{four}")), 0);
    assert_eq!(wrong(&format!("## 3 A\n{one}## 3.2 B\n{two}## 4.1 C\n{three}")), 0);
    assert_eq!(wrong(&format!("## 3 A\n{one}## 3.2 B\n{two}")), 1, "a row is missing");
    assert_eq!(wrong(&format!("## 3 A\n{one}{four}")), 1, "a row is missing");
    let other = row("3.2.2", "Other words.");
    assert_eq!(wrong(&format!("## 3 A\n{one}## 3.2 B\n{other}{four}")), 1, "it has changed");
    let more = row("3.3", "More.");
    assert_eq!(wrong(&format!("## 3 A\n{one}{more}## 3.2 B\n{two}{four}")), 1, "no such one");
    let group = group("4", 2, "Three.");
    assert_eq!(wrong(&format!("## 3 A\n{one}## 3.2 B\n{two}{group}")), 1, "a group is smaller");
}

#[test]
fn a_test_is_known_by_its_path() {
    assert!(is_test("http1::syntax::head::tests::limits_hold_to_the_byte"), "a file of tests");
    assert!(
        is_test("http1::connection::state::tests::switching_needs_the_whole_request"),
        "within a file"
    );
    assert!(is_test("tests/tests/conformance.rs::a_test_is_known_by_its_path"));
    assert!(!is_test("http1::syntax::head::tests::limits_hold_to_the_bit"));
    assert!(!is_test("http1::syntax::head::tests::accepted"), "a function that is no test");
    assert!(!is_test("http1::syntax::tail::tests::limits_hold_to_the_byte"));
    assert!(!is_test("limits_hold_to_the_byte"));
}
