//! What is kept, for how long, and where it is sent.

use alloc::string::ToString;
use alloc::vec;
use core::time::Duration;

use super::matching::default_path;
use super::*;

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

fn at(seconds: u64) -> JarTime {
    JarTime { now: Instant::ORIGIN + Duration::from_secs(seconds), unix: 1_000_000_000 + seconds }
}

fn jar() -> Jar {
    Jar::new(CookieLimits::default())
}

/// What is sent to each URL, if only this cookie was set, by this one.
#[track_caller]
fn one(from: &str, cookie: &str, to: &[(&str, &str)]) {
    let mut jar = jar();
    assert_eq!(jar.store(&url(from), cookie.as_bytes(), at(0)), Ok(()), "{cookie}");
    for (to, expected) in to {
        assert_eq!(jar.field(&url(to), at(0)).unwrap_or_default(), *expected, "{cookie}: {to}");
    }
}

#[track_caller]
fn refused(from: &str, cookie: &str, why: RefusedCookie) {
    let mut jar = jar();
    assert_eq!(jar.store(&url(from), cookie.as_bytes(), at(0)), Err(why), "{from} {cookie}");
    assert_eq!((jar.len, jar.domains.len()), (0, 0));
}

/// The limits of domains add up along the parents of a host.
#[test]
fn a_field_has_a_limit_and_the_nearest_come_first() {
    let (host, sibling) = ("http://www.shop.co.uk/a/b", "http://evil.shop.co.uk/a/b");
    let mut jar = jar();
    let set = |jar: &mut Jar, from: &str, cookie: &str| {
        jar.store(&url(from), cookie.as_bytes(), at(0)).unwrap();
    };
    for n in 0..50 {
        let cookie = format!("x{n}={}; Domain=shop.co.uk; Path=/a/b", "v".repeat(4000));
        set(&mut jar, sibling, &cookie);
    }
    set(&mut jar, host, "session=1; Path=/");
    set(&mut jar, host, "near=2; Path=/a");
    let field = jar.field(&url(host), at(0)).unwrap();
    assert!(field.len() <= 8192, "{}", field.len());
    assert!(field.starts_with("x0=v"), "{field}");
    assert!(field.ends_with("v; near=2; session=1"), "{field}");
    assert_eq!(field.matches('x').count(), 2);
    // To the byte; the longest path first.
    for (limit, expected) in
        [(5, None), (6, Some("near=2")), (16, Some("near=2")), (17, Some("near=2; session=1"))]
    {
        jar.limits.field = limit;
        let field = jar.field(&url("http://www.shop.co.uk/a"), at(0));
        assert_eq!(field.as_deref(), expected, "{limit}");
    }
}

/// RFC 6265, 5.1.3 and 5.3, steps 5 and 6.
#[test]
fn domains() {
    let (host, below, above) =
        ("http://b.example.org/", "http://a.b.example.org/", "http://example.org/");
    one(host, "n=v", &[(host, "n=v"), (below, ""), (above, "")]);
    one(host, "n=v; Domain=", &[(host, "n=v"), (below, "")]);
    for domain in ["example.org", ".example.org", "EXAMPLE.org"] {
        let cookie = format!("n=v; Domain={domain}");
        let others = [("http://anexample.org/", ""), ("http://example.org.evil.com/", "")];
        one(host, &cookie, &[(host, "n=v"), (below, "n=v"), (above, "n=v")]);
        one(host, &cookie, &others);
    }
    // The last one counts.
    one(host, "n=v; Domain=other.org; domain=b.example.org", &[(below, "n=v"), (above, "")]);
    for domain in ["a.b.example.org", "c.example.org", "ample.org", "example.com", "..example.org"]
    {
        refused(host, &format!("n=v; Domain={domain}"), RefusedCookie::Domain);
    }
    // Another port is the same host (RFC 6265, 8.5).
    one("http://example.org:81/", "n=v", &[(above, "n=v")]);
    // Addresses are within no domain.
    one("http://10.0.0.1/", "n=v; Domain=10.0.0.1", &[("http://10.0.0.1/", "n=v")]);
    refused("http://10.0.0.1/", "n=v; Domain=0.0.1", RefusedCookie::Domain);
    one("http://[::1]/", "n=v", &[("http://[::1]:8/", "n=v"), ("http://[::2]/", "")]);
    refused("http://[::1]/", "n=v; Domain=::1", RefusedCookie::PublicSuffix);
}

#[test]
fn public_suffixes() {
    for (host, domain) in [
        ("example.org", "org"),
        ("example.co.uk", "co.uk"),
        ("example.github.io", "github.io"),
        ("a.b.kawasaki.jp", "b.kawasaki.jp"),
        ("example.xn--55qx5d.cn", "xn--55qx5d.cn"),
        // Not in the list.
        ("a.internal", "internal"),
        ("example.org", ".ORG"),
    ] {
        let from = format!("http://{host}/");
        refused(&from, &format!("n=v; Domain={domain}"), RefusedCookie::PublicSuffix);
    }
    // A host that is itself one keeps its cookies for itself.
    one(
        "http://github.io/",
        "n=v; Domain=github.io",
        &[("http://github.io/", "n=v"), ("http://a.github.io/", "")],
    );
    one("http://localhost/", "n=v; Domain=localhost", &[("http://localhost/", "n=v")]);
    // An exception of the list.
    let city = ("http://a.city.kawasaki.jp/", "n=v; Domain=city.kawasaki.jp");
    one(city.0, city.1, &[("http://b.city.kawasaki.jp/", "n=v")]);
    // Each name below `kobe.jp` is one, but it is none itself: it is above them.
    refused("http://a.kobe.jp/", "n=v; Domain=kobe.jp", RefusedCookie::PublicSuffix);
    refused("http://b.a.kobe.jp/", "n=v; Domain=kobe.jp", RefusedCookie::PublicSuffix);
    one("http://c.b.a.kobe.jp/", "n=v; Domain=b.a.kobe.jp", &[("http://b.a.kobe.jp/", "n=v")]);
    one("http://kobe.jp/", "n=v; Domain=kobe.jp", &[("http://kobe.jp/", "n=v")]);
}

/// RFC 6265, 5.1.4.
#[test]
fn paths() {
    for (path, expected) in [("/", "/"), ("/a", "/"), ("/a/", "/a"), ("/a/b", "/a"), ("", "/")] {
        assert_eq!(default_path(path), expected, "{path}");
    }
    for (of, path, expected) in [
        ("/", "/", true),
        ("/a", "/", true),
        ("/a", "/a", true),
        ("/a/", "/a", true),
        ("/a/b", "/a", true),
        ("/a/b", "/a/", true),
        ("/ab", "/a", false),
        ("/a", "/a/", false),
        ("/", "/a", false),
        ("/A", "/a", false),
    ] {
        assert_eq!(path_matches(of, path), expected, "{of} {path}");
    }
    let at = |path: &str| format!("http://a.org{path}");
    let (under, beside, query) = (at("/x/z?q"), at("/y"), at("/x?/x/"));
    for cookie in ["n=v", "n=v; Path=", "n=v; Path=x", "n=v; Path=/x"] {
        one(&at("/x/y?a/b"), cookie, &[(&under, "n=v"), (&beside, ""), (&query, "n=v")]);
    }
    one(&at("/x/y"), "n=v; Path=/x; Path=/", &[(&beside, "n=v")]);
}

#[test]
fn secure_cookies() {
    let (plain, tls) = ("http://a.org/", "https://a.org/");
    one(tls, "n=v; Secure; HttpOnly", &[(plain, ""), (tls, "n=v")]);
    one(tls, "n=v", &[(plain, "n=v"), (tls, "n=v")]);
    refused(plain, "n=v; Secure", RefusedCookie::Insecure);
    // None over plain text takes the place of a Secure one.
    let mut jar = jar();
    jar.store(&url(tls), b"n=v; Secure; Path=/x; Domain=a.org", at(0)).unwrap();
    for (from, cookie, stored) in [
        (plain, "n=w; Path=/x", Err(RefusedCookie::Insecure)),
        (plain, "n=w; Path=/x/y", Err(RefusedCookie::Insecure)),
        (plain, "n=w; Path=/x; Max-Age=0", Err(RefusedCookie::Insecure)),
        ("http://b.a.org/", "n=w; Path=/x", Err(RefusedCookie::Insecure)),
        (plain, "n=w; Path=/", Ok(())),
        (plain, "m=w; Path=/x", Ok(())),
        ("http://b.org/", "n=w; Path=/x", Ok(())),
    ] {
        assert_eq!(jar.store(&url(from), cookie.as_bytes(), at(0)), stored, "{from} {cookie}");
    }
    assert_eq!(jar.field(&url("https://a.org/x"), at(0)).unwrap(), "n=v; m=w; n=w");

    one(tls, "__Host-n=v; Secure; Path=/", &[(tls, "__Host-n=v")]);
    one(tls, "__Secure-n=v; Secure; Domain=a.org", &[("https://b.a.org/", "__Secure-n=v")]);
    for cookie in [
        "__Secure-n=v",
        "__secure-n=v",
        "__Host-n=v; Secure",
        "__Host-n=v; Path=/",
        "__HOST-n=v; Secure; Path=/; Domain=a.org",
    ] {
        refused(tls, cookie, RefusedCookie::Prefix);
    }
}

#[test]
fn what_is_a_cookie() {
    let host = "http://a.org/";
    for (cookie, sent) in [
        ("n=v", "n=v"),
        (" n = v ;x", "n=v"),
        ("n=", "n="),
        ("n=a=b", "n=a=b"),
        ("n=\"a b\"", "n=\"a b\""),
        ("n=%41", "n=%41"),
        ("n=\u{e9}", "n=\u{e9}"),
        ("n=v; unknown; =; ;; SameSite=Lax", "n=v"),
    ] {
        one(host, cookie, &[(host, sent)]);
    }
    for cookie in ["", ";", "n", "=v", " =v", "n; a=b", "n=v\r\nx: y", "n=\0", "n=v; a=\x7f"] {
        refused(host, cookie, RefusedCookie::Syntax);
    }
    assert_eq!(jar().store(&url(host), b"n=\xff", at(0)), Err(RefusedCookie::Syntax));
    // Name and value together, and nothing else, count.
    let cookie = |n| format!("name={}; Path=/", "v".repeat(n));
    one("http://a.org/x/", &cookie(4092), &[(host, cookie(4092).trim_end_matches("; Path=/"))]);
    refused(host, &cookie(4093), RefusedCookie::TooLong(4096));
    let told = RefusedCookie::TooLong(4096).to_string();
    assert_eq!(told, "a cookie of more than 4096 bytes (CookieLimits::size)");
}

#[test]
fn cookies_expire() {
    let host = url("http://a.org/");
    // 1,000,000,000 is the time at 0 seconds.
    let date = |text: &str| format!("n=v; Expires={text}");
    for (cookie, until) in [
        ("n=v".to_string(), u64::MAX),
        ("n=v; Max-Age=10".into(), 10),
        ("n=v; Max-Age=1; Max-Age=10".into(), 10),
        ("n=v; Max-Age=-1".into(), 0),
        ("n=v; max-age=0".into(), 0),
        ("n=v; Max-Age=".into(), u64::MAX),
        ("n=v; Max-Age=1x".into(), u64::MAX),
        ("n=v; Max-Age=9223372036854775806".into(), u64::MAX),
        (date("Sun, 09 Sep 2001 01:46:50 GMT"), 10),
        (date("Sunday, 09-Sep-01 01:46:50 GMT"), 10),
        (date("Sun Sep  9 01:46:50 2001"), 10),
        (date("Sun, 09-Sep-2001 01:46:50 GMT"), 10),
        (date("Thu, 01 Jan 1970 00:00:00 GMT"), 0),
        (date("Thu, 01 Jan 1960 00:00:00 GMT"), 0),
        (date("tomorrow"), u64::MAX),
        ("n=v; Expires=Sun, 09 Sep 2001 01:46:40 GMT; Max-Age=10".into(), 10),
        ("n=v; Max-Age=10; Expires=Thu, 01 Jan 1970 00:00:00 GMT".into(), 10),
        ("n=v; Max-Age=; Expires=Sun, 09 Sep 2001 01:46:50 GMT".into(), 10),
        ("n=v; Max-Age=0; Expires=Sun, 09 Sep 2035 01:46:40 GMT".into(), 0),
    ] {
        let mut jar = jar();
        jar.store(&host, b"n=former", at(0)).unwrap();
        jar.store(&host, cookie.as_bytes(), at(0)).unwrap();
        assert_eq!(jar.len, usize::from(until > 0), "{cookie}");
        let sent = |jar: &mut Jar, seconds| jar.field(&host, at(seconds)).is_some();
        if until == u64::MAX {
            assert!(sent(&mut jar, 5_000_000_000), "{cookie}");
        } else {
            assert_eq!(sent(&mut jar, until.saturating_sub(1)), until > 0, "{cookie}");
            assert!(!sent(&mut jar, until), "{cookie}");
            assert_eq!((jar.len, jar.domains.len()), (0, 0));
        }
    }
    // Without a time of day.
    let mut jar = jar();
    let unknown = JarTime { now: Instant::ORIGIN, unix: 86_400 };
    jar.store(&host, b"a=v; Expires=Sun, 09 Sep 2001 01:46:50 GMT", unknown).unwrap();
    jar.store(&host, b"b=v", unknown).unwrap();
    jar.store(&host, b"b=v; Expires=Thu, 01 Jan 1970 00:00:10 GMT", unknown).unwrap();
    assert_eq!(jar.field(&host, unknown).unwrap(), "a=v");
}

/// RFC 6265, 5.3, step 11, and 5.4, step 2.
#[test]
fn longer_paths_go_first_then_earlier_cookies() {
    let (from, mut jar) = (url("http://b.a.org/x/y"), jar());
    for cookie in [
        "one=1; Path=/",
        "two=2; Path=/x/y",
        "three=3; Path=/x",
        "four=4; Path=/; Domain=a.org",
        "five=5; Path=/x/y; Domain=a.org",
        // It keeps the place of the one that it replaces.
        "one=6; Path=/",
        // These replace nothing.
        "one=7; Path=/x",
        "one=8; Path=/; Domain=a.org",
    ] {
        jar.store(&from, cookie.as_bytes(), at(0)).unwrap();
    }
    let expected = "two=2; five=5; three=3; one=7; one=6; four=4; one=8";
    assert_eq!(jar.field(&from, at(0)).unwrap(), expected);
    assert_eq!(jar.len, 7);
    jar.clear();
    assert_eq!((jar.field(&from, at(0)), jar.len), (None, 0));
}

#[test]
fn limits_hold_and_the_least_recently_used_go() {
    let limits = CookieLimits { per_domain: 3, total: 5, size: 100, ..CookieLimits::default() };
    let mut jar = Jar::new(limits);
    let (a, b) = (url("http://a.org/"), url("http://b.org/x"));
    for n in 0..10 {
        jar.store(&a, format!("n{n}=v; Path=/{n}").as_bytes(), at(n)).unwrap();
    }
    // One that was sent is used more recently than one that was stored.
    assert_eq!(jar.field(&url("http://a.org/7"), at(10)).unwrap(), "n7=v");
    jar.store(&a, b"n10=v; Path=/10", at(10)).unwrap();
    let kept = |jar: &Jar, domain: &str| -> Vec<_> {
        jar.domains.get(domain).into_iter().flatten().map(|it| it.name.to_string()).collect()
    };
    assert_eq!(kept(&jar, "a.org"), ["n7", "n9", "n10"]);
    // What has expired goes first.
    jar.store(&b, b"short=v; Max-Age=5", at(10)).unwrap();
    jar.store(&b, b"long=v", at(10)).unwrap();
    jar.store(&b, b"last=v", at(15)).unwrap();
    assert_eq!((kept(&jar, "a.org").len(), kept(&jar, "b.org").len()), (3, 2));
    jar.store(&a, b"n9=v; Path=/9", at(15)).unwrap();
    jar.store(&b, b"more=v", at(15)).unwrap();
    assert_eq!(kept(&jar, "a.org"), ["n9", "n10"]);
    assert_eq!(kept(&jar, "b.org"), ["long", "last", "more"]);
    assert_eq!(jar.len, 5);
    // One that expired elsewhere makes room.
    jar.store(&url("http://a.org/10"), b"n10=v; Path=/10; Max-Age=1", at(15)).unwrap();
    jar.store(&url("http://c.org/"), b"new=v", at(16)).unwrap();
    assert_eq!(
        (kept(&jar, "a.org"), kept(&jar, "c.org").len(), jar.len),
        (vec!["n9".into()], 1, 5)
    );

    // To send is to use, later than what was stored before.
    let mut jar = Jar::new(CookieLimits { total: 2, ..limits });
    jar.store(&a, b"sent=v", at(0)).unwrap();
    jar.store(&b, b"stored=v", at(0)).unwrap();
    assert_eq!(jar.field(&a, at(0)).as_deref(), Some("sent=v"));
    jar.store(&url("http://c.org/"), b"new=v", at(0)).unwrap();
    assert_eq!((kept(&jar, "a.org").len(), kept(&jar, "b.org").len()), (1, 0));

    for limits in [CookieLimits { per_domain: 0, ..limits }, CookieLimits { total: 0, ..limits }] {
        let mut jar = Jar::new(limits);
        jar.store(&a, b"n=v", at(0)).unwrap();
        assert_eq!((jar.len, jar.domains.len()), (0, 0));
    }
}

#[test]
fn debug_output_has_no_values() {
    let mut jar = jar();
    jar.store(&url("https://a.org/"), b"name=secret; HttpOnly; Secure", at(0)).unwrap();
    let shown = format!("{jar:?}");
    assert!(
        shown.contains("a.org") && shown.contains("name") && !shown.contains("secret"),
        "{shown}"
    );
    assert!(shown.contains("is_http_only: true"), "{shown}");
}

/// An expired cookie is gone, even if no request was made since it expired.
#[test]
fn an_expired_cookie_is_neither_replaced_nor_protected() {
    let mut jar = jar();
    let (http, https) = (url("http://a.example.org/"), url("https://a.example.org/"));
    let mut set = |from: &Url, cookie: &str, time| jar.store(from, cookie.as_bytes(), at(time));
    assert_eq!(set(&https, "n=1; Max-Age=5; Secure", 0), Ok(()));
    assert_eq!(set(&https, "p=1; Max-Age=5; Secure; Domain=example.org", 0), Ok(()));
    assert_eq!(set(&http, "m=2", 0), Ok(()));
    assert_eq!(set(&http, "n=3", 4), Err(RefusedCookie::Insecure));
    assert_eq!(set(&http, "p=3", 4), Err(RefusedCookie::Insecure));
    assert_eq!(set(&http, "n=4", 5), Ok(()));
    assert_eq!(set(&http, "p=4", 5), Ok(()));
    // In the order in which they were first set.
    assert_eq!(jar.field(&http, at(5)).as_deref(), Some("m=2; n=4; p=4"));
}
