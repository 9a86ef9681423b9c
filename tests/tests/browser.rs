//! The pages of `comet` and `sse` in a real browser: Chromium, driven by our own HTTP client over
//! WebDriver. Screenshots are written to `target/tmp/browser`.
//!
//! Ignored by default: `.ci/long` runs it, where Chromium and its driver are installed.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use diesel_driver::http1::Client;
use diesel_driver::{Application, Ctx};
use diesel_tests::Program;
use serde_json::{Value, json};

type Failure = Box<dyn std::error::Error>;

/// The longest that a test waits for anything that has no limit of its own.
const PATIENCE: Duration = Duration::from_secs(20);

/// The sizes of a desktop window and of a phone's screen, in pixels of CSS.
const DESKTOP: (u32, u32) = (1200, 800);
const PHONE: (u32, u32) = (390, 780);

#[test]
#[ignore = "needs Chromium: apt-get install chromium chromium-driver"]
fn two_windows_chat_and_see_each_other_leave() {
    let (_program, address) = Program::serve("comet", &[]);
    in_browser(async move |browser: &Browser| {
        let ada = browser.only_window().await?;
        let grace = browser.new_window().await?;
        for (window, name) in [(&ada, "Ada"), (&grace, "Grace")] {
            browser.switch_to(window).await?;
            browser.open(&format!("http://{address}/")).await?;
            if name == "Ada" {
                browser.look("comet-enter", DESKTOP).await?;
                browser.look("comet-enter-phone", PHONE).await?;
            }
            browser.type_into("#name", name).await?;
            browser.click("#enter button").await?;
            browser.wait_for("document.getElementById('state').textContent == 'connected'").await?;
        }
        let reads = |name: &str| {
            format!("document.getElementById('messages').textContent.includes({name:?})")
        };
        let here = "Array.from(document.querySelectorAll('#here li')).map(it => it.textContent)";
        for (window, text) in [
            (&ada, "Hello, is anybody here?"),
            (
                &grace,
                "Yes! This page holds one request open, and the answer comes when there is news.",
            ),
            (
                &ada,
                "And nothing polls twice a second. https://example.org/a/rather/long/address?with=a&query=too",
            ),
            (&grace, "<b>Not bold</b> \u{1f600}"),
        ] {
            browser.switch_to(window).await?;
            browser.type_into("#text", text).await?;
            browser.click("#say button").await?;
            for window in [&ada, &grace] {
                browser.switch_to(window).await?;
                browser.wait_for(&reads(text)).await?;
            }
        }
        browser.switch_to(&ada).await?;
        expect("those who are here", &browser.eval(here).await?, &json!(["Ada", "Grace"]))?;
        let markup = browser.eval("document.querySelectorAll('#messages li b b').length").await?;
        expect("elements that a message made", &markup, &json!(0))?;
        browser.look("comet", DESKTOP).await?;
        browser.look("comet-phone", PHONE).await?;

        browser.switch_to(&grace).await?;
        browser.close_window().await?;
        let closed = Instant::now();
        browser.switch_to(&ada).await?;
        browser.wait_for(&reads("Grace left")).await?;
        let took = closed.elapsed();
        if took >= Duration::from_secs(1) {
            return Err(format!("it is seen after {took:?}").into());
        }
        expect("those who are here", &browser.eval(here).await?, &json!(["Ada"]))?;
        browser.look("comet-left", DESKTOP).await
    });
}

/// A proxy in between is stopped, so that the browser is cut off while the clock goes on.
#[test]
#[ignore = "needs Chromium: apt-get install chromium chromium-driver"]
fn a_stream_of_events_goes_on_where_it_was_cut() {
    let (_clock, clock) = Program::serve("sse", &[]);
    let to = clock.to_string();
    let (proxy, address) = Program::serve("proxy", &["--to", &to]);
    let listen = address.to_string();
    in_browser(async move |browser: &Browser| {
        let text = |id: &str| format!("document.getElementById('{id}').textContent");
        let ticks = format!("/^\\d+:\\d\\d$/.test({})", text("tick"));
        browser.open(&format!("http://{address}/")).await?;
        browser.wait_for(&ticks).await?;
        expect("ticks that were missed", &browser.eval(&text("missed")).await?, &json!(""))?;
        browser.look("sse", DESKTOP).await?;
        drop(proxy);
        browser.wait_for(&format!("{} == 'connecting again'", text("tick"))).await?;
        browser.look("sse-cut-phone", PHONE).await?;
        let mut proxy = Program::start("proxy", &["--to", &to, "--listen", &listen]);
        expect("the proxy", &json!(proxy.line()), &json!(format!("listening on {listen}")))?;
        browser.wait_for(&ticks).await?;
        // Counted by the server, from the id that the browser saw last.
        let missed = browser.eval(&text("missed")).await?;
        let missed = missed.as_str().unwrap_or_default();
        let number =
            missed.strip_suffix(" ticks were missed").and_then(|it| it.parse::<u32>().ok());
        if !number.is_some_and(|number| (1..60).contains(&number)) {
            return Err(format!("this many ticks were missed: {missed:?}").into());
        }
        browser.look("sse-again", DESKTOP).await
    });
}

/// A panic in a fiber would leave the browser running.
fn expect(what: &str, found: &Value, expected: &Value) -> Result<(), Failure> {
    match found == expected {
        true => Ok(()),
        false => Err(format!("{what}: {found}, not {expected}").into()),
    }
}

/// A session of WebDriver (<https://www.w3.org/TR/webdriver2>), and the driver that has it.
struct Browser {
    driver: Child,
    client: Client,
    ctx: Ctx,
    /// The URL of the session.
    session: String,
}

/// Runs a test with a browser of its own.
fn in_browser(test: impl AsyncFnOnce(&Browser) -> Result<(), Failure> + 'static) {
    let outcome = Application::new().run_until(async move |ctx: Ctx| {
        let browser = Browser::start(&ctx).await.map_err(|error| error.to_string());
        let browser = browser.unwrap_or_else(|error| panic!("{error}"));
        let tested = test(&browser).await.map_err(|error| error.to_string());
        let closed =
            browser.call("DELETE", "", Value::Null).await.map_err(|error| error.to_string());
        Ok((tested, closed))
    });
    let (tested, closed) = outcome.expect("the application runs");
    tested.unwrap_or_else(|error| panic!("{error}"));
    closed.unwrap_or_else(|error| panic!("{error}"));
}

impl Browser {
    async fn start(ctx: &Ctx) -> Result<Self, Failure> {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("chromedriver: {error}: install chromium-driver"))?;
        let output = BufReader::new(driver.stdout.take().expect("it is piped"));
        let port = output.lines().map_while(Result::ok).find_map(|line| {
            let port = line.split("started successfully on port ").nth(1)?;
            port.trim_end_matches('.').parse::<u16>().ok()
        });
        let port = port.ok_or("chromedriver tells no port")?;
        let mut browser = Browser {
            driver,
            client: Client::new(ctx),
            ctx: ctx.clone(),
            session: format!("http://127.0.0.1:{port}/session"),
        };
        // Root may not use the sandbox, and the pages are our own.
        let arguments = ["--headless=new", "--no-sandbox", "--hide-scrollbars", "--disable-gpu"];
        let options = json!({ "goog:chromeOptions": { "args": arguments } });
        let wanted = json!({ "capabilities": { "alwaysMatch": options } });
        let session = browser.call("POST", "", wanted).await?;
        let id = session["sessionId"].as_str().ok_or("there is no session")?;
        browser.session = format!("{}/{id}", browser.session);
        Ok(browser)
    }

    /// Calls a command of the session.
    async fn call(&self, method: &str, command: &str, body: Value) -> Result<Value, Failure> {
        let request = self.client.request(method.to_owned(), format!("{}{command}", self.session));
        let request = match body {
            Value::Null => request,
            body => request.json(&body),
        };
        let mut answer = request.timeout(Duration::from_secs(60)).await?;
        let mut told: Value = serde_json::from_slice(&answer.read(32 << 20).await?)?;
        match answer.status().is_success() {
            true => Ok(told["value"].take()),
            false => Err(format!("{method} {command}: {}", told["value"]["message"]).into()),
        }
    }

    async fn open(&self, url: &str) -> Result<(), Failure> {
        self.call("POST", "/url", json!({ "url": url })).await.map(drop)
    }

    async fn eval(&self, expression: &str) -> Result<Value, Failure> {
        let script = json!({ "script": format!("return {expression}"), "args": [] });
        self.call("POST", "/execute/sync", script).await
    }

    async fn wait_for(&self, condition: &str) -> Result<(), Failure> {
        let start = Instant::now();
        while self.eval(condition).await? != true {
            if start.elapsed() > PATIENCE {
                let page = self.eval("document.body.innerText").await?;
                return Err(format!("{condition} does not become true: {page}").into());
            }
            self.ctx.sleep(Duration::from_millis(20)).await?;
        }
        Ok(())
    }

    async fn element(&self, selector: &str) -> Result<String, Failure> {
        let by = json!({ "using": "css selector", "value": selector });
        let found = self.call("POST", "/element", by).await?;
        let id = found.as_object().and_then(|found| found.values().next()).and_then(Value::as_str);
        Ok(id.ok_or("an element without an id")?.to_owned())
    }

    async fn type_into(&self, selector: &str, text: &str) -> Result<(), Failure> {
        let path = format!("/element/{}/value", self.element(selector).await?);
        self.call("POST", &path, json!({ "text": text })).await.map(drop)
    }

    async fn click(&self, selector: &str) -> Result<(), Failure> {
        let path = format!("/element/{}/click", self.element(selector).await?);
        self.call("POST", &path, json!({})).await.map(drop)
    }

    async fn only_window(&self) -> Result<String, Failure> {
        let window = self.call("GET", "/window", Value::Null).await?;
        Ok(window.as_str().ok_or("a window without a handle")?.to_owned())
    }

    async fn new_window(&self) -> Result<String, Failure> {
        let window = self.call("POST", "/window/new", json!({ "type": "window" })).await?;
        Ok(window["handle"].as_str().ok_or("a window without a handle")?.to_owned())
    }

    async fn switch_to(&self, window: &str) -> Result<(), Failure> {
        self.call("POST", "/window", json!({ "handle": window })).await.map(drop)
    }

    async fn close_window(&self) -> Result<(), Failure> {
        self.call("DELETE", "/window", Value::Null).await.map(drop)
    }

    /// Shows the page on a screen of this size, in light and in dark colours: nothing may be wider
    /// than the screen, and what is fixed must be within it. A picture of each is kept.
    async fn look(&self, name: &str, (width, height): (u32, u32)) -> Result<(), Failure> {
        let screen = json!({
            "width": width,
            "height": height,
            "deviceScaleFactor": 1,
            "mobile": width < 500,
        });
        self.emulate("setDeviceMetricsOverride", screen).await?;
        for scheme in ["light", "dark"] {
            let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
            self.emulate("setEmulatedMedia", json!({ "features": features })).await?;
            let picture = self.call("GET", "/screenshot", Value::Null).await?;
            let picture = picture.as_str().and_then(|text| STANDARD.decode(text).ok());
            let picture = picture.ok_or("a picture that is not base64")?;
            let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("browser");
            fs::create_dir_all(&folder)?;
            fs::write(folder.join(format!("{name}-{scheme}.png")), picture)?;
        }
        let wide = self.eval("document.documentElement.scrollWidth > innerWidth").await?;
        expect(&format!("{name} is wider than the screen"), &wide, &json!(false))?;
        let hidden = "Array.from(document.querySelectorAll('button, input')) \
             .filter(it => it.offsetParent) \
             .map(it => [it.id || it.textContent, it.getBoundingClientRect()]) \
             .filter(([, at]) => at.top < 0 || at.left < 0 || at.right > innerWidth || \
                     at.bottom > innerHeight || at.height < 40) \
             .map(([name, at]) => name + JSON.stringify(at))";
        expect(&format!("what is out of reach in {name}"), &self.eval(hidden).await?, &json!([]))
    }

    /// Without a window manager, only Chromium's own protocol sets the size of a screen.
    async fn emulate(&self, command: &str, parameters: Value) -> Result<(), Failure> {
        let call = json!({ "cmd": format!("Emulation.{command}"), "params": parameters });
        self.call("POST", "/goog/cdp/execute", call).await.map(drop)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It fails if it has ended.
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
