//! How forms, queries and credentials are encoded.

use alloc::string::String;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Appends a pair, as the URL Standard has it.
pub(super) fn form_pair(to: &mut String, name: &str, value: &str) {
    if !to.is_empty() {
        to.push('&');
    }
    to.extend(form_urlencoded::byte_serialize(name.as_bytes()));
    to.push('=');
    to.extend(form_urlencoded::byte_serialize(value.as_bytes()));
}

/// The value of an Authorization by user and password (RFC 7617, 2).
pub(super) fn basic(user: &str, password: &str) -> String {
    basic_of(&alloc::format!("{user}:{password}"))
}

/// The same, for `user:password`.
pub(super) fn basic_of(credentials: &str) -> String {
    let mut value = String::from("Basic ");
    STANDARD.encode_string(credentials, &mut value);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_the_standards_have_it() {
        let mut form = String::new();
        form_pair(&mut form, "a b", "c&d=e+\u{e9}");
        form_pair(&mut form, "", "*-._~");
        assert_eq!(form, "a+b=c%26d%3De%2B%C3%A9&=*-._%7E");
        // RFC 7617, 2.
        assert_eq!(basic("Aladdin", "open sesame"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    }
}
