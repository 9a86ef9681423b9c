//! Compares the decoder of chunked bodies and trailers with another one, at cuts and with limits
//! that the fuzzer chooses.

#[path = "../../diesel-proto/tests/chunked/peer.rs"]
mod peer;

use diesel_proto::http1::Limits;
use diesel_proto::testkit::{Random, cuts};

/// A body up to this length is cut at every position.
const SHORT: usize = 64;

/// Six bytes of limits and cuts, then a body.
pub fn chunked(data: &[u8]) {
    let Some((setting, bytes)) = data.split_first_chunk::<6>() else { return };
    let [seed, body, scale, extensions, trailers, fields] = *setting;
    let limits = Limits {
        body: u64::from(body) << (scale % 57),
        // The smallest limit is 2.
        chunk_extensions: usize::from(extensions) + 2,
        trailer_bytes: usize::from(trailers) + 2,
        header_count: fields.into(),
        ..Limits::default()
    };
    let whole = peer::compare(bytes, &limits);
    let random = &mut Random::new(seed.into());
    let mut cuts = vec![cuts::bytewise(bytes.len())];
    cuts.extend((0..4).map(|_| cuts::several(bytes.len(), random)));
    if bytes.len() <= SHORT {
        cuts.extend((1..bytes.len()).map(|at| vec![at]));
    }
    for cut in cuts {
        assert_eq!(peer::ours(bytes, &cut, &limits), whole, "cut at {cut:?}");
    }
}
