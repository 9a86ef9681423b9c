//! Each input is read whole, byte by byte, and at every two-way cut. `tests/chunked.rs` has random
//! inputs, and a comparison with another decoder.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// After this many bytes.
    End(usize),
    Incomplete,
    Refused(Rule, u64),
}
use Verdict::*;

fn default(text: &str) -> (String, Verdict) {
    decode(text, &Limits::default())
}

fn decode(text: &str, limits: &Limits) -> (String, Verdict) {
    let bytes = text.as_bytes();
    let (data, verdict) = decode_pieces([bytes], limits);
    let expected = (&data, verdict);
    for at in 0..=bytes.len() {
        let (data, verdict) = decode_pieces([&bytes[..at], &bytes[at..]], limits);
        assert_eq!((&data, verdict), expected, "{text:?} cut at {at}");
    }
    let (data, verdict) = decode_pieces(bytes.chunks(1), limits);
    assert_eq!((&data, verdict), expected, "{text:?} byte by byte");
    (String::from_utf8(data).unwrap(), verdict)
}

fn decode_pieces<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    limits: &Limits,
) -> (Vec<u8>, Verdict) {
    let mut decoder = ChunkedDecoder::new(limits);
    let mut data = Vec::new();
    for mut piece in pieces {
        loop {
            let before = decoder.taken();
            let (taken, decoded) = match decoder.decode(piece) {
                Ok(decoded) => decoded,
                Err(rejection) => {
                    assert_eq!(decoder.decode(b""), Err(rejection), "the same again");
                    assert_eq!(decoder.decode(b"0\r\n"), Err(rejection), "the same again");
                    return (data, Refused(rejection.rule, rejection.offset));
                }
            };
            assert_eq!(decoder.taken(), before + taken as u64);
            let (front, rest) = piece.split_at(taken);
            piece = rest;
            match decoded {
                Decoded::Data(some) => {
                    assert!(!some.is_empty());
                    assert_eq!(front[taken - some.len()..].as_ptr_range(), some.as_ptr_range());
                    data.extend_from_slice(some);
                }
                Decoded::Incomplete => {
                    assert!(rest.is_empty() && !decoder.is_ended());
                    break;
                }
                Decoded::End => {
                    assert!(decoder.is_ended());
                    assert_eq!(decoder.decode(b"5\r\n"), Ok((0, Decoded::End)), "nothing more");
                    return (data, End(decoder.taken() as usize));
                }
            }
        }
    }
    (data, Incomplete)
}

#[test]
fn data_is_what_is_between_the_framing() {
    for (text, data) in [
        ("0\r\n", ""),
        ("5\r\nhello\r\n6\r\n world\r\n000\r\n", "hello world"),
        ("a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n", "01234567890123456789"),
        ("1e\r\nall your base are belong to us\r\n0\r\n", "all your base are belong to us"),
        ("0005\r\nhello\r\n0\r\n", "hello"),
        ("000000005\r\nhello\r\n0000000000\r\n", "hello"),
        ("4\r\n\r\n\r\n\r\n3\r\n0\r\n\r\n0\r\n", "\r\n\r\n0\r\n"),
        ("2\r\n\n\n\r\n0\r\n", "\n\n"),
    ] {
        assert_eq!(default(text), (data.into(), End(text.len())), "{text:?}");
        let followed = format!("{text}Digest: x\r\n\r\nGET /");
        assert_eq!(default(&followed), (data.into(), End(text.len())), "{followed:?}");
    }
}

#[test]
fn extensions_are_skipped() {
    for extension in [
        "",
        ";a",
        ";a=b",
        ";a=b;c=d;e",
        ";!#$%&'*+-.^_`|~09=!#$%&'*+-.^_`|~09",
        " ; a = b",
        "\t;\ta\t=\tb \t ; c",
        "; some; parameters=stuff",
        ";a=\"\"",
        ";a=\"b c\";d",
        ";a = \"b\" ; c",
        ";a=\"I \\\"love\\\"; \\\\extensions\\\\\t\u{e9}\\\u{e9}\";b=c",
        ";a=\"\\\t\\ \\~\"",
    ] {
        let text = format!("5{extension}\r\nhello\r\n0{extension}\r\n");
        assert_eq!(default(&text), ("hello".into(), End(text.len())), "{text:?}");
    }
}

#[test]
fn what_has_not_come_is_waited_for() {
    for (text, data) in [
        ("", ""),
        ("5", ""),
        ("5\r", ""),
        ("5\r\n", ""),
        ("5\r\nhel", "hel"),
        ("5\r\nhello", "hello"),
        ("5\r\nhello\r", "hello"),
        ("5\r\nhello\r\n", "hello"),
        ("5\r\nhello\r\n0", "hello"),
        ("5\r\nhello\r\n0\r", "hello"),
        ("5 ", ""),
        ("5;", ""),
        ("5;a=\"b\r", ""),
    ] {
        assert_eq!(default(text), (data.into(), Incomplete), "{text:?}");
    }
}

#[test]
fn the_first_wrong_byte_is_named() {
    use Rule::*;
    for (text, rule, at) in [
        ("\r\n", ChunkSizeSyntax, 0),
        ("\n", ChunkSizeSyntax, 0),
        (" 5\r\n", ChunkSizeSyntax, 0),
        ("\t5\r\n", ChunkSizeSyntax, 0),
        (";a\r\n", ChunkSizeSyntax, 0),
        (" ;a\r\n", ChunkSizeSyntax, 0),
        ("-5\r\n", ChunkSizeSyntax, 0),
        ("+5\r\n", ChunkSizeSyntax, 0),
        ("x5\r\n", ChunkSizeSyntax, 0),
        ("g\r\n", ChunkSizeSyntax, 0),
        ("0x5\r\n", ChunkSizeSyntax, 1),
        ("6_0\r\n", ChunkSizeSyntax, 1),
        ("5h\r\n", ChunkSizeSyntax, 1),
        ("5,5\r\n", ChunkSizeSyntax, 1),
        ("5.0\r\n", ChunkSizeSyntax, 1),
        ("5\0\r\n", ChunkSizeSyntax, 1),
        ("5\u{663}\r\n", ChunkSizeSyntax, 1),
        ("00000000g\r\n", ChunkSizeSyntax, 8),
        // Line ends.
        ("5\n", ChunkLineEnd, 1),
        ("5 \n", ChunkLineEnd, 2),
        ("5;\n", ChunkLineEnd, 2),
        ("5;a\n", ChunkLineEnd, 3),
        ("5;a=\n", ChunkLineEnd, 4),
        ("5;a=\"\n", ChunkLineEnd, 5),
        ("5;a=\"\\\n", ChunkLineEnd, 6),
        ("5;a=\"\"\n", ChunkLineEnd, 6),
        ("5\r\r\n", BareCr, 1),
        ("5\rhello", BareCr, 1),
        ("5;a\rb\r\n", BareCr, 3),
        ("5;a=b\rc\r\n", BareCr, 5),
        ("5;a=\"b\rc\"\r\n", BareCr, 6),
        ("5;a=\"\\\rc\"\r\n", BareCr, 6),
        ("5;\r;\r\n", BareCr, 2),
        // Extensions.
        ("5 \r\n", ChunkExtensionSyntax, 2),
        ("5\t\r\n", ChunkExtensionSyntax, 2),
        ("5 5\r\n", ChunkExtensionSyntax, 2),
        ("5 =b\r\n", ChunkExtensionSyntax, 2),
        ("5;\r\n", ChunkExtensionSyntax, 2),
        ("5; \r\n", ChunkExtensionSyntax, 3),
        ("5;;a\r\n", ChunkExtensionSyntax, 2),
        ("5;=b\r\n", ChunkExtensionSyntax, 2),
        ("5;\"a\"\r\n", ChunkExtensionSyntax, 2),
        ("5;a \r\n", ChunkExtensionSyntax, 4),
        ("5;a b\r\n", ChunkExtensionSyntax, 4),
        ("5;a\"b\"\r\n", ChunkExtensionSyntax, 3),
        ("5;a=\r\n", ChunkExtensionSyntax, 4),
        ("5;a=;b\r\n", ChunkExtensionSyntax, 4),
        ("5;a==b\r\n", ChunkExtensionSyntax, 4),
        ("5;a=b=c\r\n", ChunkExtensionSyntax, 5),
        ("5;a=b \r\n", ChunkExtensionSyntax, 6),
        ("5;a=b c\r\n", ChunkExtensionSyntax, 6),
        ("5;a=b\"c\"\r\n", ChunkExtensionSyntax, 5),
        ("5;a=\"b\r\n", ChunkExtensionSyntax, 6),
        ("5;a=\"\\\r\n", ChunkExtensionSyntax, 6),
        ("5;a=\"b\" \r\n", ChunkExtensionSyntax, 8),
        ("5;a=\"b\"c\r\n", ChunkExtensionSyntax, 7),
        ("5;a=\"b\"=c\r\n", ChunkExtensionSyntax, 7),
        ("5;a=\"b\"\"c\"\r\n", ChunkExtensionSyntax, 7),
        ("5;a=\"\0\"\r\n", ChunkExtensionSyntax, 5),
        ("5;a=\"\\\0\"\r\n", ChunkExtensionSyntax, 6),
        ("5;a=\"\x7f\"\r\n", ChunkExtensionSyntax, 5),
        ("5;a\0\r\n", ChunkExtensionSyntax, 3),
        ("5;a=b\x0b\r\n", ChunkExtensionSyntax, 5),
        ("5;\u{e9}\r\n", ChunkExtensionSyntax, 2),
    ] {
        assert_eq!(default(text), ("".into(), Refused(rule, at)), "{text:?}");
        // The result is the same after another chunk.
        let later = format!("3\r\nabc\r\n{text}");
        assert_eq!(default(&later), ("abc".into(), Refused(rule, at + 8)), "{later:?}");
    }
}

#[test]
fn behind_data_there_is_a_line_end() {
    for (text, at) in [
        ("3\r\nabcd\r\n", 6),
        ("3\r\nabc0\r\n", 6),
        ("3\r\nabc\n0\r\n", 6),
        ("3\r\nabc\r0\r\n", 7),
        ("3\r\nabc\r\r\n", 7),
        ("3\r\nabc \r\n", 6),
    ] {
        assert_eq!(default(text), ("abc".into(), Refused(Rule::ChunkDataEnd, at)), "{text:?}");
    }
}

#[test]
fn a_size_has_to_fit() {
    let limits = Limits { body: u64::MAX, ..Limits::default() };
    let (_, verdict) = decode("ffffffffffffffff\r\nabc", &limits);
    assert_eq!(verdict, Incomplete);
    let (_, verdict) = decode("0000ffffFFFFffffFFFF\r\nabc", &limits);
    assert_eq!(verdict, Incomplete);
    for (text, at) in [("10000000000000000\r\n", 16), ("000ffffffffffffffff0", 19)] {
        let refused = Refused(Rule::ChunkSizeOverflow, at);
        assert_eq!(decode(text, &limits).1, refused, "{text:?}");
        assert_eq!(default(text).1, refused, "{text:?}");
    }
    // The sum must not overflow, either.
    let (data, verdict) = decode("1\r\na\r\nffffffffffffffff\r\n", &limits);
    assert_eq!((data.as_str(), verdict), ("a", Refused(Rule::BodyTooLarge, 6)));
}

#[test]
fn zeros_come_to_an_end() {
    let most = usize::from(MAX_DIGITS);
    let text = format!("{}5\r\nhello\r\n{}\r\n", "0".repeat(most - 1), "0".repeat(most));
    assert_eq!(default(&text), ("hello".into(), End(text.len())));
    let refused = Refused(Rule::ChunkSizeOverflow, most as u64);
    assert_eq!(default(&"0".repeat(most + 1)).1, refused);
    assert_eq!(default(&format!("{}5\r\n", "0".repeat(most))).1, refused);
}

#[test]
fn a_body_that_is_too_large_is_refused_at_the_size_that_says_so() {
    let limits = Limits { body: 10, ..Limits::default() };
    for (text, data, verdict) in [
        ("a\r\n0123456789\r\n0\r\n", "0123456789", End(18)),
        ("a\r\n0123456789\r\n1\r\n", "0123456789", Refused(Rule::BodyTooLarge, 15)),
        ("5\r\nabcde\r\n5\r\nabcde\r\n0\r\n", "abcdeabcde", End(23)),
        ("5\r\nabcde\r\n6\r\nabcdef\r\n0\r\n", "abcde", Refused(Rule::BodyTooLarge, 10)),
        ("b\r\n", "", Refused(Rule::BodyTooLarge, 0)),
        ("1;a\r\nx\r\n000b;a\r\n", "x", Refused(Rule::BodyTooLarge, 8)),
        // The size was too large before the invalid byte.
        ("bx", "", Refused(Rule::BodyTooLarge, 0)),
        ("b\n", "", Refused(Rule::BodyTooLarge, 0)),
        // More digits may follow, so the size is not known yet.
        ("b", "", Incomplete),
        ("fffffffffffffffff", "", Refused(Rule::ChunkSizeOverflow, 16)),
    ] {
        assert_eq!(decode(text, &limits), (data.into(), verdict), "{text:?}");
    }
    let none = Limits { body: 0, ..limits };
    assert_eq!(decode("0\r\n", &none).1, End(3));
    assert_eq!(decode("1\r\n", &none).1, Refused(Rule::BodyTooLarge, 0));
}

#[test]
fn the_limit_of_a_body_can_be_set_while_it_comes() {
    let mut decoder = ChunkedDecoder::new(&Limits { body: 5, ..Limits::default() });
    assert_eq!(decoder.decode(b"5\r\nabcde"), Ok((8, Decoded::Data(b"abcde"))));
    decoder.set_body_limit(7);
    assert_eq!(decoder.decode(b"\r\n2\r\nfg"), Ok((7, Decoded::Data(b"fg"))));
    // The size that was declared before may exceed a limit that was set since.
    decoder.set_body_limit(1);
    let mut ended = decoder.clone();
    assert_eq!(ended.decode(b"\r\n0\r\n"), Ok((5, Decoded::End)));
    let refused = Err(Rejection::new(Rule::BodyTooLarge, 17));
    assert_eq!(decoder.decode(b"\r\n1\r\n"), refused);
    decoder.set_body_limit(100);
    assert_eq!(decoder.decode(b"\r\n1\r\n"), refused);
}

#[test]
fn extensions_are_bounded_for_the_whole_body() {
    let limits = Limits { chunk_extensions: 8, ..Limits::default() };
    let refused = |at| Refused(Rule::ChunkExtensionsTooLarge, at);
    for (text, verdict) in [
        ("0;a=bcdef\r\n", End(11)),
        ("0 ; a = b\r\n", End(11)),
        ("0;a=\"\\cd\"\r\n", End(11)),
        ("0;a=bcdefg\r\n", refused(9)),
        ("0 ; a  = b\r\n", refused(9)),
        ("0;a=\"bcde\"\r\n", refused(9)),
        ("0         ;", refused(9)),
        ("1;a=b\r\nx\r\n0;a=b\r\n", End(17)),
        ("1;a=b\r\nx\r\n0;a=bc\r\n", refused(15)),
        // The line end does not count as an extension, nor does an invalid byte.
        ("0;a=bcdef\n", Refused(Rule::ChunkLineEnd, 9)),
        ("0;a=bcdef\rx", Refused(Rule::BareCr, 9)),
        // Nothing beyond the limit is examined.
        ("0;a=bcdef\0\r\n", refused(9)),
    ] {
        assert_eq!(decode(text, &limits).1, verdict, "{text:?}");
    }
    let none = Limits { chunk_extensions: 0, ..limits };
    assert_eq!(decode("0\r\n", &none).1, End(3));
    assert_eq!(decode("0;a\r\n", &none).1, refused(1));
    assert_eq!(decode("0 ;a\r\n", &none).1, refused(1));
    assert_eq!(decode("0_\r\n", &none).1, Refused(Rule::ChunkSizeSyntax, 1));
    assert_eq!(decode(";a\r\n", &none).1, Refused(Rule::ChunkSizeSyntax, 0));
}

#[test]
fn it_is_small_and_send() {
    fn is_send<T: Send>() {}
    is_send::<ChunkedDecoder>();
    assert!(size_of::<ChunkedDecoder>() <= 48);
}

#[test]
fn a_size_line_of_our_own_is_what_the_decoder_reads() {
    let lens = (0..64).flat_map(|shift| {
        let len = 1u64 << shift;
        [len - 1, len, len + 1]
    });
    for len in lens.chain([u64::MAX]).filter(|&len| len > 0) {
        let head = chunk_head(len);
        assert_eq!(*head, *format!("{len:x}\r\n").as_bytes());
        let mut decoder = ChunkedDecoder::new(&Limits { body: u64::MAX, ..Limits::default() });
        assert_eq!(decoder.decode(&head), Ok((head.len(), Decoded::Incomplete)));
        assert_eq!(decoder.left, len);
    }
    assert!(chunk_head(0).is_empty(), "an empty chunk would end the body");
    assert_eq!(format!("{:?}", chunk_head(16)), r#"ChunkHead("10\r\n")"#);
}
