//! Finding the handler of a request among 100 routes, beside `matchit` alone, which finds the route.
//!
//! ```text
//! cargo bench -p diesel-proto --features web --bench routes               # each by itself
//! cargo bench -p diesel-proto --features web --bench routes -- --ratio    # in turns; fails above the limit
//! ```
//!
//! For instruction counts, which do not depend on what else the machine does: `valgrind
//! --tool=callgrind` of the built bench with `--matchit N` and `--routes N`, for two values of N.

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant as Clock;

use diesel_proto::web::{Router, Routes, get};

/// What finding a handler may take of the time that `matchit` takes to find the route.
const LIMIT: f64 = 1.3;
const RUNS: usize = 31;
const ROUNDS: usize = if cfg!(debug_assertions) { 2 } else { 500 };

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let rounds = |name: &str| {
        let at = args.iter().position(|arg| arg == name)?;
        args.get(at + 1)?.parse::<usize>().ok()
    };
    let (tree, routes, requests) = (tree(), routes(), requests());
    if let Some(n) = rounds("--matchit") {
        (0..n).for_each(|_| _ = black_box(by_matchit(&tree, &requests)));
    } else if let Some(n) = rounds("--routes") {
        (0..n).for_each(|_| _ = black_box(by_routes(&routes, &requests)));
    } else if args.iter().any(|arg| arg == "--ratio") {
        return ratio(&tree, &routes, &requests);
    } else {
        divan::main();
    }
    ExitCode::SUCCESS
}

const RESOURCES: [&str; 20] = [
    "users",
    "teams",
    "projects",
    "issues",
    "comments",
    "labels",
    "milestones",
    "branches",
    "commits",
    "tags",
    "releases",
    "files",
    "hooks",
    "keys",
    "events",
    "orders",
    "invoices",
    "payments",
    "carts",
    "products",
];

/// 100 paths, as an API has them.
fn paths() -> Vec<String> {
    let of = |name: &&str| {
        [
            format!("/api/{name}"),
            format!("/api/{name}/{{id}}"),
            format!("/api/{name}/{{id}}/history"),
            format!("/api/{name}/{{id}}/history/{{version}}"),
            format!("/api/{name}/search"),
        ]
    };
    RESOURCES.iter().flat_map(of).collect()
}

fn tree() -> matchit::Router<usize> {
    let mut tree = matchit::Router::new();
    for (n, path) in paths().into_iter().enumerate() {
        tree.insert(path, n).expect("no conflict");
    }
    tree
}

fn routes() -> Routes {
    let add = |router: Router, path: &String| {
        router.route(path, get(|| "get").post(|| "post").delete(|| "delete"))
    };
    paths().iter().fold(Router::new(), add).build().expect("no conflict")
}

/// A request for each route.
fn requests() -> Vec<(&'static str, String)> {
    let filled = |path: String| path.replace("{id}", "7f3a9c").replace("{version}", "42");
    let methods = ["GET", "POST", "GET", "DELETE"].into_iter().cycle();
    methods.zip(paths().into_iter().map(filled)).collect()
}

fn by_matchit(tree: &matchit::Router<usize>, requests: &[(&str, String)]) -> usize {
    let found = requests.iter().map(|(_, path)| tree.at(black_box(path)));
    found.filter(|found| black_box(found).is_ok()).count()
}

fn by_routes(routes: &Routes, requests: &[(&str, String)]) -> usize {
    let found =
        requests.iter().map(|(method, path)| routes.find(black_box(method), black_box(path)));
    found.filter(|found| black_box(found).as_ref().is_some_and(|found| found.has_handler())).count()
}

#[divan::bench]
fn a_route_by_matchit(bencher: divan::Bencher<'_, '_>) {
    let (tree, requests) = (tree(), requests());
    bencher.bench_local(|| by_matchit(&tree, &requests));
}

#[divan::bench]
fn a_handler(bencher: divan::Bencher<'_, '_>) {
    let (routes, requests) = (routes(), requests());
    bencher.bench_local(|| by_routes(&routes, &requests));
}

fn ratio(tree: &matchit::Router<usize>, routes: &Routes, requests: &[(&str, String)]) -> ExitCode {
    assert_eq!(by_matchit(tree, requests), by_routes(routes, requests));
    let time = |run: &dyn Fn() -> usize| {
        let start = Clock::now();
        (0..ROUNDS).for_each(|_| _ = black_box(run()));
        start.elapsed().as_secs_f64() / (ROUNDS * requests.len()) as f64 * 1e9
    };
    let mut runs: Vec<(f64, f64)> = (0..RUNS)
        .map(|_| (time(&|| by_matchit(tree, requests)), time(&|| by_routes(routes, requests))))
        .collect();
    let mut median = |of: fn(&(f64, f64)) -> f64| {
        runs.sort_by(|a, b| of(a).total_cmp(&of(b)));
        of(&runs[RUNS / 2])
    };
    let ratio = median(|run| run.1 / run.0);
    println!("{} routes", requests.len());
    println!(
        "  matchit {:.1} ns, ours {:.1} ns: {ratio:.2} times",
        median(|run| run.0),
        median(|run| run.1)
    );
    if ratio > LIMIT {
        println!("more than {LIMIT} times");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
