//! [`RouteHandler`]: plain and `async` functions that answer the requests of a route.
//!
//! It must never know routes.

use alloc::rc::Rc;

use super::answer::{Answer, Endpoint};
use super::from_request::{FromRequest, Waits};
use super::routed_request::RoutedRequest;
use crate::http1::{AsyncKind, IntoResponse, PlainKind, Request, Response};

/// A function that answers the requests of a route. Its parameters are made from the request by
/// [`FromRequest`]; there may be up to six, and after them the [`Request`] itself.
///
/// - `fn(A, B, ..) -> R`, where `R` is an [`IntoResponse`]: a plain handler, for what needs not wait.
///   If it takes the [`Request`], that has its whole body, within the limit of the route:
///   [`Request::content`]. Its future is not boxed, unless a parameter has to wait.
/// - `async fn(A, B, ..) -> R`, or an async closure: it may wait for anything that a fiber may. If it
///   takes the [`Request`], it reads the body itself. It costs one box.
///
/// A closure must name the types of its parameters. The kind is inferred.
///
/// ```
/// use diesel_proto::Error;
/// use diesel_proto::http1::{Request, Response};
/// use diesel_proto::testkit::Oneshot;
/// use diesel_proto::web::{Path, Router, get, put};
///
/// fn greet(Path(name): Path<String>) -> String {
///     format!("Hello, {name}!")
/// }
///
/// async fn store(Path(id): Path<u32>, mut request: Request) -> Result<String, Error> {
///     let mut len = 0;
///     while let Some(chunk) = request.body().some().await? {
///         len += chunk.len();
///     }
///     Ok(format!("{id}: {len} bytes"))
/// }
///
/// let routes = Router::new()
///     .route("/greet/{name}", get(greet))
///     .route("/blobs/{id}", put(store))
///     .route("/", get(|| "nothing here"))
///     .build()?;
/// assert_eq!(Oneshot::get("/greet/Ada%20L").send(&routes).text(), "Hello, Ada L!");
/// assert_eq!(Oneshot::put("/blobs/7").body("12345").send(&routes).text(), "7: 5 bytes");
/// # Ok::<(), diesel_proto::web::InvalidRoute>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler of a route",
    label = "neither a `fn(A, B, ..) -> R` nor an `async fn(A, B, ..) -> R` where `R` is a response",
    note = "each parameter is made from the request (`Path<T>`, `Query<T>`, `Json<T>`, `State<T>`, ..: \
            see `FromRequest`); the `Request` itself may be the last one",
    note = "a response is a `Response`, a text, a `Status`, a `Json<T>`, .., or a `Result` of one whose \
            error is a response too: see `IntoResponse`"
)]
pub trait RouteHandler<Kind, S>: 'static {
    #[doc(hidden)]
    fn bind(self, state: &Rc<S>) -> BoundHandler;
}

/// A handler with its state, and its type erased.
#[doc(hidden)]
pub struct BoundHandler(pub(super) Rc<Endpoint>);

/// Marks handlers that take the request.
#[doc(hidden)]
pub enum TakesRequest {}

macro_rules! handlers {
    ($([$($name:ident)*])*) => {$(
        #[allow(non_snake_case, unused_mut, unused_variables, reason = "some have no parameters")]
        const _: () = {
            /// The parameters; or what answers a request that one of them cannot be made from.
            async fn extract<S, $($name: FromRequest<S>),*>(
                request: &mut RoutedRequest,
                state: &S,
            ) -> Result<($($name,)*), Response> {
                Ok(($($name::from_request(request, state)
                    .await
                    .map_err(IntoResponse::into_error_response)?,)*))
            }

            async fn plain<H, R, S, $($name),*>(
                handler: &H,
                mut request: RoutedRequest,
                state: &S,
            ) -> Response
            where
                H: Fn($($name),*) -> R,
                R: IntoResponse,
                $($name: FromRequest<S>,)*
            {
                let ($($name,)*) = match extract(&mut request, state).await {
                    Ok(values) => values,
                    Err(response) => return response,
                };
                handler($($name),*).into_response()
            }

            async fn plain_with_request<H, R, S, $($name),*>(
                handler: &H,
                mut request: RoutedRequest,
                state: &S,
            ) -> Response
            where
                H: Fn($($name,)* Request) -> R,
                R: IntoResponse,
                $($name: FromRequest<S>,)*
            {
                let ($($name,)*) = match extract(&mut request, state).await {
                    Ok(values) => values,
                    Err(response) => return response,
                };
                match request.collect_body().await {
                    Ok(_) => handler($($name,)* request.into_request()).into_response(),
                    Err(error) => error.into_response(),
                }
            }

            impl<H, R, S, $($name),*> RouteHandler<(PlainKind, ($($name,)*)), S> for H
            where
                H: Fn($($name),*) -> R + 'static,
                R: IntoResponse,
                S: 'static,
                $($name: FromRequest<S> + 'static,)*
            {
                fn bind(self, state: &Rc<S>) -> BoundHandler {
                    let waits = Waits::Never$(.or($name::WAITS))*;
                    let (handler, state) = (Rc::new(self), Rc::clone(state));
                    BoundHandler(Rc::new(move |mut request: RoutedRequest| {
                        if !waits.applies(request.body().is_at_end()) {
                            return Answer::at_once(plain(&*handler, request, &*state));
                        }
                        let (handler, state) = (Rc::clone(&handler), Rc::clone(&state));
                        Answer::later(async move { plain(&*handler, request, &*state).await })
                    }))
                }
            }

            impl<H, R, S, $($name),*>
                RouteHandler<(PlainKind, ($($name,)*), TakesRequest), S> for H
            where
                H: Fn($($name,)* Request) -> R + 'static,
                R: IntoResponse,
                S: 'static,
                $($name: FromRequest<S> + 'static,)*
            {
                fn bind(self, state: &Rc<S>) -> BoundHandler {
                    let waits = Waits::ForBody$(.or($name::WAITS))*;
                    let (handler, state) = (Rc::new(self), Rc::clone(state));
                    BoundHandler(Rc::new(move |mut request: RoutedRequest| {
                        if !waits.applies(request.body().is_at_end()) {
                            let answer = plain_with_request(&*handler, request, &*state);
                            return Answer::at_once(answer);
                        }
                        let (handler, state) = (Rc::clone(&handler), Rc::clone(&state));
                        Answer::later(async move {
                            plain_with_request(&*handler, request, &*state).await
                        })
                    }))
                }
            }

            impl<H, R, S, $($name),*> RouteHandler<(AsyncKind, ($($name,)*)), S> for H
            where
                H: AsyncFn($($name),*) -> R + 'static,
                R: IntoResponse,
                S: 'static,
                $($name: FromRequest<S> + 'static,)*
            {
                fn bind(self, state: &Rc<S>) -> BoundHandler {
                    let (handler, state) = (Rc::new(self), Rc::clone(state));
                    BoundHandler(Rc::new(move |mut request: RoutedRequest| {
                        let (handler, state) = (Rc::clone(&handler), Rc::clone(&state));
                        Answer::later(async move {
                            let ($($name,)*) = match extract(&mut request, &*state).await {
                                Ok(values) => values,
                                Err(response) => return response,
                            };
                            // The memory of the head is free for the next request.
                            drop(request);
                            handler($($name),*).await.into_response()
                        })
                    }))
                }
            }

            impl<H, R, S, $($name),*>
                RouteHandler<(AsyncKind, ($($name,)*), TakesRequest), S> for H
            where
                H: AsyncFn($($name,)* Request) -> R + 'static,
                R: IntoResponse,
                S: 'static,
                $($name: FromRequest<S> + 'static,)*
            {
                fn bind(self, state: &Rc<S>) -> BoundHandler {
                    let (handler, state) = (Rc::new(self), Rc::clone(state));
                    BoundHandler(Rc::new(move |mut request: RoutedRequest| {
                        let (handler, state) = (Rc::clone(&handler), Rc::clone(&state));
                        Answer::later(async move {
                            let ($($name,)*) = match extract(&mut request, &*state).await {
                                Ok(values) => values,
                                Err(response) => return response,
                            };
                            handler($($name,)* request.into_request()).await.into_response()
                        })
                    }))
                }
            }
        };
    )*};
}

handlers! {
    []
    [A]
    [A B]
    [A B C]
    [A B C D]
    [A B C D E]
    [A B C D E F]
}
