//! What decoding a chunked body costs, beside http-net's decoder and one copy of the same bytes.
//!
//! `cargo bench -p diesel-proto --bench chunked`

use diesel_proto::http1::{ChunkedDecoder, Decoded, Limits};
use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use http_net::ChunkStep;

fn main() {
    divan::main();
}

/// How much data there is.
const LEN: usize = 1 << 20;
const CHUNKS: [usize; 4] = [16, 256, 4096, 64 << 10];
/// How much a driver reads at once.
const READ: usize = 64 << 10;

fn body(chunk: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..LEN / chunk {
        bytes.extend_from_slice(format!("{chunk:x}\r\n").as_bytes());
        bytes.resize(bytes.len() + chunk, b'x');
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

mod whole {
    use super::*;

    #[divan::bench(args = CHUNKS)]
    fn copied_once(bencher: Bencher<'_, '_>, chunk: usize) {
        let bytes = body(chunk);
        let mut copy = vec![0; bytes.len()];
        bencher
            .counter(BytesCount::new(LEN))
            .bench_local(|| black_box(&mut copy).copy_from_slice(black_box(&bytes)));
    }

    #[divan::bench(args = CHUNKS)]
    fn decoded(bencher: Bencher<'_, '_>, chunk: usize) {
        let bytes = body(chunk);
        bencher.counter(BytesCount::new(LEN)).bench_local(|| {
            let mut decoder = ChunkedDecoder::new(&Limits::default());
            decode(&mut decoder, black_box(&bytes))
        });
    }

    #[divan::bench(args = CHUNKS)]
    fn decoded_by_http_net(bencher: Bencher<'_, '_>, chunk: usize) {
        let bytes = body(chunk);
        bencher.counter(BytesCount::new(LEN)).bench_local(|| {
            let mut decoder = http_net::ChunkedDecoder::new(&http_net::Limits::new());
            decode_by_http_net(&mut decoder, black_box(&bytes))
        });
    }
}

/// As it is read from a socket: cut anywhere.
mod in_pieces_of_64_kib {
    use super::*;

    #[divan::bench(args = CHUNKS)]
    fn decoded(bencher: Bencher<'_, '_>, chunk: usize) {
        let bytes = body(chunk);
        bencher.counter(BytesCount::new(LEN)).bench_local(|| {
            let mut decoder = ChunkedDecoder::new(&Limits::default());
            let pieces = black_box(&bytes).chunks(READ);
            pieces.map(|piece| decode(&mut decoder, piece)).sum::<usize>()
        });
    }
}

/// Whatever comes of each piece is looked at, but not touched.
fn decode(decoder: &mut ChunkedDecoder, mut bytes: &[u8]) -> usize {
    let mut len = 0;
    loop {
        let (taken, decoded) = decoder.decode(bytes).expect("it is right");
        bytes = &bytes[taken..];
        match decoded {
            Decoded::Data(data) => len += black_box(data).len(),
            Decoded::Incomplete | Decoded::End => return len,
        }
    }
}

fn decode_by_http_net(decoder: &mut http_net::ChunkedDecoder, mut bytes: &[u8]) -> usize {
    let mut len = 0;
    loop {
        match decoder.decode(bytes, false).expect("it is right") {
            ChunkStep::Data { skip, len: n } => {
                len += black_box(&bytes[skip..skip + n]).len();
                bytes = &bytes[skip + n..];
            }
            _ => return len,
        }
    }
}
