//! What the variables mean.

use alloc::string::ToString;

use super::*;

fn proxies(variables: &[(&str, &str)]) -> Proxies {
    Proxies::from_variables(|name| {
        let found = variables.iter().find(|(it, _)| *it == name);
        found.map(|(_, value)| value.to_string())
    })
}

fn chosen(proxies: &Proxies, url: &str) -> Option<String> {
    proxies.for_url(&Url::parse(url).unwrap()).unwrap().map(|proxy| proxy.url().authority().into())
}

#[test]
fn which_variable_is_for_which_scheme() {
    let (http, https) = ("http://a.example/", "https://a.example/");
    for (variables, for_http, for_https) in [
        (&[][..], None, None),
        (&[("http_proxy", "p:1")], Some("p:1"), None),
        // httpoxy.
        (&[("HTTP_PROXY", "p:1")], None, None),
        (&[("https_proxy", "p:1")], None, Some("p:1")),
        (&[("HTTPS_PROXY", "p:1")], None, Some("p:1")),
        (&[("HTTPS_PROXY", "p:1"), ("https_proxy", "q:1")], None, Some("q:1")),
        (&[("all_proxy", "p:1")], Some("p:1"), Some("p:1")),
        (&[("ALL_PROXY", "p:1"), ("https_proxy", "q:1")], Some("p:1"), Some("q:1")),
        (&[("ALL_PROXY", "p:1"), ("https_proxy", "")], Some("p:1"), Some("p:1")),
        (&[("ALL_PROXY", " p:1 "), ("NO_PROXY", "a.example")], None, None),
        (
            &[("ALL_PROXY", "p:1"), ("NO_PROXY", "a.example"), ("no_proxy", "b")],
            Some("p:1"),
            Some("p:1"),
        ),
    ] {
        let proxies = proxies(variables);
        assert_eq!(chosen(&proxies, http).as_deref(), for_http, "{variables:?}");
        assert_eq!(chosen(&proxies, https).as_deref(), for_https, "{variables:?}");
    }
}

#[test]
fn what_names_a_proxy() {
    for (text, authority, authorization) in [
        ("p", "p", None),
        ("P.example:3128", "p.example:3128", None),
        ("http://p:3128/", "p:3128", None),
        ("http://Aladdin:open%20sesame@p:1", "p:1", Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")),
        ("u:p@[::1]:1", "[::1]:1", Some("Basic dTpw")),
    ] {
        let proxy = Proxy::parse(text).unwrap();
        assert_eq!((proxy.url().authority(), proxy.authorization()), (authority, authorization));
        let debug = format!("{proxy:?}");
        assert!(!debug.contains("sesame") && !debug.contains("Basic"), "{debug}");
    }
    for text in [
        "https://u:secret@p",
        "socks5://u:secret@p:1",
        "http://u:secret@p/x",
        "u:secret@",
        "p:70000",
        "a b",
    ] {
        let error = Proxy::parse(text).unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }
    let error = |proxies: Proxies| {
        proxies.for_url(&Url::parse("https://a/").unwrap()).unwrap_err().to_string()
    };
    let all = error(proxies(&[("ALL_PROXY", "https://p")]));
    let told = "is not of the scheme http, the only one for proxies";
    assert_eq!(all, format!("ALL_PROXY: the proxy \"https://p/\" {told}"));
    // It is of no concern for what does not go through it.
    let one = proxies(&[("https_proxy", "socks5h://u:secret@p:1"), ("no_proxy", "b")]);
    assert_eq!((chosen(&one, "http://a/"), chosen(&one, "https://b/")), (None, None));
    assert_eq!(error(one), format!("https_proxy: the proxy \"socks5h://p:1\" {told}"));
}

#[test]
fn which_hosts_are_exceptions() {
    let proxy = || Proxies::all(Proxy::parse("p:1").unwrap());
    for (list, direct, proxied) in [
        ("", &[][..], &["http://a/", "http://127.0.0.1/", "http://localhost/"][..]),
        ("*", &["http://a/", "https://[::1]:8/"], &[]),
        (
            "example.org",
            &["http://example.org/", "https://a.b.EXAMPLE.org:8/", "http://example.org./"],
            &["http://anexample.org/", "http://example.org.b/", "http://org/"],
        ),
        (".Example.org", &["http://example.org/", "http://a.example.org/"], &["http://b.org/"]),
        ("*.example.org", &["http://a.example.org/"], &["http://b.org/"]),
        ("a, b c\td,,", &["http://a/", "http://b/", "http://c/", "http://d/"], &["http://e/"]),
        ("a:8080", &["http://a:8080/", "http://x.a:8080/"], &["http://a/", "https://a/"]),
        ("a:80 b:443", &["http://a/", "https://b/"], &["https://a/", "http://b/"]),
        ("10.0.0.1", &["http://10.0.0.1/"], &["http://10.0.0.10/", "http://1.10.0.0.1.x/"]),
        (
            "10.0.0.0/8,192.168.1.128/25",
            &["http://10.255.0.9/", "http://192.168.1.200/"],
            &["http://11.0.0.0/", "http://192.168.1.127/", "http://[::a00:1]/"],
        ),
        ("0.0.0.0/0", &["http://8.8.8.8/"], &["http://a/", "http://[::1]/"]),
        ("::1", &["http://[::1]/", "http://[0:0::1]:8/"], &["http://[::2]/"]),
        ("[::1]", &["http://[::1]/"], &["http://[::2]/"]),
        ("[::1]:80", &["http://[::1]/"], &["http://[::1]:8/"]),
        ("fd00::/8", &["http://[fd12::1]/"], &["http://[fe80::1]/"]),
        // These are none.
        ("10.0.0.0/33 fd00::/129 a:x . [ 0.1", &[], &["http://10.0.0.0/", "http://a/"]),
        // No suffix of an address.
        ("0.1", &[], &["http://10.0.0.1/"]),
    ] {
        let proxies = proxy().except(list);
        for url in direct {
            assert_eq!(chosen(&proxies, url), None, "{list:?} {url}");
        }
        for url in proxied {
            assert_eq!(chosen(&proxies, url).as_deref(), Some("p:1"), "{list:?} {url}");
        }
    }
}
