//! The four forms, and each way of being none of them.

use super::*;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use quickcheck::QuickCheck;

fn of(path: &'static str, query: impl Into<Option<&'static str>>) -> Target<'static> {
    Target::Origin { path, query: query.into() }
}

#[test]
fn a_path_with_or_without_a_query_is_of_origin_form() {
    for (target, expected) in [
        ("/", of("/", None)),
        ("/?", of("/", "")),
        ("/?/?a", of("/", "/?a")),
        ("/a/b;c=d,e/.././/", of("/a/b;c=d,e/.././/", None)),
        ("//user@host/is/a:path", of("//user@host/is/a:path", None)),
        ("/%41%c3%A9?%00", of("/%41%c3%A9", "%00")),
        ("/*?a=http://b", of("/*", "a=http://b")),
        ("/0123456%417?0123456%41", of("/0123456%417", "0123456%41")),
    ] {
        for method in ["GET", "POST", "OPTIONS", "connect", "x"] {
            assert_eq!(Target::new(target, method), Ok(expected), "{target}");
        }
        assert_eq!(expected.authority(), None);
    }
    assert_eq!((of("/a", "b").path(), of("/a", "b").query()), ("/a", Some("b")));
}

#[test]
fn a_uri_of_http_or_https_is_of_absolute_form() {
    use Scheme::{Http, Https};
    for (target, scheme, authority, path, query) in [
        ("http://a", Http, "a", "/", None),
        ("HTTPS://A:1", Https, "A:1", "/", None),
        ("http://a/", Http, "a", "/", None),
        ("http://a?b", Http, "a", "/", Some("b")),
        ("hTtP://a:80?", Http, "a:80", "/", Some("")),
        ("http://[::1]:8080/b/c?d?e/f", Http, "[::1]:8080", "/b/c", Some("d?e/f")),
        ("http://a//b", Http, "a", "//b", None),
        ("http://a:/*", Http, "a:", "/*", None),
    ] {
        let parsed = Target::new(target, "GET").unwrap();
        let authority = Authority::new(authority).unwrap();
        assert_eq!(parsed, Target::Absolute { scheme, authority, path, query });
        assert_eq!((parsed.path(), parsed.query()), (path, query));
        assert_eq!(parsed.authority(), Some(authority));
        assert!(target.to_lowercase().starts_with(&format!("{}:", scheme.as_str())));
    }
}

#[test]
fn options_may_ask_of_the_server_as_a_whole() {
    assert_eq!(Target::new("*", "OPTIONS"), Ok(Target::Asterisk));
    assert_eq!((Target::Asterisk.path(), Target::Asterisk.query()), ("*", None));
    let path = |target| Target::new(target, "OPTIONS").map(Target::path);
    assert_eq!(path("http://a:8001"), Ok("*"));
    assert_eq!(path("http://a:8001/"), Ok("/"));
    assert_eq!(path("http://a:8001?"), Ok("/"));
    assert_eq!(Target::new("http://a:8001", "options").map(Target::path), Ok("/"));
}

#[test]
fn connect_names_a_host_and_a_port() {
    for text in ["a:80", "[::1]:443", "home_0.example:00443", "*.a:1"] {
        let parsed = Target::new(text, "CONNECT").unwrap();
        assert_eq!(parsed, Target::Authority(Authority::new(text).unwrap()));
        assert_eq!((parsed.path(), parsed.query()), ("", None));
        assert_eq!(parsed.authority(), Authority::new(text).ok());
    }
}

#[test]
fn what_is_wrong_is_named_and_where() {
    let syntax = |at| Err(Rejection::new(Rule::TargetSyntax, at));
    let form = Err(Rejection::new(Rule::TargetForMethod, 0));
    for (method, target, expected) in [
        // Of none of the forms.
        ("GET", "", syntax(0)),
        ("GET", "foo/bar", syntax(0)),
        ("GET", "../etc", syntax(0)),
        ("GET", "?a", syntax(0)),
        ("GET", "#", syntax(0)),
        ("GET", "**", syntax(0)),
        ("GET", "*a", syntax(0)),
        ("OPTIONS", "*?", syntax(0)),
        ("GET", "\u{e9}", syntax(0)),
        // Forms of another method.
        ("GET", "*", form),
        ("options", "*", form),
        ("PRI", "*", form),
        ("GET", "a:443", form),
        ("OPTIONS", "[::1]:80", form),
        ("CONNECT", "*", form),
        ("CONNECT", "/", form),
        ("CONNECT", "/\0", form),
        ("CONNECT", "http://a:80/", form),
        ("CONNECT", "HTTPS://", form),
        // Bytes that are not allowed.
        ("GET", "/a b", syntax(2)),
        ("GET", "/a\t", syntax(2)),
        ("GET", "/a\0", syntax(2)),
        ("GET", "/\x7f", syntax(1)),
        ("GET", "/a#b", syntax(2)),
        ("GET", "/?a#b", syntax(3)),
        ("GET", "/\u{e9}", syntax(1)),
        ("GET", "/?\u{e9}", syntax(2)),
        ("GET", "/\\", syntax(1)),
        ("GET", "/0123456789abcdef\"", syntax(17)),
        ("GET", "/?0123456789abcdef<", syntax(18)),
        // Schemes.
        ("GET", "h", syntax(1)),
        ("GET", "http", syntax(4)),
        ("GET", "http:", syntax(5)),
        ("GET", "http:a", syntax(5)),
        ("GET", "http:/a", syntax(6)),
        ("GET", "httpx://a", syntax(4)),
        ("GET", "httpss://a", syntax(5)),
        ("GET", "ftp://a", syntax(0)),
        ("GET", "urn:a", syntax(0)),
        ("PUT", "s://]ufd/:", syntax(0)),
        // Authorities.
        ("GET", "http://", syntax(7)),
        ("GET", "http:///a", syntax(7)),
        ("GET", "http://?a", syntax(7)),
        ("GET", "http://:80/", syntax(7)),
        ("GET", "http://user@a/", syntax(11)),
        ("GET", "http://user:pass@a/", syntax(12)),
        ("GET", "http://a:65536/", syntax(13)),
        ("GET", "http://a:80a/", syntax(11)),
        ("GET", "http://[::1/", syntax(8)),
        ("GET", "http://a%2fb/", syntax(8)),
        ("GET", "http://a\\b/", syntax(8)),
        ("GET", "http://a,b/", syntax(8)),
        ("GET", "http://a#b", syntax(8)),
        ("GET", "http://a/b#c", syntax(10)),
        ("GET", "http://a?b#c", syntax(10)),
        // Destinations of CONNECT.
        ("CONNECT", "", syntax(0)),
        ("CONNECT", "a", syntax(1)),
        ("CONNECT", "a:", syntax(2)),
        ("CONNECT", "a:0", syntax(2)),
        ("CONNECT", "a:000", syntax(2)),
        ("CONNECT", "a:x", syntax(2)),
        ("CONNECT", ":80", syntax(0)),
        ("CONNECT", "a:80/", syntax(4)),
        ("CONNECT", "a/b:80", syntax(1)),
        ("CONNECT", "user@a:80", syntax(4)),
        ("CONNECT", "[]%20%48:1", syntax(1)),
        ("CONNECT", "http:80", Ok(Target::Authority(Authority::new("http:80").unwrap()))),
    ] {
        assert_eq!(Target::new(target, method), expected, "{method} {target:?}");
        let is_target = is_target(target.as_bytes(), method.as_bytes());
        assert_eq!(is_target, expected.is_ok(), "{method} {target:?}");
    }
    assert_eq!(Target::parse(b"/\xff", b"GET"), Err((Rule::TargetSyntax, 1)));
}

/// The rules of RFC 3986 and the URL Standard, without a table.
fn is_allowed(byte: u8, in_query: bool) -> bool {
    byte.is_ascii_alphanumeric()
        || b"-._~!$&'()*+,;=:@/[]^|%".contains(&byte)
        || (in_query && b"?`{}\\".contains(&byte))
}

/// URL Standard, 4.4: a `%` is left as it is in a path and in a query, and refused in a host (3.5).
#[test]
fn a_percent_sign_that_no_digits_follow_is_left_as_it_is_but_for_a_host() {
    for text in ["%", "%4", "%4g", "%g4", "%%41", "%u0041", "%41%4", "100%", "20%+tax", "%\u{7e}"] {
        let (target, uri) = (format!("/{text}?q={text}"), format!("http://a/{text}?{text}"));
        let query = format!("q={text}");
        let expected = Target::Origin { path: &target[..1 + text.len()], query: Some(&query) };
        assert_eq!(Target::new(&target, "GET"), Ok(expected));
        let parsed = Target::new(&uri, "GET").unwrap();
        assert_eq!((parsed.path(), parsed.query()), (expected.path(), Some(text)));
        for target in [&target, &uri] {
            assert!(is_target(target.as_bytes(), b"GET"), "{target:?}");
            #[cfg(feature = "http")]
            assert!(target.parse::<http::Uri>().is_ok(), "{target:?}");
        }
        let in_host = format!("http://{text}/");
        assert_eq!(Target::new(&in_host, "GET").is_ok(), !text.contains('%'), "{in_host:?}");
    }
}

#[test]
fn each_byte_may_stand_in_a_path_or_a_query_or_not_wherever_it_is() {
    for byte in (0..=255).filter(|byte| *byte != b'?') {
        for before in 0..20 {
            for (start, in_query) in [("/", false), ("/?", true)] {
                let target = format!("{start}{}", "a".repeat(before));
                let at = target.len();
                let target = [target.as_bytes(), &[byte], b"bcdefghi"].concat();
                let parsed = Target::parse(&target, b"GET");
                assert_eq!(is_target(&target, b"GET"), parsed.is_ok());
                match parsed {
                    Ok(_) => assert!(is_allowed(byte, in_query), "{byte}"),
                    Err(wrong) => {
                        assert_eq!(wrong, (Rule::TargetSyntax, at));
                        assert!(!is_allowed(byte, in_query), "{byte}");
                    }
                }
            }
        }
    }
}

/// The model: parses a path and its query byte by byte.
fn model(bytes: &[u8]) -> Result<(&[u8], Option<&[u8]>), usize> {
    let mut question = None;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'?' if question.is_none() => question = Some(at),
            byte if is_allowed(byte, question.is_some()) => {}
            _ => return Err(at),
        }
        at += 1;
    }
    let end = question.unwrap_or(bytes.len());
    Ok((&bytes[..end], question.map(|at| &bytes[at + 1..])))
}

#[test]
fn eights_give_what_single_bytes_give() {
    fn property(picks: Vec<u8>) -> bool {
        // Mostly valid bytes, so that targets are long; rarely invalid ones.
        let rare = b"%%?\\ \"{";
        let bytes = picks.chunks(2).flat_map(|pick| match pick {
            [pick, n] if *pick < 8 => {
                rare.get(usize::from(*n) % 7..).unwrap_or_default()[..1].into()
            }
            [pick, _] if *pick < 40 => format!("%{pick:02x}").into_bytes(),
            [_, n] => [b"ab/~=0"[usize::from(*n) % 6]].into(),
            _ => Vec::new(),
        });
        let target: Vec<u8> = core::iter::once(b'/').chain(bytes).collect();
        let parsed = Target::parse(&target, b"GET");
        let text = |bytes| core::str::from_utf8(bytes).unwrap();
        let expected = match model(&target) {
            Ok((path, query)) => Ok(Target::Origin { path: text(path), query: query.map(text) }),
            Err(at) => Err((Rule::TargetSyntax, at)),
        };
        assert_eq!(parsed, expected);
        assert_eq!(is_target(&target, b"GET"), expected.is_ok());
        true
    }
    let rng = quickcheck::Gen::new(200);
    QuickCheck::new().rng(rng).tests(2_000).quickcheck(property as fn(Vec<u8>) -> bool);
}

#[test]
fn what_is_refused_is_refused_at_the_same_byte_whatever_follows() {
    // Or accepted so far: then the rest decides.
    fn property(start: String, behind: String) -> bool {
        let whole = format!("/{start}{behind}");
        let start = format!("/{start}");
        match Target::new(&start, "GET") {
            Err(rejection) if rejection.offset as usize + 3 <= start.len() => {
                Target::new(&whole, "GET") == Err(rejection)
            }
            _ => true,
        }
    }
    QuickCheck::new().quickcheck(property as fn(String, String) -> bool);
}

#[test]
fn the_target_says_whom_it_is_for_before_host_does() {
    let authority = |text| Authority::new(text).ok();
    let host = |target, method, host| effective_host(Target::new(target, method).unwrap(), host);
    assert_eq!(host("/", "GET", authority("a")), authority("a"));
    assert_eq!(host("/", "GET", None), None);
    assert_eq!(host("http://b:80/", "GET", authority("a")), authority("b:80"));
    assert_eq!(host("http://b", "OPTIONS", None), authority("b"));
    assert_eq!(host("b:1", "CONNECT", authority("a")), authority("b:1"));
    assert_eq!(host("*", "OPTIONS", authority("a")), authority("a"));
}
