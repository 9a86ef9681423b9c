//! Cookies of a client, through redirects and to other hosts.

use std::time::Duration;

use diesel_proto::http1::{
    self, Client, ClientError, CookieLimits, RefusedCookie, Request, Response, Status, Url,
};
use diesel_proto::testkit::net::Network;
use diesel_proto::{Address, Ctx};

use super::harness::*;

fn keeping(ctx: &Ctx) -> Client {
    let address = Address::from(address());
    let builder = Client::builder(ctx).cookies(CookieLimits::default());
    ["a.test.org", "b.test.org", "c.other.org"]
        .into_iter()
        .fold(builder, |builder, host| builder.host(host, address))
        .build()
}

/// Sets what the query says, redirects to where it says, and answers with the cookies it got.
fn setting(request: Request) -> Response {
    let cookies = request.header("cookie").unwrap_or(b"-").to_vec();
    let mut response = Response::bytes(cookies);
    for pair in request.query().unwrap_or_default().split('&') {
        response = match pair.split_once('=') {
            Some(("set", cookie)) => response.header("Set-Cookie", cookie.replace("%20", " ")),
            Some(("to", to)) => response.status(Status::new(302).unwrap()).header("Location", to),
            _ => response,
        };
    }
    response
}

async fn ask(client: &Client, url: &str) -> Result<String, ClientError> {
    client.get(url).await?.text().await
}

#[test]
fn cookies_come_back_to_the_hosts_that_they_are_for() {
    for seed in 0..3 {
        let mut network = Network::new(seed);
        network.link(hostile());
        serve(&mut network, http1::Service::new(setting));
        run(&mut network, async |ctx: &Ctx| {
            let client = keeping(ctx);
            let answers = async |urls: &[(&str, &str)]| {
                for (url, expected) in urls {
                    assert_eq!(ask(&client, &format!("http://{url}")).await.unwrap(), *expected);
                }
            };
            answers(&[
                ("a.test.org/x/?set=n=1&set=all=2;Domain=test.org;Path=/&set=x=;Domain=org", "-"),
                ("a.test.org/x/y", "n=1; all=2"),
                ("a.test.org/", "all=2"),
                ("b.test.org/x/", "all=2"),
                ("c.other.org/x/", "-"),
                ("b.test.org/?set=all=;Max-Age=0;Domain=test.org", "all=2"),
                ("a.test.org/x/", "n=1"),
                ("a.test.org/?set=soon=3;Max-Age=60", "-"),
                ("a.test.org/", "soon=3"),
            ])
            .await;
            ctx.sleep(61 * SECOND).await.unwrap();
            answers(&[("a.test.org/", "-"), ("a.test.org/x/", "n=1")]).await;
            client.clear_cookies();
            answers(&[("a.test.org/x/", "-")]).await;
            // Whatever is kept can be sent.
            let url = Url::parse("http://a.test.org/").unwrap();
            client.set_cookie(&url, " n =\"\u{e9},\t\\ %41\" ; Path=/").unwrap();
            answers(&[("a.test.org/", "n=\"\u{e9},\t\\ %41\"")]).await;
        });
    }
}

#[test]
fn each_request_of_a_redirect_has_the_cookies_for_its_url() {
    let mut network = Network::new(1);
    serve(&mut network, http1::Service::new(setting));
    run(&mut network, async |ctx: &Ctx| {
        let client = keeping(ctx);
        let url = |text: &str| Url::parse(text).unwrap();
        client.set_cookie(&url("http://b.test.org/"), "own=b").unwrap();
        client.set_cookie(&url("http://c.other.org/"), "own=c").unwrap();
        // The redirect sets one for where it leads, and one that is for its own host alone.
        let start = "http://a.test.org/?set=all=1;Domain=test.org&set=own=a&to=http://";
        assert_eq!(ask(&client, &format!("{start}b.test.org/")).await.unwrap(), "own=b; all=1");
        assert_eq!(ask(&client, &format!("{start}c.other.org/")).await.unwrap(), "own=c");
        assert_eq!(ask(&client, &format!("{start}a.test.org/")).await.unwrap(), "all=1; own=a");
        // What a request says itself stands alone, but not at another origin.
        let mut mine = client.get("http://a.test.org/").header("Cookie", "mine=1").await.unwrap();
        assert_eq!(mine.text().await.unwrap(), "mine=1");
        let request = client.get("http://a.test.org/?to=/end").header("Cookie", "mine=1");
        assert_eq!(request.await.unwrap().text().await.unwrap(), "mine=1");
        let request = client.get(format!("{start}c.other.org/")).header("Cookie", "mine=1");
        assert_eq!(request.await.unwrap().text().await.unwrap(), "own=c");
    });
}

#[test]
fn a_client_keeps_no_cookies_unless_it_is_told_to() {
    let mut network = Network::new(1);
    serve(&mut network, http1::Service::new(setting));
    run(&mut network, async |ctx: &Ctx| {
        let client = Client::new(ctx);
        for _ in 0..2 {
            assert_eq!(ask(&client, &format!("{URL}/?set=n=v")).await.unwrap(), "-");
        }
        let url = Url::parse(URL).unwrap();
        assert_eq!(client.cookies(&url), None);
        assert_eq!(client.set_cookie(&url, "n=v"), Err(RefusedCookie::NoJar));
    });
}

/// The time of day is that of the hub: a date in Expires passes in virtual time.
#[test]
fn dates_count_by_the_time_of_day_of_the_hub() {
    let mut hub = diesel_proto::Hub::default();
    let now = diesel_proto::Instant::ORIGIN;
    hub.time_of_day(now, 1_000_000_000);
    let client = Client::builder(&hub.ctx()).cookies(CookieLimits::default()).build();
    let url = Url::parse(URL).unwrap();
    client.set_cookie(&url, "n=v; Expires=Sun, 09 Sep 2001 01:46:50 GMT").unwrap();
    hub.run(now + Duration::from_secs(9), &mut Vec::new());
    assert_eq!(client.cookies(&url).as_deref(), Some("n=v"));
    hub.run(now + Duration::from_secs(10), &mut Vec::new());
    assert_eq!(client.cookies(&url), None);
}
