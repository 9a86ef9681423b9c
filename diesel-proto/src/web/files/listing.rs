//! The page that lists a directory.
//!
//! Rules of this file: names are untrusted. In text they are escaped for HTML, in links encoded for
//! URLs.
//!
//! It must never know who may see what.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write as _};

use super::path::encode;
use crate::http1::HttpDate;
use crate::machine::{DirEntry, EntryKind};

/// The page for these entries of the directory at this path. Directories come first.
pub(super) fn page(path: &str, is_root: bool, entries: &[DirEntry]) -> String {
    let mut ordered: Vec<&DirEntry> = entries.iter().collect();
    ordered.sort_by_key(|entry| (entry.kind != EntryKind::Directory, &entry.name));
    let mut page = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut page, path, is_root, &ordered);
    page
}

fn write(page: &mut String, path: &str, is_root: bool, entries: &[&DirEntry]) -> fmt::Result {
    let path = Escaped(path);
    write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{path}</title>\n\
         <style>body{{font-family:sans-serif;margin:2em}}td{{padding:.1em 1em .1em 0}}\
         td.n{{text-align:right}}</style>\n<h1>{path}</h1>\n<table>\n"
    )?;
    if !is_root {
        page.push_str("<tr><td><a href=\"../\">../</a><td><td>\n");
    }
    for entry in entries {
        let slash = if entry.kind == EntryKind::Directory { "/" } else { "" };
        // A name with a colon would be taken for a scheme without the first two characters.
        page.push_str("<tr><td><a href=\"./");
        page.extend(encode(&entry.name));
        let name = String::from_utf8_lossy(&entry.name);
        write!(page, "{slash}\">{}{slash}</a>", Escaped(&name))?;
        match entry.kind {
            EntryKind::File => write!(page, "<td class=\"n\">{}", entry.len)?,
            _ => page.push_str("<td>"),
        }
        match u64::try_from(entry.modified.seconds) {
            Ok(seconds) => writeln!(page, "<td>{}", HttpDate::from_unix(seconds))?,
            Err(_) => page.push_str("<td>\n"),
        }
    }
    page.push_str("</table>\n</html>\n");
    Ok(())
}

/// Text, escaped for HTML, in an element or in a quoted attribute.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c if c.is_control() => f.write_str("\u{fffd}")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::FileTime;

    fn entry(name: &[u8], kind: EntryKind) -> DirEntry {
        let modified = FileTime { seconds: 784_111_777, nanoseconds: 0 };
        DirEntry { name: name.into(), kind, len: 12, modified }
    }

    #[test]
    fn names_are_escaped_in_text_and_encoded_in_links() {
        let hostile = b"\"><script>alert('&')</script>\n\xff";
        let page = page("/<a>/", false, &[entry(hostile, EntryKind::File)]);
        assert!(page.contains(
            "<a href=\"./%22%3E%3Cscript%3Ealert%28%27%26%27%29%3C%2Fscript%3E%0A%FF\">\
             &quot;&gt;&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;\u{fffd}\u{fffd}</a>"
        ));
        assert!(page.contains("<h1>/&lt;a&gt;/</h1>") && page.contains("href=\"../\""));
        assert!(!page.contains("<script") && !page.contains("<a>"));
    }

    #[test]
    fn directories_come_first_and_only_files_have_a_length() {
        let entries = [
            entry(b"a", EntryKind::File),
            entry(b"z", EntryKind::Directory),
            entry(b"javascript:b", EntryKind::File),
        ];
        let page = page("/", true, &entries);
        let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("<tr>")).collect();
        assert_eq!(
            rows,
            [
                "<tr><td><a href=\"./z/\">z/</a><td><td>Sun, 06 Nov 1994 08:49:37 GMT",
                "<tr><td><a href=\"./a\">a</a><td class=\"n\">12<td>Sun, 06 Nov 1994 08:49:37 GMT",
                "<tr><td><a href=\"./javascript%3Ab\">javascript:b</a><td class=\"n\">12<td>Sun, 06 Nov 1994 08:49:37 GMT",
            ]
        );
    }
}
