//! `httpbin`: forms, redirects, cookies, caches, documents.

use diesel_proto::testkit::{Answered, Oneshot};
use serde_json::{Value, json};

use crate::httpbin_service as service;

fn ask(request: Oneshot) -> Answered {
    request.send(service())
}

fn got(target: &str) -> Answered {
    ask(Oneshot::get(target))
}

fn field<'a>(answer: &'a Answered, name: &str) -> &'a str {
    answer.headers.get_str(name).unwrap_or_default()
}

#[test]
fn the_first_page_names_the_others() {
    let first = got("/");
    for page in ["/get", "/redirect-to", "/cookies", "/digest-auth", "/etag", "/range", "/status"] {
        assert!(first.text().contains(page), "{page}");
    }
}

/// Each method has its page, which takes no other.
#[test]
fn a_body_is_described_by_its_type() {
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let path = format!("/{}", method.to_ascii_lowercase());
        let sent = |kind: &str, body: &[u8]| -> Value {
            let request = Oneshot::new(method, format!("{path}?q=1"));
            ask(request.header("Content-Type", kind).body(body)).json()
        };
        let text = sent("text/plain", b"{\"a\": [1]}");
        let expected = json!({
            "args": { "q": "1" },
            "data": "{\"a\": [1]}",
            "files": {},
            "form": {},
            "headers": { "Content-Length": "10", "Content-Type": "text/plain", "Host": "test" },
            "json": { "a": [1] },
            "origin": "172.16.0.1",
            "url": format!("http://test{path}?q=1"),
        });
        assert_eq!(text, expected);
        let form = sent("application/x-www-form-urlencoded; charset=utf-8", b"a=1&b=x+y&a=%26");
        assert_eq!(form["form"], json!({ "a": ["1", "&"], "b": "x y" }));
        assert_eq!((&form["data"], &form["json"]), (&json!(""), &Value::Null));
        let binary = sent("image/png", b"\xff\x00");
        assert_eq!(binary["data"], "data:application/octet-stream;base64,/wA=");
        assert_eq!(ask(Oneshot::new("TRACE", path)).status.code(), 405);
    }
}

#[test]
fn a_form_has_fields_and_files() {
    let body = "--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n\
                --B\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x\"\r\n\r\nhi\r\n\
                --B\r\nContent-Disposition: form-data; name=\"f\"; filename=\"y\"\r\n\
                Content-Type: image/png\r\n\r\n\u{0}\r\n--B--\r\n";
    let mut bytes = body.as_bytes().to_vec();
    let zero = bytes.iter().position(|&byte| byte == 0).unwrap();
    bytes[zero] = 0xff;
    let form = |body: &[u8]| {
        let kind = "multipart/form-data; boundary=B";
        ask(Oneshot::post("/post").header("Content-Type", kind).body(body))
    };
    let page: Value = form(&bytes).json();
    assert_eq!(page["form"], json!({ "a": "1" }));
    assert_eq!(page["files"], json!({ "f": ["hi", "data:image/png;base64,/w=="] }));
    assert_eq!((&page["data"], &page["json"]), (&json!(""), &Value::Null));
    let kind = "multipart/form-data; boundary=B";
    let encoded = Oneshot::post("/post").header("Content-Encoding", "deflate");
    let page: Value = ask(encoded.header("Content-Type", kind).body("x")).json();
    assert_eq!((&page["data"], &page["files"]), (&json!("x"), &json!({})));
    // It is cut short, or its type does not say where it ends.
    assert_eq!(form(&bytes[..40]).status.code(), 400);
    let unbounded =
        Oneshot::post("/post").header("Content-Type", "multipart/form-data").body(bytes);
    assert_eq!(ask(unbounded).status.code(), 400);
}

#[test]
fn a_body_that_is_described_has_a_limit() {
    let longest = vec![b'a'; 16 << 20];
    let page: Value = ask(Oneshot::post("/post").body(longest.clone())).json();
    assert_eq!(page["data"].as_str().map(str::len), Some(16 << 20));
    let longer = [longest, vec![b'a']].concat();
    assert_eq!(ask(Oneshot::post("/post").body(longer)).status.code(), 413);
}

#[test]
fn small_pages_tell_one_thing() {
    assert_eq!(got("/ip").json::<Value>(), json!({ "origin": "172.16.0.1" }));
    assert_eq!(got("/peer").json::<Value>(), json!({ "peer": "172.16.0.1:49152" }));
    let agent = ask(Oneshot::get("/user-agent").header("User-Agent", "ann/1")).json::<Value>();
    assert_eq!(agent, json!({ "user-agent": "ann/1" }));
    assert_eq!(got("/user-agent").json::<Value>(), json!({ "user-agent": null }));
    assert_eq!(got("/base64/SFRUUEJJTg").text(), "HTTPBIN");
    assert_eq!(got("/base64/SFRUUEJJTg==").text(), "HTTPBIN");
    assert_eq!(got("/base64/8J-mrQ").text(), got("/base64/8J+mrQ==").text());
    assert_eq!(got("/base64/_w").status.code(), 400);
    let uuid = got("/uuid").json::<Value>();
    let uuid = uuid["uuid"].as_str().unwrap();
    let parts: Vec<usize> = uuid.split('-').map(str::len).collect();
    assert_eq!(parts, [8, 4, 4, 4, 12]);
    assert!(uuid[14..].starts_with('4') && "89ab".contains(&uuid[19..20]), "{uuid}");
}

#[test]
fn redirects_count_down_to_a_page() {
    for (target, location) in [
        ("/redirect/1", "/get"),
        ("/redirect/3", "/relative-redirect/2"),
        ("/redirect/3?absolute=True", "http://test/absolute-redirect/2"),
        ("/relative-redirect/2", "/relative-redirect/1"),
        ("/relative-redirect/1", "/get"),
        ("/absolute-redirect/2", "http://test/absolute-redirect/1"),
        ("/absolute-redirect/1", "http://test/get"),
        ("/redirect-to?url=http%3A%2F%2Fb%2F%3Fc", "http://b/?c"),
        ("/redirect-to?url=/x&status_code=200", "/x"),
        ("/links/3", "/links/3/0"),
    ] {
        let answer = got(target);
        assert_eq!((answer.status.code(), field(&answer, "Location")), (302, location), "{target}");
    }
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
        let answer = ask(Oneshot::new(method, "/redirect-to?url=/x&status_code=307"));
        assert_eq!((answer.status.code(), field(&answer, "Location")), (307, "/x"), "{method}");
    }
    for target in ["/redirect-to", "/redirect-to?url=a%0D%0Ab"] {
        assert_eq!(got(target).status.code(), 400, "{target}");
    }
}

#[test]
fn cookies_are_set_as_they_are_and_shown_as_they_are() {
    let set = |target: &str| -> Vec<String> {
        let answer = got(target);
        assert_eq!((answer.status.code(), field(&answer, "Location")), (302, "/cookies"));
        let values = answer.headers.get_all("Set-Cookie");
        values.map(|value| String::from_utf8(value.to_vec()).unwrap()).collect()
    };
    assert_eq!(set("/cookies/set/a/b=c"), ["a=b=c; Path=/"]);
    assert_eq!(set("/cookies/set?a=%22b:c%22&d=%2525"), ["a=\"b:c\"; Path=/", "d=%25; Path=/"]);
    let gone = "=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0";
    assert_eq!(set("/cookies/delete?a=&b"), [format!("a{gone}"), format!("b{gone}")]);
    for target in ["/cookies/set/a/b%3BDomain=c", "/cookies/set?a=%0D%0A", "/cookies/set?=b"] {
        assert_eq!(got(target).status.code(), 400, "{target}");
    }
    let sent =
        Oneshot::get("/cookies").header("Cookie", "a=\"1\"; b=%25;a=2").header("Cookie", "c=");
    assert_eq!(
        ask(sent).json::<Value>(),
        json!({ "cookies": { "a": "\"1\"", "b": "%25", "c": "" } })
    );
}

#[test]
fn a_cache_is_told_what_it_has() {
    let fresh = got("/cache");
    assert_eq!(fresh.status.code(), 200);
    assert!(field(&fresh, "ETag").starts_with('"') && fresh.json::<Value>()["args"].is_object());
    for name in ["If-None-Match", "If-Modified-Since"] {
        let same = ask(Oneshot::get("/cache").header(name, "x"));
        assert_eq!((same.status.code(), field(&same, "ETag")), (304, field(&fresh, "ETag")));
    }
    assert_eq!(field(&got("/cache/60"), "Cache-Control"), "public, max-age=60");
    for (name, value, status) in [
        ("If-None-Match", "\"a\"", 304),
        ("If-None-Match", "W/\"a\", \"b\"", 304),
        ("If-None-Match", "*", 304),
        ("If-None-Match", "\"b\"", 200),
        ("If-Match", "\"a\"", 200),
        ("If-Match", "\"b\"", 412),
        ("If-Match", "W/\"a\"", 412),
    ] {
        let answer = ask(Oneshot::get("/etag/a").header(name, value));
        assert_eq!(answer.status.code(), status, "{name}: {value}");
        assert_eq!(field(&answer, "ETag"), if status == 412 { "" } else { "\"a\"" });
    }
    assert_eq!(got("/etag/a%22b").status.code(), 400);
}

#[test]
fn a_response_has_the_fields_that_are_asked_for() {
    let answer = ask(Oneshot::post("/response-headers?X-A=1&X-A=2&b=%C3%A9"));
    let twice: Vec<&[u8]> = answer.headers.get_all("x-a").collect();
    assert_eq!(twice, [b"1", b"2"]);
    let expected = json!({
        "Content-Length": answer.body.len().to_string(),
        "Content-Type": "application/json",
        "X-A": ["1", "2"],
        "b": "\u{e9}",
    });
    assert_eq!(answer.json::<Value>(), expected);
    let typed = got("/response-headers?content-type=text/x-own");
    assert_eq!(field(&typed, "Content-Type"), "text/x-own");
    for query in ["Content-Length=1", "transfer-encoding=x", "A%20b=c", "a=%0D%0Ab", "=c"] {
        let target = format!("/response-headers?{query}");
        assert_eq!(got(&target).status.code(), 400, "{query}");
    }
}

#[test]
fn documents_have_their_types() {
    for (page, kind, start) in [
        ("/html", "text/html; charset=utf-8", "<!DOCTYPE html>"),
        ("/forms/post", "text/html; charset=utf-8", "<!DOCTYPE html>"),
        ("/encoding/utf8", "text/html; charset=utf-8", "<!DOCTYPE html>"),
        ("/links/3/1", "text/html; charset=utf-8", "<html>"),
        ("/xml", "application/xml", "<?xml "),
        ("/json", "application/json", "{\n  \"slideshow\": {"),
        ("/robots.txt", "text/plain; charset=utf-8", "User-agent: *\nDisallow: /deny\n"),
        ("/deny", "text/plain; charset=utf-8", ""),
        ("/image/svg", "image/svg+xml", "<svg "),
        ("/image/png", "image/png", "\u{89}PNG\r\n"),
    ] {
        let answer = got(page);
        assert_eq!((answer.status.code(), field(&answer, "Content-Type")), (200, kind), "{page}");
        let body: String = answer.body.iter().map(|&byte| char::from(byte)).collect();
        assert!(body.starts_with(start), "{page}: {body}");
    }
    let links = "0 <a href='/links/2/1'>1</a> </body></html>";
    assert!(got("/links/2/0").text().ends_with(links));
    for (accept, kind) in [
        ("image/svg+xml, image/*", "image/svg+xml"),
        ("image/*", "image/png"),
        ("*/*", "image/png"),
    ] {
        let answer = ask(Oneshot::get("/image").header("Accept", accept));
        assert_eq!(field(&answer, "Content-Type"), kind);
    }
    let refused = ask(Oneshot::get("/image").header("Accept", "text/html"));
    assert_eq!(refused.status.code(), 406);
}

#[test]
fn content_is_compressed_for_whoever_asks() {
    let zlib = got("/deflate");
    assert_eq!(field(&zlib, "Content-Encoding"), "deflate");
    let page = miniz_oxide::inflate::decompress_to_vec_zlib(&zlib.body).unwrap();
    let page: Value = serde_json::from_slice(&page).unwrap();
    assert_eq!((&page["deflated"], &page["method"]), (&json!(true), &json!("GET")));
    let gzip = got("/gzip");
    assert_eq!(field(&gzip, "Content-Encoding"), "gzip");
    // A head of ten bytes without options, and a tail of eight (RFC 1952).
    let deflated = &gzip.body[10..gzip.body.len() - 8];
    let page = miniz_oxide::inflate::decompress_to_vec(deflated).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&page).unwrap()["gzipped"], true);
}

#[test]
fn pages_of_other_origins_may_read_the_answers() {
    let origin = "https://app.example";
    let answer = ask(Oneshot::get("/get").header("Origin", origin));
    assert_eq!(field(&answer, "Access-Control-Allow-Origin"), origin);
    assert_eq!(field(&answer, "Vary"), "Origin");
    assert_eq!(field(&got("/get"), "Access-Control-Allow-Origin"), "");
    let preflight = Oneshot::options("/put")
        .header("Origin", origin)
        .header("Access-Control-Request-Method", "PUT")
        .header("Access-Control-Request-Headers", "x-a");
    let answer = ask(preflight);
    assert_eq!(answer.status.code(), 204);
    assert!(field(&answer, "Access-Control-Allow-Methods").contains("PUT"));
    assert_eq!(field(&answer, "Access-Control-Allow-Headers"), "x-a");
    assert_eq!(field(&answer, "Access-Control-Allow-Origin"), origin);
}

#[test]
fn one_of_several_statuses_is_chosen_by_weight() {
    assert_eq!(got("/status/204:0,404").status.code(), 404);
    assert_eq!(got("/status/404:1,204:0").status.code(), 404);
    let chosen = got("/status/201,202,203").status.code();
    assert!((201..=203).contains(&chosen));
    assert_eq!(ask(Oneshot::patch("/status/503")).status.code(), 503);
}
