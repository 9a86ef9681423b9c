//! Middleware: order, what it is around, and what it sees when a handler fails.

use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use crate::http1::{IntoResponse, Request, Response, Status};
use crate::machine::{Error, Notice};
use crate::testkit::Oneshot;
use crate::web::{Next, Router, get};

type Log = Rc<RefCell<Vec<String>>>;

/// Logs the request, and the status of the response.
fn logged(log: &Log, name: &'static str) -> impl AsyncFn(Request, Next) -> Response + use<> {
    let log = Rc::clone(log);
    async move |request: Request, next: Next| {
        log.borrow_mut().push(alloc::format!("{name} {} {:?}", request.path(), next.route()));
        let response = next.run(request).await;
        log.borrow_mut().push(alloc::format!("{name} {}", response.status_code().code()));
        response
    }
}

#[test]
fn the_last_layer_runs_first_around_what_was_added_before() {
    let log = Log::default();
    let inner = Router::new().route("/x", get(|| "x")).layer(logged(&log, "inner"));
    let routes = Router::new()
        .route("/a", get(|| "a").layer(logged(&log, "method")).post(|| "b"))
        .nest("/n", inner)
        .layer(logged(&log, "first"))
        .layer(logged(&log, "second"))
        .route("/b", get(|| "b"))
        .build()
        .unwrap();
    for (method, path, expected) in [
        (
            "GET",
            "/a",
            "second /a Some(\"/a\"), first /a Some(\"/a\"), method /a Some(\"/a\"), method 200, first \
             200, second 200",
        ),
        ("POST", "/a", "second /a Some(\"/a\"), first /a Some(\"/a\"), first 200, second 200"),
        ("GET", "/b", ""),
        (
            "GET",
            "/n/x",
            "second /n/x Some(\"/n/x\"), first /n/x Some(\"/n/x\"), inner /n/x Some(\"/n/x\"), inner \
             200, first 200, second 200",
        ),
        // The answers of the router itself.
        (
            "PUT",
            "/n/x",
            "second /n/x Some(\"/n/x\"), first /n/x Some(\"/n/x\"), inner /n/x Some(\"/n/x\"), inner 405, first 405, second 405",
        ),
        ("GET", "/none", "second /none None, first /none None, first 404, second 404"),
    ] {
        let _ = Oneshot::new(method, path).send(&routes);
        assert_eq!(log.take().join(", "), expected, "{method} {path}");
    }
}

#[test]
fn a_layer_is_around_the_fallbacks_that_were_added_before() {
    let log = Log::default();
    let nested = Router::new().fallback(|| "not in n").layer(logged(&log, "inner"));
    let routes = Router::new()
        .fallback(|| "nowhere")
        .nest("/n", nested)
        .layer(logged(&log, "outer"))
        .nest("/late", Router::new().fallback(|| "late"))
        .build()
        .unwrap();
    for (path, text, expected) in [
        (
            "/n/x",
            "not in n",
            "outer /n/x Some(\"/n\"), inner /n/x Some(\"/n\"), inner 200, outer 200",
        ),
        ("/x", "nowhere", "outer /x None, outer 200"),
        ("/late/x", "late", ""),
    ] {
        assert_eq!(Oneshot::get(path).send(&routes).text(), text);
        assert_eq!(log.take().join(", "), expected, "{path}");
    }
}

#[test]
fn middleware_may_answer_without_the_handler() {
    let ran = Rc::new(Cell::new(false));
    let seen = Rc::clone(&ran);
    let refuse = async |request: Request, next: Next| match request.query() {
        Some(_) => Err(Status::FORBIDDEN),
        None => Ok(next.run(request).await),
    };
    let handler = move || {
        seen.set(true);
        "ran"
    };
    let routes = Router::new().route("/", get(handler)).layer(refuse).build().unwrap();
    assert_eq!(Oneshot::get("/?q").send(&routes).status, Status::FORBIDDEN);
    assert!(!ran.get());
    assert_eq!(Oneshot::get("/").send(&routes).status, Status::OK);
    assert!(ran.get());
}

fn failures(notices: &[Notice]) -> Vec<String> {
    let failed = |notice: &Notice| match notice {
        Notice::Failed { error, .. } => Some(error.clone()),
        Notice::Panicked { .. } => Some("panicked".into()),
        _ => None,
    };
    notices.iter().filter_map(failed).collect()
}

#[test]
fn an_error_of_a_handler_is_seen_with_its_status_and_keeps_fields_that_are_added() {
    let name = async |request: Request, next: Next| {
        let response = next.run(request).await;
        let error = response.error().map(|error| error.to_string());
        let status = response.status_code().code().to_string();
        response.header("X-Status", status).header("X-Error", error.unwrap_or_default())
    };
    let routes = Router::new()
        .route("/plain", get(|| Err::<Response, _>(Error::application("no disk"))))
        .route("/async", get(async || Err::<Response, _>("no disk")))
        .layer(name)
        .build()
        .unwrap();
    for path in ["/plain", "/async"] {
        let answer = Oneshot::get(path).send(&routes);
        assert_eq!((answer.status.code(), answer.text()), (500, "500 Internal Server Error\n"));
        assert_eq!(answer.headers.get_str("X-Status"), Some("500"));
        assert_eq!(answer.headers.get_str("X-Error"), Some("no disk"));
        assert_eq!(answer.headers.get_all("Content-Type").count(), 1);
        assert_eq!(failures(&answer.notices), ["no disk"]);
    }
    // Middleware may answer the error itself: then nothing failed.
    let kind = async |request: Request, next: Next| match next.run(request).await {
        response if response.error().is_some() => Response::text("sorry").status(Status::OK),
        response => response,
    };
    let routes = Router::new().route("/", get(|| Err::<&str, _>("no disk"))).layer(kind);
    let answer = Oneshot::get("/").send(routes.build().unwrap());
    assert_eq!((answer.text(), failures(&answer.notices).len()), ("sorry", 0));
}

#[test]
fn a_panic_unwinds_through_middleware_and_is_answered() {
    struct Guard(Rc<Cell<u32>>);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    let dropped = Rc::new(Cell::new(0));
    let count = Rc::clone(&dropped);
    let guard = async move |request: Request, next: Next| {
        let _guard = Guard(Rc::clone(&count));
        next.run(request).await.header("X-Seen", "yes")
    };
    let waits = async |request: Request| -> &'static str {
        let _ = request.ctx().sleep(core::time::Duration::from_secs(1)).await;
        panic!("in an async handler, later")
    };
    let routes = Router::new()
        .route("/plain", get(|| -> &'static str { panic!("in a plain handler") }))
        .route("/async", get(async || -> &'static str { panic!("in an async handler") }))
        .route("/later", get(waits))
        .layer(guard)
        .route("/bare", get(|| -> &'static str { panic!("without middleware") }))
        .layer(async |request: Request, next: Next| {
            if request.query().is_some() {
                panic!("in middleware");
            }
            next.run(request).await
        })
        .build()
        .unwrap();
    for (target, drops) in
        [("/plain", 1), ("/async", 2), ("/later", 3), ("/bare", 3), ("/bare?", 3), ("/none?", 3)]
    {
        let answer = Oneshot::get(target).send(&routes);
        assert_eq!(answer.status, Status::INTERNAL_SERVER_ERROR, "{target}");
        assert_eq!(answer.headers.get("X-Seen"), None);
        assert_eq!(failures(&answer.notices), ["panicked"], "{target}");
        assert_eq!(dropped.get(), drops, "{target}");
    }
}

#[test]
fn an_extractor_that_says_that_it_does_not_wait_must_not() {
    struct Waiting;
    impl<S> crate::web::FromRequest<S> for Waiting {
        type Error = Response;
        const WAITS: crate::web::Waits = crate::web::Waits::Never;
        async fn from_request(
            request: &mut crate::web::RoutedRequest,
            _: &S,
        ) -> Result<Self, Response> {
            let _ = request.ctx().sleep(core::time::Duration::from_secs(1)).await;
            Ok(Waiting)
        }
    }
    let routes = Router::new()
        .route("/plain", get(|_: Waiting| "a"))
        .route("/async", get(async |_: Waiting| "a".into_response()))
        .build()
        .unwrap();
    let answer = Oneshot::get("/plain").send(&routes);
    assert_eq!(answer.status, Status::INTERNAL_SERVER_ERROR);
    assert!(failures(&answer.notices)[0].starts_with("an extractor waits"));
    assert_eq!(Oneshot::get("/async").send(&routes).text(), "a");
}
