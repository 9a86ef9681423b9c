//! The status codes, field names and protocols that commands are made of.

pub(super) const STATUSES: [u16; 16] =
    [200, 201, 204, 205, 206, 304, 400, 404, 413, 426, 500, 503, 299, 100, 101, 103];
pub(super) const NAMES: [&str; 12] = [
    "A",
    "Content-Type",
    "Date",
    "Upgrade",
    "Connection",
    "content-length",
    "Transfer-Encoding",
    "te",
    "Keep-Alive",
    "X\r\nY",
    "",
    "Set-Cookie",
];
pub(super) const PROTOCOLS: [&str; 6] =
    ["websocket", "h2c", "", "x\r\nA: 1", "websocket, h2c", "WEBSOCKET"];
