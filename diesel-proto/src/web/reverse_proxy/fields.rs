//! Which fields are passed on, and which are for one hop only (RFC 9110, 7.6.1).
//!
//! Rules of this file:
//!
//! - A field is dropped by its name, in any case, and with `_` for `-` too if the name is one that
//!   this proxy writes or removes: what runs CGI sees no difference.
//! - Connection may name any other field. It cannot name one that the proxy writes.
//!
//! It must never know connections.

use alloc::string::String;
use alloc::vec::Vec;

use crate::http1::{FieldsView, Headers};

/// What is done with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FieldKind {
    /// For every recipient.
    EndToEnd,
    /// For one hop, or written anew.
    Hop,
    /// What is said of the client: Forwarded, X-Forwarded-For, ..
    Forwarding,
    /// Passed on, whatever Connection names.
    Via,
    MaxForwards,
}

/// Longer names are none of those that are known here, but for their beginnings.
const LONGEST: usize = 24;

/// The kind of a field, by its name. A name with `_` is never [`FieldKind::Forwarding`], ..: it is
/// dropped as [`FieldKind::Hop`] then.
pub(super) fn kind_of(name: &str) -> FieldKind {
    if !may_be_known(name) {
        return FieldKind::EndToEnd;
    }
    let mut normal = [0; LONGEST];
    let mut has_underscore = false;
    for (to, byte) in normal.iter_mut().zip(name.bytes()) {
        *to = match byte {
            b'_' => {
                has_underscore = true;
                b'-'
            }
            _ => byte.to_ascii_lowercase(),
        };
    }
    let kind = match normal.get(..name.len()) {
        Some(name) => kind_of_short(name),
        None => kind_of_long(&normal),
    };
    match kind {
        FieldKind::EndToEnd => FieldKind::EndToEnd,
        _ if has_underscore => FieldKind::Hop,
        kind => kind,
    }
}

/// A quick look: most fields are not known here.
fn may_be_known(name: &str) -> bool {
    let first = name.bytes().next().unwrap_or_default().to_ascii_lowercase();
    match first {
        b'c' => matches!(name.len(), 5 | 10 | 14),
        b'v' => name.len() == 3,
        b'h' => name.len() == 4,
        b'e' => name.len() == 6,
        b'm' => name.len() == 12,
        b'f' | b'k' | b'p' | b't' | b'u' | b'x' => true,
        _ => false,
    }
}

fn kind_of_short(name: &[u8]) -> FieldKind {
    match name {
        b"close" | b"connection" | b"content-length" | b"expect" | b"host" | b"keep-alive"
        | b"proxy" | b"te" | b"trailer" | b"transfer-encoding" | b"upgrade" => FieldKind::Hop,
        b"forwarded" | b"x-real-ip" => FieldKind::Forwarding,
        b"via" => FieldKind::Via,
        b"max-forwards" => FieldKind::MaxForwards,
        name => kind_of_long(name),
    }
}

fn kind_of_long(beginning: &[u8]) -> FieldKind {
    if beginning.starts_with(b"x-forwarded") {
        return FieldKind::Forwarding;
    }
    match beginning.starts_with(b"proxy-") {
        true => FieldKind::Hop,
        false => FieldKind::EndToEnd,
    }
}

/// The names that Connection lists, in lower case, in order.
pub(super) struct Nominated(Vec<String>);

impl Nominated {
    /// Allocates nothing if Connection only has what everybody sends.
    pub(super) fn of(fields: FieldsView<'_>) -> Self {
        let mut names = Vec::new();
        for value in fields.get_all("connection") {
            for name in value.split(|&byte| byte == b',') {
                let name = name.trim_ascii();
                let is_usual = [&b"keep-alive"[..], b"close", b"upgrade", b""]
                    .iter()
                    .any(|usual| name.eq_ignore_ascii_case(usual));
                if let Ok(name) = core::str::from_utf8(name)
                    && !is_usual
                {
                    names.push(name.to_ascii_lowercase());
                }
            }
        }
        names.sort_unstable();
        Nominated(names)
    }

    fn has(&self, name: &str) -> bool {
        !self.0.is_empty() && {
            let name = name.to_ascii_lowercase();
            self.0.binary_search(&name).is_ok()
        }
    }
}

/// Copies the fields of a head that are for every recipient. `other` says which of the others
/// are copied, too.
pub(super) fn copy_end_to_end(
    from: FieldsView<'_>,
    to: &mut Headers,
    other: impl Fn(FieldKind, &str) -> bool,
) {
    let nominated = Nominated::of(from);
    to.extend_from(from, |name| match kind_of(name) {
        FieldKind::EndToEnd => !nominated.has(name),
        kind => other(kind, name),
    });
}

/// Trailers that are passed on: none of those that frame, route or describe a message, or that are
/// secrets (RFC 9110, 6.5.1).
pub(super) fn is_trailer(name: &str) -> bool {
    const NONE: [&str; 13] = [
        "authorization",
        "cache-control",
        "content-encoding",
        "content-range",
        "content-type",
        "cookie",
        "date",
        "location",
        "max-forwards",
        "range",
        "set-cookie",
        "via",
        "www-authenticate",
    ];
    kind_of(name) == FieldKind::EndToEnd && !NONE.iter().any(|none| name.eq_ignore_ascii_case(none))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart_in_any_spelling() {
        for (name, kind) in [
            ("Accept", FieldKind::EndToEnd),
            ("X_Custom", FieldKind::EndToEnd),
            ("TE", FieldKind::Hop),
            ("Transfer_Encoding", FieldKind::Hop),
            ("content_length", FieldKind::Hop),
            ("Proxy", FieldKind::Hop),
            ("Proxy-Anything-That-Is-Very-Long", FieldKind::Hop),
            ("proxy_connection", FieldKind::Hop),
            ("Proximity", FieldKind::EndToEnd),
            ("X-Forwarded-For", FieldKind::Forwarding),
            ("X-Forwarded-Something-Very-Long", FieldKind::Forwarding),
            ("X_Forwarded-For", FieldKind::Hop),
            ("X-Forwarded_For", FieldKind::Hop),
            ("FORWARDED", FieldKind::Forwarding),
            ("x_real_ip", FieldKind::Hop),
            ("Via", FieldKind::Via),
            ("Max-Forwards", FieldKind::MaxForwards),
        ] {
            assert_eq!(kind_of(name), kind, "{name}");
        }
    }
}
