//! Each step of RFC 9110, 13.2.2, and what is ignored.

use alloc::format;
use alloc::string::String;

use super::*;
use crate::http1::{FieldSpans, HttpDate, Limits, parse_request};

const MODIFIED: u64 = 784_111_777;

fn evaluate(method: &str, fields: &str, current: Option<&Validators>) -> Precondition {
    let head = format!("{method} / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    let mut spans = FieldSpans::new();
    let head = parse_request(head.as_bytes(), &Limits::default(), &mut spans).unwrap().unwrap();
    Precondition::of(head.method(), head.fields(), current)
}

fn current() -> Validators {
    Validators { etag: EntityTag::strong("x").ok(), modified: Some(MODIFIED) }
}

fn dated(name: &str, seconds: u64) -> String {
    format!("{name}: {}\r\n", HttpDate::from_unix(seconds))
}

#[test]
fn without_conditions_a_request_is_carried_out() {
    for method in ["GET", "HEAD", "PUT", "DELETE"] {
        assert_eq!(evaluate(method, "", Some(&current())), Precondition::Met);
        assert_eq!(evaluate(method, "", None), Precondition::Met);
    }
}

#[test]
fn if_match_is_compared_strongly() {
    use Precondition::{Failed, Met};
    for (field, wanted) in [
        ("\"x\"", Met),
        ("\"y\", \"x\"", Met),
        ("*", Met),
        ("\"y\"", Failed),
        ("W/\"x\"", Failed),
        ("x", Failed),
        ("", Failed),
    ] {
        for method in ["GET", "PUT"] {
            let field = format!("If-Match: {field}\r\n");
            assert_eq!(evaluate(method, &field, Some(&current())), wanted, "{field}");
            assert_eq!(evaluate(method, &field, None), Failed, "{field}");
        }
    }
    // Several lines are one list.
    let lines = "If-Match: \"y\"\r\nIf-Match: \"x\"\r\n";
    assert_eq!(evaluate("PUT", lines, Some(&current())), Met);
}

#[test]
fn if_none_match_is_compared_weakly() {
    use Precondition::{Failed, Met, NotModified};
    for (field, matches) in [
        ("\"x\"", true),
        ("W/\"x\"", true),
        ("\"y\" , , W/\"x\"", true),
        ("*", true),
        ("\"y\"", false),
        ("x", false),
    ] {
        let field = format!("If-None-Match: {field}\r\n");
        for (method, failed) in [("GET", NotModified), ("HEAD", NotModified), ("PUT", Failed)] {
            let wanted = if matches { failed } else { Met };
            assert_eq!(evaluate(method, &field, Some(&current())), wanted, "{method} {field}");
            assert_eq!(evaluate(method, &field, None), Met, "{method} {field}");
        }
    }
}

#[test]
fn dates_are_compared_to_the_second() {
    use Precondition::{Failed, Met, NotModified};
    for (seconds, unmodified, modified) in [
        (MODIFIED - 1, Failed, Met),
        (MODIFIED, Met, NotModified),
        (MODIFIED + 1, Met, NotModified),
    ] {
        let field = dated("If-Unmodified-Since", seconds);
        assert_eq!(evaluate("PUT", &field, Some(&current())), unmodified);
        assert_eq!(evaluate("PUT", &field, None), Met);
        let field = dated("If-Modified-Since", seconds);
        assert_eq!(evaluate("GET", &field, Some(&current())), modified);
        assert_eq!(evaluate("HEAD", &field, Some(&current())), modified);
        // It is for GET and HEAD only (13.1.3).
        assert_eq!(evaluate("PUT", &field, Some(&current())), Met);
        let undated = Validators { modified: None, ..current() };
        assert_eq!(evaluate("GET", &field, Some(&undated)), Met);
    }
}

#[test]
fn every_date_format_is_read_and_nothing_else() {
    for date in [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    ] {
        assert_eq!(parse_date(date.as_bytes()), Some(MODIFIED), "{date}");
    }
    for date in ["", "0", "784111777", "Sun, 06 Nov 1994 08:49:37", "Sun, 31 Feb 1994 08:49:37 GMT"]
    {
        let field = format!("If-Modified-Since: {date}\r\n");
        assert_eq!(evaluate("GET", &field, Some(&current())), Precondition::Met, "{date}");
    }
    // Two dates are none.
    let twice = dated("If-Modified-Since", MODIFIED) + &dated("If-Modified-Since", MODIFIED);
    assert_eq!(evaluate("GET", &twice, Some(&current())), Precondition::Met);
}

/// A tag, if there is one, counts more than a date.
#[test]
fn a_condition_with_tags_hides_the_one_with_a_date() {
    let old = dated("If-Unmodified-Since", MODIFIED - 1);
    let with_tag = format!("If-Match: \"x\"\r\n{old}");
    assert_eq!(evaluate("PUT", &with_tag, Some(&current())), Precondition::Met);
    let new = dated("If-Modified-Since", MODIFIED);
    let with_tag = format!("If-None-Match: \"y\"\r\n{new}");
    assert_eq!(evaluate("GET", &with_tag, Some(&current())), Precondition::Met);
    // The two pairs follow each other.
    let both = "If-Match: \"x\"\r\nIf-None-Match: \"x\"\r\n";
    assert_eq!(evaluate("GET", both, Some(&current())), Precondition::NotModified);
    let both = "If-Match: \"y\"\r\nIf-None-Match: \"x\"\r\n";
    assert_eq!(evaluate("GET", both, Some(&current())), Precondition::Failed);
}
