//! Ranges as clients send them, and as they should not.

#![allow(clippy::single_range_in_vec_init, reason = "one range is meant")]

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;

use quickcheck::QuickCheck;

use super::*;
use crate::http1::{FieldSpans, HttpDate, Limits, parse_request};
use crate::web::EntityTag;

const MODIFIED: u64 = 784_111_777;

fn asked_with(method: &str, fields: &str, len: u64, now: Option<u64>) -> RangeRequest {
    let head = format!("{method} / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    let mut spans = FieldSpans::new();
    let head = parse_request(head.as_bytes(), &Limits::default(), &mut spans).unwrap().unwrap();
    let current = Validators { etag: EntityTag::strong("x").ok(), modified: Some(MODIFIED) };
    RangeRequest::of(head.method(), head.fields(), len, &current, now)
}

fn asked(range: &str, len: u64) -> RangeRequest {
    asked_with("GET", &format!("Range: {range}\r\n"), len, None)
}

#[test]
fn one_range_has_a_first_byte_a_last_byte_or_a_length() {
    for (range, start, end) in [
        ("bytes=0-0", 0, 1),
        ("bytes=0-9", 0, 10),
        ("bytes=5-", 5, 100),
        ("bytes=-1", 99, 100),
        ("bytes=-100", 0, 100),
        ("bytes=-101", 0, 100),
        ("bytes=99-99", 99, 100),
        ("bytes=0-99", 0, 100),
        ("bytes=0-100", 0, 100),
        ("BYTES=0-0", 0, 1),
        ("bytes=, 0-0 ,", 0, 1),
        ("bytes=98-18446744073709551615", 98, 100),
        ("bytes=98-99999999999999999999999", 98, 100),
        ("bytes=-99999999999999999999999", 0, 100),
        // Ranges behind the end are left out.
        ("bytes=100-, 0-0", 0, 1),
    ] {
        assert_eq!(asked(range, 100), RangeRequest::Parts(vec![start..end]), "{range}");
    }
}

/// Where some overlap, all are merged that touch.
#[test]
fn ranges_that_touch_others_that_overlap_are_merged() {
    let merged = RangeRequest::Parts(vec![0..30, 40..50]);
    assert_eq!(asked("bytes=40-49, 20-29, 0-9, 5-19", 100), merged);
}

#[test]
fn a_range_behind_the_end_cannot_be_satisfied() {
    let ranges =
        ["bytes=100-", "bytes=100-100", "bytes=-0", "bytes=99999999999999999999-", "bytes=-0,100-"];
    for range in ranges {
        assert_eq!(asked(range, 100), RangeRequest::Unsatisfiable, "{range}");
    }
    assert_eq!(asked("bytes=0-", 0), RangeRequest::Unsatisfiable);
    assert_eq!(asked("bytes=-0", 0), RangeRequest::Unsatisfiable);
    assert_eq!(asked("bytes=-5", 0), RangeRequest::Whole);
}

#[test]
fn what_is_not_understood_is_ignored() {
    for range in [
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=a-b",
        "bytes=1",
        "bytes=2-1",
        "bytes=0-0,2-1",
        "bytes=+1-2",
        "bytes=1-+2",
        "bytes=--1",
        "bytes=1 - 2",
        "bytes =0-1",
        "lines=0-1",
        "bytes=0-1;2-3",
        "bytes=\u{e9}",
    ] {
        assert_eq!(asked(range, 100), RangeRequest::Whole, "{range}");
    }
    let field = "Range: bytes=0-1\r\n";
    for method in ["HEAD", "POST", "PUT"] {
        assert_eq!(asked_with(method, field, 100, None), RangeRequest::Whole, "{method}");
    }
    assert_eq!(asked_with("GET", &field.repeat(2), 100, None), RangeRequest::Whole);
    assert_eq!(asked_with("GET", "", 100, None), RangeRequest::Whole);
}

#[test]
fn ranges_keep_their_order_unless_they_overlap() {
    for (range, parts) in [
        ("bytes=50-59,0-9", vec![50..60, 0..10]),
        ("bytes=0-9,10-19", vec![0..10, 10..20]),
        ("bytes=50-59,0-9,5-6", vec![0..10, 50..60]),
        ("bytes=0-,0-,0-", vec![0..100]),
        ("bytes=-1,0-9,99-", vec![0..10, 99..100]),
    ] {
        assert_eq!(asked(range, 100), RangeRequest::Parts(parts), "{range}");
    }
}

#[test]
fn the_number_of_ranges_is_limited() {
    let ranges = |n: u64| {
        let set: String = (0..n).map(|n| format!("{0}-{0},", 2 * n)).collect();
        asked(&format!("bytes={set}"), 1000)
    };
    let most = MAX_RANGES as u64;
    assert!(matches!(ranges(most), RangeRequest::Parts(parts) if parts.len() == MAX_RANGES));
    assert_eq!(ranges(most + 1), RangeRequest::Whole);
}

#[test]
fn if_range_names_the_version_that_the_range_is_of() {
    let parts = RangeRequest::Parts(vec![0..1]);
    let date = |seconds| HttpDate::from_unix(seconds).to_string();
    let later = Some(MODIFIED + 1);
    for (field, now, holds) in [
        ("\"x\"".into(), None, true),
        ("\"y\"".into(), None, false),
        ("W/\"x\"".into(), None, false),
        ("x".into(), later, false),
        (String::new(), later, false),
        (date(MODIFIED), later, true),
        (date(MODIFIED - 1), later, false),
        (date(MODIFIED + 1), later, false),
        // It may change once more within this second.
        (date(MODIFIED), Some(MODIFIED), false),
        (date(MODIFIED), None, false),
    ] {
        let fields = format!("Range: bytes=0-0\r\nIf-Range: {field}\r\n");
        let wanted = if holds { &parts } else { &RangeRequest::Whole };
        assert_eq!(asked_with("GET", &fields, 100, now), *wanted, "{field}");
    }
    let twice = "Range: bytes=0-0\r\nIf-Range: \"x\"\r\nIf-Range: \"x\"\r\n";
    assert_eq!(asked_with("GET", twice, 100, None), RangeRequest::Whole);
}

/// Against a model that marks single bytes.
#[test]
fn parts_hold_the_bytes_that_were_asked_for_each_once() {
    fn property(ranges: Vec<(u8, Option<u8>)>, len: u8) -> bool {
        let mut wanted = [false; 256];
        let specs: Vec<_> = ranges
            .into_iter()
            .take(MAX_RANGES)
            .map(|(first, last)| {
                let last = last.map(|last| first.max(last));
                let end = last.map_or(256, |last| usize::from(last) + 1);
                wanted[usize::from(first)..end].fill(true);
                format!("{first}-{}", last.map_or(String::new(), |last| last.to_string()))
            })
            .collect();
        wanted[usize::from(len)..].fill(false);
        let mut got = [false; 256];
        match asked(&format!("bytes={}", specs.join(",")), len.into()) {
            RangeRequest::Whole => return specs.is_empty(),
            RangeRequest::Unsatisfiable => {}
            RangeRequest::Parts(parts) => {
                for at in parts.into_iter().flatten() {
                    let byte = &mut got[usize::try_from(at).unwrap()];
                    assert!(!*byte, "{at} is there twice");
                    *byte = true;
                }
            }
        }
        got == wanted
    }
    QuickCheck::new().tests(2000).quickcheck(property as fn(Vec<(u8, Option<u8>)>, u8) -> bool);
}
