//! How routers are put together, and what they refuse.

use alloc::rc::Rc;
use alloc::string::{String, ToString};

use crate::http1::Status;
use crate::testkit::Oneshot;
use crate::web::{InvalidRoute, Path, Router, Routes, State, get, on, post};

fn text(routes: &Routes, target: &str) -> String {
    Oneshot::get(target).send(routes).text().into()
}

#[test]
fn a_nested_router_answers_below_its_prefix_and_its_fallback_too() {
    let deep = Router::new().route("/", get(|| "deep")).fallback(|| "not in deep");
    let api = Router::new()
        .route("/", get(|| "api"))
        .route("/users/{id}", get(|Path((t, id)): Path<(String, u32)>| alloc::format!("{t}{id}")))
        .nest("/deep", deep)
        .fallback(|Path(tenant): Path<String>| {
            (Status::NOT_FOUND, alloc::format!("not of {tenant}"))
        });
    let plain = Router::new().route("/x", get(|| "x"));
    let routes = Router::new()
        .nest("/{tenant}/api", api)
        .nest("/plain", plain)
        .fallback(|| "nowhere")
        .build()
        .unwrap();
    for (target, expected) in [
        ("/t/api", "api"),
        ("/t/api/users/7", "t7"),
        ("/t/api/deep", "deep"),
        ("/t/api/deep/er", "not in deep"),
        ("/t/api/", "not of t"),
        ("/t/api/users", "not of t"),
        ("/%C3%A9/api/users/7/8", "not of \u{e9}"),
        ("/plain/x", "x"),
        ("/plain/y", "nowhere"),
        ("/t/apix", "nowhere"),
        ("/", "nowhere"),
    ] {
        assert_eq!(text(&routes, target), expected, "{target}");
    }
    assert_eq!(routes.find("GET", "/t/api/users/7").unwrap().route(), "/{tenant}/api/users/{id}");
}

#[test]
fn routers_are_merged_with_their_handlers_and_the_only_fallback() {
    let one = Router::new().route("/a", get(|| "get")).fallback(|| "nowhere");
    let two = Router::new().route("/a", post(|| "post")).route("/b", get(|| "b"));
    let two = two.nest("/n", Router::new().fallback(|| "not in n"));
    let routes = one.merge(two).build().unwrap();
    assert_eq!(text(&routes, "/a"), "get");
    assert_eq!(Oneshot::post("/a").send(&routes).text(), "post");
    assert_eq!(text(&routes, "/b"), "b");
    assert_eq!(text(&routes, "/c"), "nowhere");
    assert_eq!(text(&routes, "/n/c"), "not in n");
}

#[test]
fn handlers_share_the_state() {
    let state = Rc::new(core::cell::Cell::new(0));
    let count = |State(n): State<Rc<core::cell::Cell<u32>>>| {
        n.set(n.get() + 1);
        n.get().to_string()
    };
    let routes = Router::new().route("/", get(count)).fallback(count).with_state(Rc::clone(&state));
    let routes = routes.unwrap();
    assert_eq!((text(&routes, "/"), text(&routes, "/x")), ("1".into(), "2".into()));
    assert_eq!(state.get(), 2);
}

#[test]
fn what_is_wrong_with_a_route_is_a_typed_error() {
    let of = |path: &str| Router::new().route(path, get(|| "")).build().unwrap_err();
    let path = |path: &str| path.into();
    assert_eq!(of("a"), InvalidRoute::NotAbsolute { path: path("a") });
    assert_eq!(of("/{"), InvalidRoute::Parameter { path: path("/{") });
    assert_eq!(of("/{a}{b}"), InvalidRoute::TwoParameters { path: path("/{a}{b}") });
    assert_eq!(of("/{*a}/b"), InvalidRoute::CatchAll { path: path("/{*a}/b") });
    let name = path("a");
    assert_eq!(of("/{a}/{a}"), InvalidRoute::RepeatedName { path: path("/{a}/{a}"), name });
    let two = Router::new().route("/a", get(|| "")).route("/%61", get(|| "")).build();
    let method = path("GET");
    assert_eq!(two.unwrap_err(), InvalidRoute::TwoHandlers { path: path("/a"), method });
    let method = Router::new().route("/", on("A B", || "")).build();
    assert_eq!(method.unwrap_err(), InvalidRoute::Method { path: path("/"), method: path("A B") });
    let conflict = Router::new().route("/\u{e9}/{a}", get(|| "")).route("/\u{e9}/{b}", get(|| ""));
    let with = path("/\u{e9}/{a}");
    assert_eq!(
        conflict.build().unwrap_err(),
        InvalidRoute::Conflict { path: path("/\u{e9}/{b}"), with }
    );
    for prefix in ["", "/", "a", "/a/"] {
        let nested = Router::new().nest(prefix, Router::<()>::new()).build();
        assert_eq!(nested.unwrap_err(), InvalidRoute::Prefix { prefix: prefix.into() });
    }
    let nested = Router::new().nest("/{*a}", Router::new().fallback(|| "")).build();
    assert_eq!(nested.unwrap_err(), InvalidRoute::CatchAll { path: path("/{*a}") });
    let nested = Router::new().nest("/a", Router::new().route("b", get(|| ""))).build();
    assert_eq!(nested.unwrap_err(), InvalidRoute::NotAbsolute { path: path("b") });
    let one = || Router::new().fallback(|| "");
    let prefix = path("");
    assert_eq!(one().merge(one()).build().unwrap_err(), InvalidRoute::TwoFallbacks { prefix });
    let prefix = path("/a");
    let twice = Router::new().nest("/a", one()).nest("/a", one()).build();
    assert_eq!(twice.unwrap_err(), InvalidRoute::TwoFallbacks { prefix });
    let merged = Router::new().merge(Router::new().nest("/", Router::new())).build();
    assert_eq!(merged.unwrap_err(), InvalidRoute::Prefix { prefix: path("/") });
    // The first error is the one that is reported.
    let nested = Router::new().nest("/", Router::<()>::new());
    let both = Router::new().nest("/a", nested).route("b", get(|| "")).build();
    assert_eq!(both.unwrap_err(), InvalidRoute::Prefix { prefix: path("/") });
}
