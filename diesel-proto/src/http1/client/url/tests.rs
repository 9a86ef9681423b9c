use super::*;

fn parsed(text: &str) -> Url {
    Url::parse(text).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn a_url_is_kept_in_its_normal_form() {
    for (given, kept) in [
        ("http://a", "http://a/"),
        ("http://a?b", "http://a/?b"),
        ("HTTPS://A.Example:443/X?Y#z", "https://a.example/X?Y"),
        ("http://a:443/", "http://a:443/"),
        ("http://a:/", "http://a/"),
        ("http://a:0080/", "http://a/"),
        ("http://[2001:DB8::1]:8080/", "http://[2001:db8::1]:8080/"),
        ("http://a/b/./c/../d", "http://a/b/d"),
        ("http://a/../../b", "http://a/b"),
        ("http://a/..b/c.", "http://a/..b/c."),
        ("http://u:p@a/", "http://a/"),
        (" http://a/b c\u{e9}\"", "http://a/b%20c%C3%A9%22"),
        ("http://a/%7Eb?%41", "http://a/%7Eb?%41"),
        ("http://a/b[1]?filter[a]=[1]#[", "http://a/b%5B1%5D?filter%5Ba%5D=%5B1%5D"),
        ("http://[::1]?[", "http://[::1]/?%5B"),
    ] {
        assert_eq!(parsed(given).as_str(), kept, "{given}");
        assert_eq!(parsed(kept).as_str(), kept, "{kept}");
    }
}

#[test]
fn its_parts_are_found() {
    let url = parsed("http://[::1]:81/a?b?c");
    assert_eq!((url.scheme(), url.host(), url.port()), (Scheme::Http, "[::1]", 81));
    assert_eq!((url.authority(), url.origin()), ("[::1]:81", "http://[::1]:81"));
    assert_eq!((url.target(), url.path(), url.query()), ("/a?b?c", "/a", Some("b?c")));
    let url = parsed("https://a");
    assert_eq!((url.authority(), url.port(), url.path(), url.query()), ("a", 443, "/", None));
}

#[test]
fn credentials_are_kept_apart_and_never_shown() {
    let url = parsed("http://a%40b:c:%64@host/");
    assert_eq!(url.credentials(), Some("a@b:c:d"));
    assert_eq!(
        (format!("{url}"), format!("{url:?}")),
        ("http://host/".into(), "\"http://host/\"".into())
    );
    assert_eq!(url.join("/x").unwrap().credentials(), None);
    assert_eq!(url.without_credentials().credentials(), None);
    for text in ["ftp://u:secret@a/", "http://u:secret@/", "http://u:sec%ffret@a/"] {
        let error = Url::parse(text).unwrap_err().to_string();
        assert!(!error.contains("sec"), "{error}");
    }
}

#[test]
fn what_can_be_read_in_two_ways_is_refused() {
    for text in [
        "",
        "/",
        "a",
        "//a",
        "http:",
        "http://",
        "http:///a",
        "http:a",
        "ftp://a/",
        "http://a b/",
        "http://a\\b/",
        "http://a/\\b",
        "http://a/\n",
        "http://a/\0",
        "http://\u{e9}/",
        "http://%c3%a9/",
        "http://a:x/",
        "http://a:65536/",
        "http://a,b/",
        "http://a%41/",
        "http://[::1",
        "http://[::1%25eth0]/",
        "http://a/%",
        "http://a/%4",
        "http://a/%zz",
        "javascript:alert(1)",
        "http://:80/",
        "http://a[b]/",
        "http://[a@b/",
    ] {
        assert!(Url::parse(text).is_err(), "{text:?}");
    }
}

/// RFC 3986, 5.4.
#[test]
fn references_are_resolved() {
    let base = parsed("http://a/b/c/d;p?q");
    for (reference, resolved) in [
        ("g", "http://a/b/c/g"),
        ("./g", "http://a/b/c/g"),
        ("g/", "http://a/b/c/g/"),
        ("/g", "http://a/g"),
        ("//g", "http://g/"),
        ("?y", "http://a/b/c/d;p?y"),
        ("g?y", "http://a/b/c/g?y"),
        ("#s", "http://a/b/c/d;p?q"),
        ("", "http://a/b/c/d;p?q"),
        (";x", "http://a/b/c/;x"),
        (".", "http://a/b/c/"),
        ("..", "http://a/b/"),
        ("../g", "http://a/b/g"),
        ("../../../g", "http://a/g"),
        ("https://x:443/y", "https://x/y"),
        ("?f[]=1", "http://a/b/c/d;p?f%5B%5D=1"),
        ("[g", "http://a/b/c/%5Bg"),
        ("g/[://[", "http://a/b/c/g/%5B://%5B"),
        ("//[::1]/[", "http://[::1]/%5B"),
        ("\u{e9} ", "http://a/b/c/%C3%A9"),
    ] {
        assert_eq!(base.join(reference).unwrap().as_str(), resolved, "{reference:?}");
    }
    for reference in ["mailto:a@b", "\\\\a", "http://", "//a b/", "\r\n"] {
        assert!(base.join(reference).is_err(), "{reference:?}");
    }
}

#[test]
fn pairs_are_added_to_the_query() {
    let mut url = parsed("http://a");
    url.push_query("b=1");
    url.push_query("c=2");
    assert_eq!(url.as_str(), "http://a/?b=1&c=2");
}
