//! `httpbin`, with all forms of a request target (RFC 9112, 3.2).

use diesel_proto::testkit::script::assert_plays;

use crate::httpbin_service as service;
use crate::with;

/// The URL Standard leaves it as it is, and decodes it to itself.
#[test]
fn a_percent_sign_that_no_digits_follow_is_itself() {
    assert_plays(
        r#"
        ann> GET /get?q=20%+tax&a%=%4&%41=%%41%zz HTTP/1.1\r\nHost: a\r\n\r\n
        ann< HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 188\r\n\r\n
        ann< {\n  "args": {\n    "A": "%A%zz",\n    "a%": "%4",\n    "q": "20% tax"\n  },\n
        ann<   "headers": {\n    "Host": "a"\n  },\n
        ann<   "origin": "172.16.0.1",\n  "url": "http://a/get?q=20%+tax&a%=%4&%41=%%41%zz"\n}\n
        ann> GET /get% HTTP/1.1\r\nHost: a\r\n\r\n
        ann< HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 14\r\n\r\n404 Not Found\n
        ann open
        "#,
        || with(service()),
    );
}

/// RFC 9112, 3.3: an absolute target is the target URI; else the host is the one that `Host` names,
/// or the server's own.
#[test]
fn the_url_is_the_target_uri_in_whatever_form_it_was_asked_for() {
    let script = |request: &str, args: &str, headers: &str, url: &str| {
        let page = format!(
            "{{\\n  \"args\": {args},\\n  \"headers\": {headers},\\n  \
             \"origin\": \"172.16.0.1\",\\n  \"url\": \"{url}\"\\n}}\\n"
        );
        // `\n` is two bytes in the script.
        let length = page.len() - page.matches("\\n").count();
        let kind = "Content-Type: application/json";
        format!(
            "ann> GET {request}\\r\\n\\r\\n\n\
             ann< HTTP/1.1 200 OK\\r\\n{kind}\\r\\nContent-Length: {length}\\r\\n\\r\\n{page}\n"
        )
    };
    let one = r#"{\n    "x": "1"\n  }"#;
    let host = r#"{\n    "Host": "b"\n  }"#;
    let old = |url: &str, uri: &str| {
        let keep = r#"{\n    "Connection": "keep-alive"\n  }"#;
        script(&format!("{url} HTTP/1.0\\r\\nConnection: keep-alive"), "{}", keep, uri)
            .replace("200 OK\\r\\n", "200 OK\\r\\nConnection: keep-alive\\r\\n")
    };
    let scripts = [
        script("/get?x=1 HTTP/1.1\\r\\nHost: b", one, host, "http://b/get?x=1"),
        script("http://a/get?x=1 HTTP/1.1\\r\\nHost: b", one, host, "http://a/get?x=1"),
        script("HTTPS://a:443/get HTTP/1.1\\r\\nHost: b", "{}", host, "HTTPS://a:443/get"),
        old("/get", "http://localhost/get"),
        old("http://a/get", "http://a/get"),
    ];
    assert_plays(&(scripts.concat() + "ann open\n"), || with(service()));
}

/// OPTIONS for the server as a whole, and for each page (RFC 9110, 9.3.7, and RFC 9112, 3.2.4).
#[test]
fn options_tells_which_methods_there_are() {
    let all = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
    let asked = [
        ("*", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE, CONNECT"),
        ("http://a", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE, CONNECT"),
        ("https://a:443", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE, CONNECT"),
        ("http://a/", "GET, HEAD, OPTIONS"),
        ("/get", "GET, HEAD, OPTIONS"),
        ("http://a/echo", "POST, OPTIONS"),
        ("/anything/at/all", all),
    ];
    let mut script = String::new();
    for (target, methods) in asked {
        script += &format!(
            "ann> OPTIONS {target} HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n\n\
             ann< HTTP/1.1 204 No Content\\r\\nAllow: {methods}\\r\\n\\r\\n\n"
        );
    }
    script += r"
        ann> OPTIONS http://a?b HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi
        ann< HTTP/1.1 204 No Content\r\nAllow: GET, HEAD, OPTIONS\r\n\r\n
        ann> OPTIONS /nowhere HTTP/1.1\r\nHost: a\r\n\r\n
        ann< HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 14\r\n\r\n404 Not Found\n
        ann open
        ";
    assert_plays(&script, || with(service()));
}
