//! The path of a request, as names of files.
//!
//! Rules of this file:
//!
//! - A path is decoded once, and name by name: an encoded slash never separates names.
//! - What two programs could read in two ways is refused: empty names, `.` and `..`, NUL, a percent
//!   sign that encodes nothing.
//!
//! It must never know which files there are. (Opening a file checks that it is in the directory.)

use alloc::borrow::Cow;
use alloc::vec::Vec;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

/// What is encoded in a name: all but the characters that need not be (RFC 3986, 2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The names in the path of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FilePath<'a> {
    names: Vec<Cow<'a, [u8]>>,
    /// The path ends with a slash.
    pub(super) is_directory: bool,
}

/// Why a path names no file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PathError {
    /// It breaks the syntax.
    Invalid,
    /// No file can have it.
    NotFound,
}

impl<'a> FilePath<'a> {
    /// Parses a path that begins with a slash, or is empty.
    pub(super) fn new(path: &'a str) -> Result<Self, PathError> {
        let path = path.strip_prefix('/').unwrap_or(path);
        let (path, is_directory) = match path.strip_suffix('/') {
            Some("") => return Err(PathError::NotFound),
            Some(rest) => (rest, true),
            None => (path, path.is_empty()),
        };
        let names = match path.is_empty() {
            true => Vec::new(),
            false => path.split('/').map(decode).collect::<Result<_, _>>()?,
        };
        Ok(FilePath { names, is_directory })
    }

    /// Whether a name begins with a dot. Well-known files are not meant (RFC 8615).
    pub(super) fn is_hidden(&self) -> bool {
        let well_known = self.names.first().is_some_and(|name| **name == *b".well-known");
        self.names.iter().skip(usize::from(well_known)).any(|name| name.starts_with(b"."))
    }

    /// The path of this file, or of `name` in this directory.
    pub(super) fn join(&self, name: &[u8]) -> Vec<u8> {
        let mut path = self.names.join(&b'/');
        if !name.is_empty() && !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        path
    }

    /// The last name.
    pub(super) fn name(&self) -> &[u8] {
        self.names.last().map_or(b"", |name| name)
    }
}

/// Encodes one name for a path, in one spelling only: it is safe in a field and in HTML, and no client
/// takes a part of it for a separator or for another host.
pub(super) fn encode(name: &[u8]) -> impl Iterator<Item = &str> {
    percent_encode(name, ENCODED)
}

fn decode(name: &str) -> Result<Cow<'_, [u8]>, PathError> {
    let mut rest = name.as_bytes();
    while let Some(at) = rest.iter().position(|byte| *byte == b'%') {
        let digits = rest.get(at + 1..at + 3).ok_or(PathError::Invalid)?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(PathError::Invalid);
        }
        rest = &rest[at + 3..];
    }
    let decoded = Cow::from(percent_decode_str(name));
    match &*decoded {
        b"" | b"." | b".." => Err(PathError::NotFound),
        name if name.contains(&0) => Err(PathError::Invalid),
        name if name.contains(&b'/') => Err(PathError::NotFound),
        _ => Ok(decoded),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::String;

    #[test]
    fn a_path_is_decoded_name_by_name() {
        for (path, joined, is_directory) in [
            ("/", &b""[..], true),
            ("", b"", true),
            ("/a", b"a", false),
            ("/a/", b"a", true),
            ("/a/b%20c/%C3%A9", "a/b c/\u{e9}".as_bytes(), false),
            ("/%ff", b"\xff", false),
            ("/%2e%2e%2e", b"...", false),
            ("/a+b;c=d", b"a+b;c=d", false),
            ("/%5c..%5c", b"\\..\\", false),
        ] {
            let parsed = FilePath::new(path).unwrap();
            assert_eq!(
                (&parsed.join(b"")[..], parsed.is_directory),
                (joined, is_directory),
                "{path}"
            );
        }
        let path = FilePath::new("/a/").unwrap();
        assert_eq!((path.join(b"i"), path.name()), (b"a/i".to_vec(), &b"a"[..]));
        assert_eq!(FilePath::new("/").unwrap().join(b"i"), b"i");
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        for path in [
            "//",
            "//a",
            "/a//b",
            "/a//",
            "/.",
            "/..",
            "/../a",
            "/a/..",
            "/a/./b",
            "/%2e%2e/a",
            "/.%2E",
            "/%2e",
            "/a%2fb",
            "/..%2f..%2fetc",
            "/%2f",
        ] {
            assert_eq!(FilePath::new(path), Err(PathError::NotFound), "{path}");
        }
        for path in ["/%", "/%1", "/%zz", "/%00", "/a%00.html", "/a/%", "/%%20", "/%2\u{e9}"] {
            assert_eq!(FilePath::new(path), Err(PathError::Invalid), "{path}");
        }
    }

    #[test]
    fn dot_files_are_hidden_except_well_known_ones() {
        for hidden in ["/.git", "/.git/config", "/a/.b", "/a/.b/", "/.well-known/.a", "/%2egit"] {
            assert!(FilePath::new(hidden).unwrap().is_hidden(), "{hidden}");
        }
        for shown in ["/", "/a", "/a.b", "/.well-known/acme", "/.well-known"] {
            assert!(!FilePath::new(shown).unwrap().is_hidden(), "{shown}");
        }
        assert!(FilePath::new("/a/.well-known").unwrap().is_hidden());
    }

    #[test]
    fn a_name_has_one_encoded_spelling() {
        for (name, encoded) in [
            (&b"a b"[..], "a%20b"),
            (b"\\evil.example", "%5Cevil.example"),
            (b"<\">:'", "%3C%22%3E%3A%27"),
            (b"A-._~\xff", "A-._~%FF"),
        ] {
            assert_eq!(encode(name).collect::<String>(), encoded);
        }
    }

    /// Every byte in every place of two: a decoded name never has a separator, and encoding it gives
    /// the same name again.
    #[test]
    fn each_byte_is_either_refused_or_kept() {
        for byte in 0..=255_u8 {
            for path in
                [format!("/%{byte:02x}"), format!("/a%{byte:02x}"), format!("/%{byte:02X}b")]
            {
                match FilePath::new(&path) {
                    Err(_) => assert!(matches!(byte, 0 | b'/' | b'.')),
                    Ok(parsed) => {
                        let encoded: String = encode(parsed.name()).collect();
                        let again = FilePath::new(&encoded).unwrap();
                        assert_eq!(again.names, parsed.names);
                        assert!(parsed.name().contains(&byte) && !parsed.name().contains(&b'/'));
                    }
                }
            }
        }
    }
}
