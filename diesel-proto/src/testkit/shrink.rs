//! Finds a small case: removes what is not needed to break a law.
//!
//! Delta debugging, by Zeller and Hildebrandt (2002): removes first long runs, then ever shorter
//! ones, of the stimuli and then of the bytes in each, until nothing can be removed or the budget
//! is spent.
//!
//! It must never know which law is broken, nor how a case is tried.

use alloc::vec::Vec;

use super::stimulus::{self, Stimulus};

/// The budget of all tries, in stimuli and bytes that are run. A small case is found long before it
/// is spent, or never.
const BUDGET: usize = 3_000_000;

/// Tries smaller cases. `still` returns whether a case still breaks the law, and the cost of the
/// try.
pub(super) fn smallest(
    stimuli: Vec<Stimulus>,
    mut still: impl FnMut(&[Stimulus]) -> (bool, usize),
) -> Vec<Stimulus> {
    let mut left = BUDGET;
    let mut best = stimuli;
    let mut attempt = |smaller: Vec<Stimulus>, best: &mut Vec<Stimulus>| {
        let smaller = stimulus::joined(&smaller);
        if left == 0 {
            return false;
        }
        let (is_broken, cost) = still(&smaller);
        left = left.saturating_sub(cost.max(1));
        if is_broken {
            *best = smaller;
        }
        is_broken
    };
    loop {
        let before = size(&best);
        for_runs(best.len(), |start, n| {
            let end = start + n;
            if end > best.len() {
                return None;
            }
            let without = [&best[..start], &best[end..]].concat();
            attempt(without, &mut best).then_some(best.len())
        });
        for index in 0..best.len() {
            let Some(Stimulus::Bytes(bytes)) = best.get(index) else { continue };
            for_runs(bytes.len(), |start, n| {
                let Some(Stimulus::Bytes(bytes)) = best.get(index) else { return None };
                let without = [bytes.get(..start)?, bytes.get(start + n..)?].concat();
                let mut smaller = best.clone();
                smaller[index] = Stimulus::Bytes(without);
                attempt(smaller, &mut best).then(|| len_at(&best, index))
            });
        }
        if size(&best) == before {
            return best;
        }
    }
}

/// Calls `leave_out` for runs of half the length, a quarter, and so on down to one, from the end to
/// the beginning. If a call succeeds, it returns the remaining length, and the search continues in
/// that.
fn for_runs(len: usize, mut leave_out: impl FnMut(usize, usize) -> Option<usize>) {
    let mut len = len;
    let mut run = len;
    while run > 0 {
        let mut end = len;
        while end > 0 {
            let start = end.saturating_sub(run);
            if let Some(left) = leave_out(start, end - start) {
                len = left;
            }
            end = start.min(len);
        }
        run /= 2;
    }
}

fn size(stimuli: &[Stimulus]) -> usize {
    stimuli.len() + stimulus::len(stimuli)
}

fn len_at(stimuli: &[Stimulus], index: usize) -> usize {
    stimuli.get(index).map_or(0, |stimulus| stimulus::len(core::slice::from_ref(stimulus)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use core::time::Duration;

    #[test]
    fn what_is_not_needed_is_left_out() {
        let mut stimuli = vec![];
        for _ in 0..100 {
            stimuli.push(Stimulus::bytes("some bytes"));
            stimuli.push(Stimulus::Wait(Duration::from_secs(1)));
        }
        stimuli[77] = Stimulus::Wake;
        stimuli[90] = Stimulus::bytes("xx needle yy");
        let has_both = |stimuli: &[Stimulus]| {
            let wakes = stimuli.contains(&Stimulus::Wake);
            let has_needle = |it: &Stimulus| matches!(it, Stimulus::Bytes(bytes) if bytes.windows(6).any(|it| it == b"needle"));
            (wakes && stimuli.iter().any(has_needle), stimuli.len())
        };
        let smallest = smallest(stimuli, has_both);
        assert_eq!(smallest, [Stimulus::Wake, Stimulus::bytes("needle")]);
    }
}
