//! Cookies (RFC 6265): [`Cookies`] of a request, [`SetCookie`] in a response (feature `cookies`).
//!
//! Rules of this file:
//!
//! - Any text can be a value: it is percent-encoded where it is sent, and decoded where it is read.
//! - Nothing that is untrusted can add an attribute: names and attributes are checked, and a wrong one
//!   makes a [failed](Response::failed) response.
//! - A cookie that is set is not for scripts, and not for requests of other sites, unless the
//!   application says so.
//!
//! It must never know what a cookie means.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::convert::Infallible;
use core::fmt;
use core::time::Duration;

use cookie::{Cookie, SameSite};

use super::from_request::{FromRequest, Waits};
use super::routed_request::RoutedRequest;
use crate::http1::{Field, FieldsView, IntoResponse, Response};

/// The cookies of a request: a parameter of handlers. What is not a cookie in the field is left out.
/// `Debug` does not show values.
///
/// ```
/// use diesel_proto::testkit::Oneshot;
/// use diesel_proto::web::{Cookies, Router, SetCookie, get};
///
/// fn visit(cookies: Cookies) -> (SetCookie, String) {
///     let visits = cookies.parse::<u32>("visits").unwrap_or(0) + 1;
///     (SetCookie::new("visits", visits.to_string()), format!("visit {visits}"))
/// }
///
/// let routes = Router::new().route("/", get(visit)).build()?;
/// let answer = Oneshot::get("/").header("Cookie", "theme=dark; visits=41").send(&routes);
/// assert_eq!(answer.text(), "visit 42");
/// let set = "visits=42; HttpOnly; SameSite=Lax; Path=/";
/// assert_eq!(answer.headers.get_str("Set-Cookie"), Some(set));
/// # Ok::<(), diesel_proto::web::InvalidRoute>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Cookies(Vec<(String, String)>);

impl Cookies {
    /// The cookies of these fields, for middleware: `Cookies::of(request.headers())`.
    pub fn of(fields: FieldsView<'_>) -> Self {
        let texts = fields.get_all("cookie").filter_map(|value| core::str::from_utf8(value).ok());
        let cookies = texts.flat_map(Cookie::split_parse_encoded).filter_map(Result::ok);
        Cookies(
            cookies.map(|cookie| (cookie.name().to_owned(), cookie.value().to_owned())).collect(),
        )
    }

    /// The value of the first cookie of this name, decoded.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// The value of the first cookie of this name, if it can be parsed.
    pub fn parse<T: core::str::FromStr>(&self, name: &str) -> Option<T> {
        self.get(name)?.parse().ok()
    }

    /// All names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }
}

impl fmt::Debug for Cookies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish_non_exhaustive()
    }
}

impl<S> FromRequest<S> for Cookies {
    type Error = Infallible;
    const WAITS: Waits = Waits::Never;

    async fn from_request(request: &mut RoutedRequest, _: &S) -> Result<Self, Infallible> {
        Ok(Cookies::of(request.headers()))
    }
}

/// A cookie for the client to keep. By default it is for all paths, not for scripts (`HttpOnly`), not
/// for requests of other sites but links (`SameSite=Lax`), and ends with the browser's session.
///
/// A pair of it and a response is a response; or add its [field](Self::into_value) with
/// [`Response::header`]. A name that is not a token, or an attribute with a `;`, makes a
/// [failed](Response::failed) response.
///
/// ```
/// use core::time::Duration;
/// use diesel_proto::http1::{IntoResponse, Status};
/// use diesel_proto::web::SetCookie;
///
/// let week = Duration::from_secs(7 * 86_400);
/// let cookie = SetCookie::new("session", "a;b").secure().max_age(week).path("/account");
/// let response = (cookie, Status::NO_CONTENT).into_response();
/// assert_eq!(
///     response.fields().get_str("Set-Cookie"),
///     Some("session=a%3Bb; HttpOnly; SameSite=Lax; Secure; Path=/account; Max-Age=604800")
/// );
/// ```
#[derive(Clone, PartialEq)]
pub struct SetCookie(Cookie<'static>);

impl SetCookie {
    /// A cookie with this name and value.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        let cookie = Cookie::build((name.into(), value.into()));
        SetCookie(cookie.path("/").http_only(true).same_site(SameSite::Lax).build())
    }

    /// Tells the client to forget the cookie of this name, for all paths. One that was set for a
    /// [path](Self::path) or a [domain](Self::domain) is forgotten with the same.
    pub fn removal(name: impl Into<String>) -> Self {
        SetCookie::new(name, "").max_age(Duration::ZERO)
    }

    /// Only over TLS.
    pub fn secure(mut self) -> Self {
        self.0.set_secure(true);
        self
    }

    /// For scripts, too.
    pub fn for_scripts(mut self) -> Self {
        self.0.set_http_only(false);
        self
    }

    /// Not even if a link of another site is followed: `SameSite=Strict`.
    pub fn strict(mut self) -> Self {
        self.0.set_same_site(SameSite::Strict);
        self
    }

    /// For requests of other sites, too: `SameSite=None`, which browsers accept for
    /// [secure](Self::secure) cookies alone.
    pub fn for_other_sites(mut self) -> Self {
        self.0.set_same_site(SameSite::None);
        self
    }

    /// For how long it is kept, in whole seconds.
    pub fn max_age(mut self, age: Duration) -> Self {
        let seconds = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
        self.0.set_max_age(cookie::time::Duration::seconds(seconds));
        self
    }

    /// For this path, and those below it.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.0.set_path(path.into());
        self
    }

    /// For this domain, and those below it, rather than for this host alone.
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.0.set_domain(domain.into());
        self
    }

    /// The value of `Set-Cookie`. `None` if the name is not a token, or an attribute cannot be sent.
    pub fn into_value(self) -> Option<String> {
        let attributes = [self.0.path(), self.0.domain()];
        let is_sound = attributes
            .iter()
            .flatten()
            .all(|text| text.bytes().all(|byte| matches!(byte, 0x20..=0x7e) && byte != b';'));
        let is_token = Field::new(self.0.name(), b"").is_ok();
        (is_sound && is_token).then(|| self.0.encoded().to_string())
    }
}

impl fmt::Debug for SetCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SetCookie").field(&self.0.name()).finish_non_exhaustive()
    }
}

/// The response, with this cookie.
impl<T: IntoResponse> IntoResponse for (SetCookie, T) {
    fn into_response(self) -> Response {
        let name = self.0.0.name().to_owned();
        match self.0.into_value() {
            Some(value) => self.1.into_response().header("Set-Cookie", value),
            None => Response::failed(format!("the cookie {name:?} has a part that cannot be sent")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::{FieldSpans, Limits, parse_request};

    fn cookies(lines: &[&str]) -> Vec<(String, String)> {
        let lines: String = lines.iter().map(|value| format!("Cookie: {value}\r\n")).collect();
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
        let mut spans = FieldSpans::new();
        let head = parse_request(head.as_bytes(), &Limits::default(), &mut spans);
        Cookies::of(head.unwrap().unwrap().fields()).0
    }

    #[test]
    fn what_is_no_cookie_is_left_out() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(cookies(&[]), []);
        assert_eq!(cookies(&["a=1"]), [pair("a", "1")]);
        assert_eq!(cookies(&["a=1;b=2 ; c = 3"]), [pair("a", "1"), pair("b", "2"), pair("c", "3")]);
        assert_eq!(cookies(&["a=1; a=2", "a=3"]), [pair("a", "1"), pair("a", "2"), pair("a", "3")]);
        assert_eq!(cookies(&["; a; =1; b=x=y;;"]), [pair("b", "x=y")]);
        assert_eq!(cookies(&["a=%C3%A9%3B%00"]), [pair("a", "\u{e9};\0")]);
        assert_eq!(cookies(&["a=%ff", "b=1"]), [pair("b", "1")]);
    }

    #[test]
    fn any_value_comes_back_and_none_adds_an_attribute() {
        for value in
            ["", "plain", "a; Domain=evil", "a\r\nSet-Cookie: b=c", "\u{e9}\"\\,%41", "a b"]
        {
            let set = SetCookie::new("name", value).into_value().unwrap();
            let (pair, attributes) = set.split_once(';').unwrap();
            assert_eq!(attributes, " HttpOnly; SameSite=Lax; Path=/", "{value:?}");
            assert_eq!(cookies(&[pair]), [("name".to_owned(), value.to_owned())]);
        }
    }

    #[test]
    fn a_name_or_an_attribute_that_cannot_be_sent_makes_the_response_fail() {
        for cookie in [
            SetCookie::new("", "a"),
            SetCookie::new("a b", "a"),
            SetCookie::new("a=b", "a"),
            SetCookie::new("a;b", "a"),
            SetCookie::new("a", "b").path("/;Domain=evil"),
            SetCookie::new("a", "b").domain("a\r\nb"),
        ] {
            assert!((cookie.clone(), "text").into_response().error().is_some(), "{cookie:?}");
        }
        let all = SetCookie::new("a", "b").for_scripts().for_other_sites().secure().domain("x.org");
        assert_eq!(all.into_value().unwrap(), "a=b; SameSite=None; Secure; Path=/; Domain=x.org");
        let gone = SetCookie::removal("a").strict().into_value().unwrap();
        assert_eq!(gone, "a=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0");
        assert_eq!(format!("{:?}", SetCookie::new("a", "secret")), "SetCookie(\"a\", ..)");
    }
}
