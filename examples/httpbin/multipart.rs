//! Forms with files: `multipart/form-data` (RFC 7578).

use std::convert::Infallible;

use bytes::Bytes;
use diesel_driver::web::Rejection;
use multer::Multipart;

/// A field of a form, or a file.
pub(super) struct Part {
    pub(super) name: String,
    pub(super) is_file: bool,
    pub(super) content_type: String,
    pub(super) content: Bytes,
}

/// All parts of a body that is in memory. (`multer` wants a stream that is `Send`, which a body is
/// not while it arrives; its bytes are.)
///
/// # Errors
///
/// If the body, or its type, is not that of a form with files.
pub(super) async fn parts(content_type: &str, body: Vec<u8>) -> Result<Vec<Part>, Rejection> {
    let boundary = multer::parse_boundary(content_type).map_err(rejected)?;
    let body = futures_util::stream::iter([Ok::<_, Infallible>(Bytes::from(body))]);
    let mut multipart = Multipart::new(body, boundary);
    let mut parts = Vec::new();
    while let Some(field) = multipart.next_field().await.map_err(rejected)? {
        parts.push(Part {
            name: field.name().unwrap_or_default().into(),
            is_file: field.file_name().is_some(),
            content_type: match field.content_type() {
                Some(kind) => kind.to_string(),
                None => "application/octet-stream".into(),
            },
            content: field.bytes().await.map_err(rejected)?,
        });
    }
    Ok(parts)
}

fn rejected(error: multer::Error) -> Rejection {
    Rejection::Syntax { fault: error.to_string().into() }
}
