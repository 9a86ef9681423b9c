//! `Headers` compared with a plain list of names and values as a model.

use super::super::fields::{FieldSpan, FieldSpans};
use super::*;
use crate::http1::headers;
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use quickcheck::{Arbitrary, Gen, QuickCheck};

fn lines(headers: &Headers) -> &str {
    core::str::from_utf8(headers.lines()).unwrap()
}

#[test]
fn order_and_duplicates_are_kept_and_names_found_in_any_case() {
    let headers = Headers::try_from([("B", "1"), ("a", "2"), ("b", "3"), ("ab", "")]).unwrap();
    assert_eq!(lines(&headers), "B: 1\r\na: 2\r\nb: 3\r\nab: \r\n");
    assert_eq!(headers.len(), 4);
    assert_eq!(headers.get("b"), Some(&b"1"[..]));
    assert_eq!(headers.get_all("B").collect::<Vec<_>>(), [b"1", b"3"]);
    assert_eq!(headers.get("AB"), Some(&b""[..]));
    assert_eq!(headers.get("abc"), None);
    assert_eq!(headers.get(""), None);
    assert_eq!(headers.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["B", "a", "b", "ab"]);
}

#[test]
fn what_has_a_colon_is_no_name_though_a_line_begins_with_it() {
    let headers = Headers::try_from([("a", "b: c")]).unwrap();
    for no_name in ["a: b", "a:", "a: ", ": ", "a: b: c", "a: b: c\r\n"] {
        assert_eq!(headers.get(no_name), None, "{no_name}");
    }
}

#[test]
fn set_takes_the_place_of_the_first_and_removes_the_others() {
    let fields = [("a", "1"), ("b", "2"), ("A", "3"), ("c", "4"), ("a", "5")];
    let mut headers = Headers::try_from(fields).unwrap();
    headers.set("A", "a longer one").unwrap();
    assert_eq!(lines(&headers), "A: a longer one\r\nb: 2\r\nc: 4\r\n");
    headers.set("b", "").unwrap();
    headers.set("d", "6").unwrap();
    assert_eq!(lines(&headers), "A: a longer one\r\nb: \r\nc: 4\r\nd: 6\r\n");
    assert!(headers.set("c", "\n").is_err());
    assert_eq!(headers.get_str("c"), Some("4"));
}

#[test]
fn remove_takes_all_of_a_name_and_tells_whether_there_were_any() {
    let fields = [("a", "1"), ("b", "2"), ("A", "3"), ("b", "4"), ("a", "5")];
    let mut headers = Headers::try_from(fields).unwrap();
    assert!(headers.remove("a"));
    assert_eq!(lines(&headers), "b: 2\r\nb: 4\r\n");
    assert!(!headers.remove("a"));
    assert!(headers.remove("B"));
    assert!(headers.is_empty());
    assert!(!headers.remove("b"));
}

#[test]
fn nothing_that_ends_a_line_gets_in() {
    let mut headers = Headers::new();
    for name in ["", "a:", "a b", " a", "a ", "a\r\nb", "\u{e9}"] {
        assert!(headers.add(name, "").is_err(), "{name:?}");
        assert!(headers.set(name, "").is_err(), "{name:?}");
    }
    for value in ["\r", "\n", "a\r\n", "\r\n\r\n", "a\0", "\x7f", "\x1b[0m"] {
        assert!(headers.add("a", value).is_err(), "{value:?}");
        assert!(headers.set("a", value).is_err(), "{value:?}");
    }
    assert!(headers.is_empty());
    headers.add("a", " \tb: c\t d ").unwrap();
    assert_eq!(lines(&headers), "a: b: c\t d\r\n");
    assert_eq!(headers.get_str("a"), Some("b: c\t d"));
}

#[test]
fn text_is_what_is_utf8() {
    let mut headers = Headers::new();
    headers.add(String::from("a"), [0xe9]).unwrap();
    headers.add("b", "\u{e9}").unwrap();
    assert_eq!(headers.get("a"), Some(&[0xe9][..]));
    assert_eq!(headers.get_str("a"), None);
    assert_eq!(headers.get_str("b"), Some("\u{e9}"));
}

#[test]
fn a_usual_response_takes_one_allocation_and_clearing_keeps_it() {
    let mut headers = Headers::new();
    assert_eq!(headers.lines.capacity(), 0);
    headers.add("Content-Type", "text/html; charset=utf-8").unwrap();
    let (capacity, place) = (headers.lines.capacity(), headers.lines.as_ptr());
    headers.add("Cache-Control", "private, max-age=0, must-revalidate").unwrap();
    headers.add("ETag", "\"0123456789abcdef0123456789abcdef\"").unwrap();
    headers.clear();
    assert_eq!((headers.lines.capacity(), headers.lines.as_ptr()), (capacity, place));
    assert_eq!((headers.len(), headers.is_empty()), (0, true));
}

#[test]
fn equality_compares_order_and_values_and_ignores_the_case_of_names() {
    let of = |fields: [(&str, &str); 2]| Headers::try_from(fields).unwrap();
    let headers = of([("a", "b"), ("c", "d")]);
    assert_eq!(headers, of([("A", "b"), ("C", "d")]));
    assert_ne!(headers, of([("a", "B"), ("c", "d")]));
    assert_ne!(headers, of([("c", "d"), ("a", "b")]));
    assert_ne!(headers, Headers::try_from([("a", "b")]).unwrap());
    assert_ne!(of([("a", "bc"), ("d", "e")]), of([("a", "b"), ("dc", "e")]));
}

#[test]
fn secrets_are_not_shown() {
    let headers = headers! { "Cookie" => "a=1", "authorization" => "Basic x", "X" => "\"" };
    let shown = r#"{"Cookie": (redacted), "authorization": (redacted), "X": "\""}"#;
    assert_eq!(format!("{headers:?}"), shown);
}

#[test]
fn framing_fields_are_found_in_any_case_and_no_others() {
    let names = [
        "Content-Length",
        "Transfer-Encoding",
        "Connection",
        "Keep-Alive",
        "Proxy-Connection",
        "TE",
        "Upgrade",
    ];
    for name in names {
        for name in [name.to_owned(), name.to_lowercase(), name.to_uppercase()] {
            let headers = Headers::try_from([("Content-Type", "a"), (&name, "b")]).unwrap();
            assert_eq!(headers.first_framing_field(), Some(&name[..]));
            let longer = Headers::try_from([(format!("{name}s"), ""), (format!("x{name}"), "")]);
            assert_eq!(longer.unwrap().first_framing_field(), None);
        }
    }
    let others = headers! {
        "Trailer" => "a", "Date" => "", "Content-Encoding" => "gzip", "Accept" => "", "Ts" => "",
    };
    assert_eq!(others.first_framing_field(), None);
}

#[test]
fn framing_fields_are_found_however_they_came_and_not_when_they_are_gone() {
    let mut headers = headers! { "upgrade" => "a" };
    assert_eq!(headers.first_framing_field(), Some("upgrade"));
    headers.set("Upgrade", "b").unwrap();
    assert_eq!(headers.first_framing_field(), Some("Upgrade"));
    let mut others = Headers::new();
    others.append(&headers);
    assert_eq!(others.first_framing_field(), Some("Upgrade"));
    headers.remove("upgrade");
    assert_eq!(headers.first_framing_field(), None);
    headers.set("te", "a").unwrap();
    assert_eq!(headers.first_framing_field(), Some("te"));
    headers.clear();
    assert!(!headers.may_frame);
    headers.add("a", "te: ").unwrap();
    assert_eq!(headers.first_framing_field(), None);
    headers.push(Field::new("TE", b"").unwrap());
    assert_eq!(headers.first_framing_field(), Some("TE"));
}

#[test]
fn literal_fields_are_checked_by_the_compiler() {
    const NAME: &str = "X-Name";
    assert_eq!(lines(&headers! { NAME => " b ", "c" => "d" }), "X-Name: b\r\nc: d\r\n");
    assert_eq!(headers! {}, Headers::new());
}

#[test]
fn the_fields_of_a_message_are_copied() {
    let bytes = b"Host:  a \r\nX:\r\n";
    let mut spans = FieldSpans::new();
    spans.push(FieldSpan { name: 0, name_len: 4, value: 7, value_len: 1 });
    spans.push(FieldSpan { name: 11, name_len: 1, value: 13, value_len: 0 });
    let mut headers = Headers::from(spans.view(bytes));
    assert_eq!(lines(&headers), "Host: a\r\nX: \r\n");
    headers.append(&headers.clone());
    assert_eq!(lines(&headers), "Host: a\r\nX: \r\nHost: a\r\nX: \r\n");
}

#[derive(Clone, Debug)]
enum Op {
    Add(String, Vec<u8>),
    Set(String, Vec<u8>),
    Remove(String),
    Append(Vec<(String, Vec<u8>)>),
    Clear,
}

fn name(g: &mut Gen) -> String {
    // Few names, in several cases; some are prefixes of others, and some are invalid.
    let names = ["a", "A", "ab", "aB", "b", "a-b", "!", "Content-Type", "", "a:", "a b", "\u{e9}"];
    (*g.choose(&names).unwrap_or(&"a")).into()
}

fn value(g: &mut Gen) -> Vec<u8> {
    let bytes = b"  \t\ta::bc\xff\xc3\xa9\"\r\n\0\x7f";
    // Long values are rarely valid, so most are short; some are longer than the first allocation.
    let len = if u8::arbitrary(g) < 16 { 300 } else { usize::arbitrary(g) % 6 };
    let valid = bytes.len() - if bool::arbitrary(g) { 4 } else { 0 };
    (0..len).filter_map(|_| g.choose(&bytes[..valid]).copied()).collect()
}

impl Arbitrary for Op {
    fn arbitrary(g: &mut Gen) -> Self {
        match u8::arbitrary(g) % 16 {
            0..=6 => Op::Add(name(g), value(g)),
            7..=10 => Op::Set(name(g), value(g)),
            11..=13 => Op::Remove(name(g)),
            14 => Op::Append((0..3).map(|_| (name(g), value(g))).collect()),
            _ => Op::Clear,
        }
    }

    fn shrink(&self) -> Box<dyn Iterator<Item = Self>> {
        match self.clone() {
            Op::Add(name, value) => {
                Box::new(value.shrink().map(move |value| Op::Add(name.clone(), value)))
            }
            Op::Set(name, value) => {
                Box::new(value.shrink().map(move |value| Op::Set(name.clone(), value)))
            }
            _ => quickcheck::empty_shrinker(),
        }
    }
}

/// The model of a field: `None` if it is invalid.
fn model_field(name: &str, value: &[u8]) -> Option<(String, Vec<u8>)> {
    let is_name = !name.is_empty() && name.is_ascii() && !name.contains([':', ' ']);
    let is_value = value.iter().all(|&byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f));
    let is_inner = |byte: &&u8| !matches!(**byte, b' ' | b'\t');
    let start = value.iter().position(|byte| is_inner(&byte)).unwrap_or(value.len());
    let end = value.iter().rposition(|byte| is_inner(&byte)).map_or(start, |last| last + 1);
    (is_name && is_value).then(|| (name.into(), value[start..end].into()))
}

#[test]
fn behaves_like_a_list() {
    fn property(ops: Vec<Op>) -> bool {
        let mut headers = Headers::new();
        let mut model: Vec<(String, Vec<u8>)> = Vec::new();
        for op in ops {
            match op {
                Op::Add(name, value) => {
                    let field = model_field(&name, &value);
                    assert_eq!(headers.add(&name, &value).is_ok(), field.is_some());
                    model.extend(field);
                }
                Op::Set(name, value) => {
                    let field = model_field(&name, &value);
                    assert_eq!(headers.set(&name, &value).is_ok(), field.is_some());
                    let Some(field) = field else { continue };
                    let is = |(other, _): &(String, _)| other.eq_ignore_ascii_case(&name);
                    let first = model.iter().position(is).unwrap_or(model.len());
                    model.retain(|field| !is(field));
                    model.insert(first, field);
                }
                Op::Remove(name) => {
                    let before = model.len();
                    model.retain(|(other, _)| !other.eq_ignore_ascii_case(&name));
                    assert_eq!(headers.remove(&name), model.len() < before);
                }
                Op::Append(fields) => {
                    let fields = fields.iter().filter_map(|(n, v)| model_field(n, v));
                    let fields: Vec<_> = fields.collect();
                    let others = fields.iter().filter_map(|(n, v)| Field::new(n, v).ok());
                    headers.append(&others.collect());
                    model.extend(fields);
                }
                Op::Clear => {
                    headers.clear();
                    model.clear();
                }
            }
            let mut wire = Vec::new();
            for (name, value) in &model {
                wire.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
                let first = model.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
                assert_eq!(headers.get(name), first.map(|(_, value)| &value[..]));
            }
            assert_eq!(headers.lines(), wire);
            assert_eq!(headers.len(), model.len());
            assert_eq!(headers.is_empty(), model.is_empty());
            let fields = headers.iter().map(|(name, value)| (name.into(), value.into()));
            assert_eq!(fields.collect::<Vec<(String, Vec<u8>)>>(), model);
        }
        true
    }
    QuickCheck::new().tests(500).quickcheck(property as fn(Vec<Op>) -> bool);
}

#[test]
fn a_date_is_known_wherever_it_comes_from() {
    let mut dated = Headers::new();
    assert!(!dated.has_date());
    dated.add("DATE", "x").unwrap();
    assert!(dated.has_date());
    let mut others = Headers::new();
    others.append(&dated);
    assert!(others.has_date());
    others.remove("date");
    assert!(!others.has_date());
    others.set("Date", "y").unwrap();
    assert!(others.has_date());
    others.clear();
    assert!(!others.has_date());
}
