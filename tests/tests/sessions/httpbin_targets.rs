//! `httpbin`, asked in all forms of a request target (RFC 9112, 3.2).

use diesel_proto::testkit::script::assert_plays;

use crate::programs::httpbin::service;
use crate::with;

/// The URL Standard leaves it as it is, and decodes it to itself.
#[test]
fn a_percent_sign_that_no_digits_follow_is_itself() {
    assert_plays(
        r#"
        ann> GET /get?q=20%+tax&a%=%4&%41=%%41%zz HTTP/1.1\r\nHost: a\r\n\r\n
        ann< HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 185\r\n\r\n
        ann< {\n  "args": {\n    "A": "%A%zz",\n    "a%": "%4",\n    "q": "20% tax"\n  },\n
        ann<   "headers": {\n    "Host": "a"\n  },\n
        ann<   "origin": "unnamed",\n  "url": "http://a/get?q=20%+tax&a%=%4&%41=%%41%zz"\n}\n
        ann> GET /get% HTTP/1.1\r\nHost: a\r\n\r\n
        ann< HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 14\r\n\r\n404 Not Found\n
        ann open
        "#,
        || with(service()),
    );
}
