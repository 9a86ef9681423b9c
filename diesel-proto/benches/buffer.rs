//! What a search costs over memchr on the same bytes, and from where on it pays to queue bytes by
//! reference.
//!
//! `cargo bench -p diesel-proto --bench buffer`

use diesel_proto::{Blocks, Buffer, Pipeline};
use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use memchr::memmem;
use std::rc::Rc;

fn main() {
    divan::main();
}

const LEN: usize = 1 << 20;

/// 1 MiB with the sentinel at its very end.
fn one_line() -> Vec<u8> {
    let mut bytes = vec![b'x'; LEN];
    bytes[LEN - 2..].copy_from_slice(b"\r\n");
    bytes
}

/// 1 MiB of lines of 64 bytes.
fn lines() -> Vec<u8> {
    let mut line = [b'x'; 64];
    line[62..].copy_from_slice(b"\r\n");
    line.repeat(LEN / 64)
}

mod one_line_of_1_mib {
    use super::*;

    #[divan::bench]
    fn memmem_alone(bencher: Bencher<'_, '_>) {
        let bytes = one_line();
        bencher
            .counter(BytesCount::new(LEN))
            .bench_local(|| memmem::find(black_box(&bytes), black_box(b"\r\n")));
    }

    #[divan::bench]
    fn buffer(bencher: Bencher<'_, '_>) {
        let mut blocks = Blocks::new();
        let bytes = one_line();
        bencher
            .counter(BytesCount::new(LEN))
            .with_inputs(|| {
                let mut buffer: Buffer = Buffer::new();
                buffer.push(&bytes, &mut blocks);
                buffer
            })
            .bench_local_refs(|buffer| buffer.find(black_box(b"\r\n"), usize::MAX));
    }
}

/// Each line is found and passed over, nothing else.
mod lines_of_64_bytes_in_1_mib {
    use super::*;

    #[divan::bench]
    fn memmem_anew_for_each_line(bencher: Bencher<'_, '_>) {
        let bytes = lines();
        bencher.counter(BytesCount::new(LEN)).bench_local(|| {
            let (mut rest, mut found) = (black_box(&bytes[..]), 0);
            while let Some(at) = memmem::find(rest, black_box(b"\r\n")) {
                rest = &rest[at + 2..];
                found += 1;
            }
            found
        });
    }

    #[divan::bench]
    fn memmem_finder_made_once(bencher: Bencher<'_, '_>) {
        let bytes = lines();
        bencher.counter(BytesCount::new(LEN)).bench_local(|| {
            let finder = memmem::Finder::new(black_box(b"\r\n"));
            let (mut rest, mut found) = (black_box(&bytes[..]), 0);
            while let Some(at) = finder.find(rest) {
                rest = &rest[at + 2..];
                found += 1;
            }
            found
        });
    }

    #[divan::bench]
    fn buffer(bencher: Bencher<'_, '_>) {
        let mut blocks = Blocks::new();
        let mut other_blocks = Blocks::new();
        let bytes = lines();
        bencher
            .counter(BytesCount::new(LEN))
            .with_inputs(|| {
                let mut buffer: Buffer = Buffer::new();
                buffer.push(&bytes, &mut blocks);
                buffer
            })
            .bench_local_refs(|buffer| {
                let mut found = 0;
                while let Ok(Some(n)) = buffer.find(black_box(b"\r\n"), usize::MAX) {
                    buffer.consume(n, &mut other_blocks);
                    found += 1;
                }
                found
            });
    }
}

/// A line of 64 bytes that arrives whole: pushed, found, taken, dropped.
#[divan::bench]
fn echo_of_a_line(bencher: Bencher<'_, '_>) {
    let mut blocks = Blocks::new();
    let mut buffer: Buffer<Rc<Vec<u8>>> = Buffer::new();
    let line = &lines()[..64];
    bencher.bench_local(|| {
        buffer.push(black_box(line), &mut blocks);
        let n = buffer.find(black_box(b"\r\n"), 8192);
        buffer.take(n.ok().flatten().unwrap_or(0), &mut blocks)
    });
}

/// A line of 64 bytes that arrives byte by byte, looked for after each.
#[divan::bench]
fn dribble_of_a_line(bencher: Bencher<'_, '_>) {
    let mut blocks = Blocks::new();
    let mut buffer: Buffer<Rc<Vec<u8>>> = Buffer::new();
    let line = &lines()[..64];
    bencher.bench_local(|| {
        let mut found = Ok(None);
        for byte in black_box(line).chunks(1) {
            buffer.push(byte, &mut blocks);
            found = buffer.find(black_box(b"\r\n"), 8192);
        }
        buffer.take(found.ok().flatten().unwrap_or(0), &mut blocks)
    });
}

/// A head of 100 bytes and a body, queued and sent: where the two cross is
/// `Pipeline::BY_REFERENCE`.
mod head_and_body {
    use super::*;
    use bytes::Bytes;

    const LENS: [usize; 7] = [256, 512, 1024, 2048, 4096, 8192, 16384];

    fn bench(bencher: Bencher<'_, '_>, len: usize, queue: fn(&mut Pipeline, &Bytes, &mut Blocks)) {
        let mut blocks = Blocks::new();
        let mut pipeline = Pipeline::new();
        let body = Bytes::from(vec![b'x'; len]);
        bencher.bench_local(|| {
            let _ = pipeline.push(&[b'x'; 100], &mut blocks);
            queue(&mut pipeline, &body, &mut blocks);
            let mut slices = [&[][..]; 8];
            black_box(pipeline.slices(&mut slices));
            pipeline.advance(u64::MAX, &mut blocks)
        });
    }

    #[divan::bench(args = LENS)]
    fn copied(bencher: Bencher<'_, '_>, len: usize) {
        bench(bencher, len, |pipeline, body, blocks| {
            let _ = pipeline.push(body, blocks);
        });
    }

    #[divan::bench(args = LENS)]
    fn as_bytes(bencher: Bencher<'_, '_>, len: usize) {
        bench(bencher, len, |pipeline, body, blocks| {
            let _ = pipeline.push_bytes(body.clone(), blocks);
        });
    }
}
