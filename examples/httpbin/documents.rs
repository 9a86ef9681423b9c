//! Pages that are always the same, or nearly so.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use diesel_driver::http1::{IntoResponse, Request, Response, Status};
use diesel_driver::web::{GzipEncoder, Html, Path, Router, get};
use serde_json::json;

use super::echo::About;
use super::redirects::found;
use super::{Count, Page, bad_request, pretty};

const HTML: &str = "\
<!DOCTYPE html>
<html lang=\"en\">
<head><meta charset=\"utf-8\"><title>Moby-Dick</title></head>
<body>
<h1>Herman Melville - Moby-Dick</h1>
<p>Call me Ishmael. Some years ago—never mind how long precisely—having little or no money in my
purse, and nothing particular to interest me on shore, I thought I would sail about a little and see
the watery part of the world.</p>
</body>
</html>
";

const UTF8: &str = "\
<!DOCTYPE html>
<meta charset=\"utf-8\"><title>UTF-8</title>
<h1>Unicode, encoded as UTF-8</h1>
<pre>
Latin     Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.
Greek     Ξεσκεπάζω τὴν ψυχοφθόρα βδελυγμία.
Cyrillic  Съешь же ещё этих мягких французских булок, да выпей чаю.
Hebrew    דג סקרן שט בים מאוכזב ולפתע מצא חברה.
Japanese  いろはにほへと ちりぬるを
Thai      เป็นมนุษย์สุดประเสริฐเลิศคุณค่า
Math      ∀x∈ℝ: ⌈x⌉ = −⌊−x⌋, α ∧ ¬β = ¬(¬α ∨ β), ∮ E⋅da = Q
Others    ⡌⠁⠧⠑ ⠼⠁⠒  ▉▊▋▌▍▎▏  🦭 👩‍🚀
</pre>
";

const XML: &str = "\
<?xml version=\"1.0\" encoding=\"utf-8\"?>
<slideshow title=\"Sample Slide Show\" author=\"Yours Truly\">
  <slide type=\"all\"><title>Overview</title><item>Why <em>sans-IO</em> is great</item></slide>
</slideshow>
";

const FORM: &str = "\
<!DOCTYPE html>
<html lang=\"en\">
<head><meta charset=\"utf-8\"><title>A form</title></head>
<body>
<form method=\"post\" action=\"/post\" enctype=\"multipart/form-data\">
<p><label>Name: <input name=\"name\"></label></p>
<p><label>E-mail: <input type=\"email\" name=\"email\"></label></p>
<p><label>Comment: <textarea name=\"comment\"></textarea></label></p>
<p><label>File: <input type=\"file\" name=\"file\"></label></p>
<p><button>Send</button></p>
</form>
</body>
</html>
";

const SVG: &str = "\
<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 16 16\" width=\"160\" height=\"160\">
<rect width=\"16\" height=\"16\" fill=\"#f4f1ea\"/>
<path d=\"M13.5 0v15M13 9.5a4.5 4.5 0 1 1-9 0 4.5 4.5 0 1 1 9 0\" fill=\"none\" stroke=\"#203a5c\" \
stroke-width=\"3\"/>
</svg>
";

const PNG: &[u8] = include_bytes!("d.png");

pub(super) fn pages() -> Router {
    Router::new()
        .route("/html", get(|| Html(HTML)))
        .route("/encoding/utf8", get(|| Html(UTF8)))
        .route("/forms/post", get(|| Html(FORM)))
        .route("/xml", get(|| Response::text(XML).content_type("application/xml")))
        .route("/json", get(slides))
        .route("/robots.txt", get(|| "User-agent: *\nDisallow: /deny\n"))
        .route("/deny", get(|| "You should not be here.\n"))
        .route("/image", get(image))
        .route("/image/png", get(png))
        .route("/image/svg", get(svg))
        .route("/gzip", get(gzip))
        .route("/deflate", get(deflate))
        .route("/uuid", get(uuid))
        .route("/base64/{text}", get(base64))
        .route("/links/{n}", get(|Path(Count(n)): Path<Count>| found(format!("/links/{n}/0"))))
        .route("/links/{n}/{offset}", get(links))
}

fn slides() -> Page {
    let overview = json!({
        "type": "all",
        "title": "Overview",
        "items": ["Why <em>sans-IO</em> is great", "Who <em>uses</em> it"],
    });
    Page(json!({ "slideshow": {
        "title": "Sample Slide Show",
        "author": "Yours Truly",
        "date": "date of publication",
        "slides": [{ "type": "all", "title": "Wake up!" }, overview],
    } }))
}

fn png() -> Response {
    Response::bytes(PNG).content_type("image/png")
}

fn svg() -> Response {
    Response::bytes(SVG).content_type("image/svg+xml")
}

/// The picture in a type that the client names, without regard to weights.
fn image(request: Request) -> Response {
    let names = |kind: &str| {
        request.header_str("Accept").unwrap_or("*/*").to_ascii_lowercase().contains(kind)
    };
    let response = match () {
        () if names("image/svg+xml") => svg(),
        () if ["image/png", "image/*", "*/*"].iter().any(|kind| names(kind)) => png(),
        () => {
            let accept = ["image/svg+xml", "image/png"];
            let message = "Client did not request a supported media type.";
            let page = Page(json!({ "message": message, "accept": accept }));
            page.into_response().status(Status::NOT_ACCEPTABLE)
        }
    };
    response.header("Vary", "Accept")
}

/// Whether the client accepts it or not.
fn gzip(about: About, request: Request) -> Response {
    let page = encoded(about, &request, "gzipped").into_response();
    page.header("Content-Encoding", "gzip").encode(GzipEncoder::new())
}

/// In the format of zlib, as RFC 9110, 8.4.1.2, has it.
fn deflate(about: About, request: Request) -> Response {
    const LEVEL: u8 = 6;
    let Page(page) = encoded(about, &request, "deflated");
    let zlib = miniz_oxide::deflate::compress_to_vec_zlib(pretty(&page).as_bytes(), LEVEL);
    let response = Response::bytes(zlib).content_type("application/json");
    response.header("Content-Encoding", "deflate")
}

fn encoded(about: About, request: &Request, how: &str) -> Page {
    let About { headers, origin, .. } = about;
    let method = request.method();
    Page(json!({ how: true, "headers": headers, "method": method, "origin": origin }))
}

/// A random one (RFC 9562, 5.4).
fn uuid(request: Request) -> Page {
    let mut bits = u128::from_be_bytes(request.ctx().random());
    bits = bits & !(0xf << 76) | 4 << 76;
    bits = bits & !(0b11 << 62) | 0b10 << 62;
    let digits = format!("{bits:032x}");
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    Page(json!({ "uuid": parts.join("-") }))
}

/// Either alphabet is accepted, with padding or without.
fn base64(Path(text): Path<String>) -> Response {
    let text = text.trim_end_matches('=');
    let bytes = URL_SAFE_NO_PAD.decode(text).or_else(|_| STANDARD_NO_PAD.decode(text));
    match bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok()) {
        Some(text) => Html(text).into_response(),
        None => bad_request("that is not the base64 of a text; try: SFRUUEJJTiBpcyBhd2Vzb21l"),
    }
}

/// A page with links to its siblings.
fn links(Path((Count(n), offset)): Path<(Count, usize)>) -> Html<String> {
    const MOST_LINKS: usize = 200;
    let n = n.clamp(1, MOST_LINKS);
    let link = |at| match at == offset {
        true => format!("{at} "),
        false => format!("<a href='/links/{n}/{at}'>{at}</a> "),
    };
    let links: String = (0..n).map(link).collect();
    Html(format!("<html><head><title>Links</title></head><body>{links}</body></html>"))
}
