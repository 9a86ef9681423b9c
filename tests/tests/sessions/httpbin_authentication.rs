//! `httpbin`: basic, bearer and digest authentication.

use diesel_proto::testkit::{Answered, Oneshot};
use md5::Digest;
use serde_json::{Value, json};

use crate::httpbin_service as service;

fn ask(target: &str, fields: &[(&str, &str)]) -> Answered {
    let request = fields
        .iter()
        .fold(Oneshot::get(target), |request, (name, value)| request.header(name, value));
    request.send(service())
}

fn field<'a>(answer: &'a Answered, name: &str) -> &'a str {
    answer.headers.get_str(name).unwrap_or_default()
}

#[test]
fn a_basic_login_needs_the_name_and_the_password_of_the_path() {
    let welcome = json!({ "authenticated": true, "user": "ada" });
    for (page, refusal) in [("basic-auth", 401), ("hidden-basic-auth", 404)] {
        let target = format!("/{page}/ada/a%3Ab");
        let login = |told: &str| ask(&target, &[("Authorization", told)]);
        assert_eq!(login("Basic YWRhOmE6Yg==").json::<Value>(), welcome);
        assert_eq!(login("basic  YWRhOmE6Yg==").json::<Value>(), welcome);
        for wrong in ["Basic YWRhOmE6Yw==", "Basic YWRhOmE6Yg", "Bearer YWRhOmE6Yg==", "Basic", ""]
        {
            let answer = login(wrong);
            assert_eq!(answer.status.code(), refusal, "{wrong}");
            let challenge = if refusal == 401 { "Basic realm=\"httpbin\"" } else { "" };
            assert_eq!(field(&answer, "WWW-Authenticate"), challenge);
        }
    }
}

#[test]
fn any_token_is_a_bearer_login() {
    let answer = ask("/bearer", &[("Authorization", "Bearer a.b-c")]);
    assert_eq!(answer.json::<Value>(), json!({ "authenticated": true, "token": "a.b-c" }));
    let answer = ask("/bearer", &[("Authorization", "Basic a")]);
    assert_eq!((answer.status.code(), field(&answer, "WWW-Authenticate")), (401, "Bearer"));
}

type Hash = fn(&str) -> String;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const HASHES: [(&str, Hash); 3] = [
    ("MD5", |text| hex(&md5::Md5::digest(text))),
    ("SHA-256", |text| hex(&sha2::Sha256::digest(text))),
    ("SHA-512", |text| hex(&sha2::Sha512::digest(text))),
];

/// What a client knows after a challenge.
struct Login {
    target: String,
    nonce: String,
    hash: Hash,
    algorithm: &'static str,
    cookies: String,
}

impl Login {
    fn begin(target: &str, algorithm: &'static str, hash: Hash) -> Login {
        let answer = ask(target, &[]);
        assert_eq!(answer.status.code(), 401);
        let challenge = field(&answer, "WWW-Authenticate");
        assert!(challenge.contains(&format!("algorithm={algorithm}, stale=false")), "{challenge}");
        let nonce = challenge.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap();
        let cookies = answer.headers.get_all("Set-Cookie").map(|cookie| {
            std::str::from_utf8(cookie).unwrap().split(';').next().unwrap().to_owned()
        });
        let cookies = cookies.collect::<Vec<_>>().join("; ");
        Login { target: target.into(), nonce: nonce.into(), hash, algorithm, cookies }
    }

    /// The credentials, as RFC 7616, 3.4, has them.
    fn credentials(&self, user: &str, password: &str, qop: &str) -> String {
        let Login { target, nonce, hash, algorithm, .. } = self;
        let secret = hash(&format!("{user}:httpbin:{password}"));
        let about = match qop {
            "auth-int" => hash(&format!("GET:{target}:{}", hash(""))),
            _ => hash(&format!("GET:{target}")),
        };
        let (response, more) = match qop {
            "" => (hash(&format!("{secret}:{nonce}:{about}")), String::new()),
            qop => (
                hash(&format!("{secret}:{nonce}:00000001:c:{qop}:{about}")),
                format!(", qop={qop}, nc=00000001, cnonce=\"c\""),
            ),
        };
        format!(
            "Digest username=\"{user}\", realm=\"httpbin\", nonce=\"{nonce}\", uri=\"{target}\", \
             algorithm={algorithm}, response=\"{response}\"{more}"
        )
    }

    fn send(&self, credentials: &str) -> Answered {
        ask(&self.target, &[("Authorization", credentials), ("Cookie", &self.cookies)])
    }
}

#[test]
fn a_digest_login_knows_the_password() {
    for (algorithm, hash) in HASHES {
        for (asked, used) in
            [("auth", "auth"), ("auth-int", "auth-int"), ("any", "auth"), ("any", "")]
        {
            let target = format!("/digest-auth/{asked}/ada/secret/{algorithm}");
            let login = Login::begin(&target, algorithm, hash);
            let answer = login.send(&login.credentials("ada", "secret", used));
            let welcome = json!({ "authenticated": true, "user": "ada" });
            assert_eq!(answer.json::<Value>(), welcome, "{target} {used}");
            for (user, password) in [("ada", "Secret"), ("eve", "secret")] {
                let answer = login.send(&login.credentials(user, password, used));
                assert_eq!(answer.status.code(), 401, "{target} {used}");
            }
            let elsewhere = login.credentials("ada", "secret", used).replace("/ada/", "/eve/");
            assert_eq!(login.send(&elsewhere).status.code(), 401);
        }
    }
}

#[test]
fn a_challenge_names_what_the_path_asks_for() {
    let challenge = |target: &str| field(&ask(target, &[]), "WWW-Authenticate").to_owned();
    assert!(challenge("/digest-auth/auth/a/b").contains("qop=\"auth\", algorithm=MD5"));
    assert!(
        challenge("/digest-auth/x/a/b/SHA-1").contains("qop=\"auth, auth-int\", algorithm=MD5")
    );
    // A name with a quote in it, as clients write it.
    let (algorithm, hash) = HASHES[1];
    let login = Login::begin("/digest-auth/auth/a%22b/c/SHA-256", algorithm, hash);
    let told = login.credentials("a\"b", "c", "auth").replace("a\"b", "a\\\"b");
    assert_eq!(login.send(&told).status.code(), 200);
}

#[test]
fn a_nonce_is_stale_after_so_many_requests() {
    let (algorithm, hash) = HASHES[0];
    let mut login = Login::begin("/digest-auth/auth/ada/secret/MD5/1", algorithm, hash);
    let told = login.credentials("ada", "secret", "auth");
    let answer = login.send(&told);
    assert_eq!(answer.status.code(), 200);
    let left =
        answer.headers.get_all("Set-Cookie").any(|cookie| cookie == b"stale_after=0; Path=/");
    assert!(left, "{answer:?}");
    login.cookies = "stale_after=0; fake=fake_value".into();
    let answer = login.send(&told);
    assert_eq!(answer.status.code(), 401);
    assert!(field(&answer, "WWW-Authenticate").ends_with("stale=true"));
    // A nonce that was refused is not accepted later.
    login.cookies = format!("last_nonce={}", login.nonce);
    assert!(field(&login.send(&told), "WWW-Authenticate").ends_with("stale=true"));
}

#[test]
fn a_client_can_be_made_to_send_the_cookies_of_the_challenge() {
    let target = "/digest-auth/auth/ada/secret?require-cookie=1";
    let (algorithm, hash) = HASHES[0];
    let mut login = Login::begin(target, algorithm, hash);
    let told = login.credentials("ada", "secret", "auth");
    assert_eq!(login.send(&told).status.code(), 200);
    login.cookies = "other=1".into();
    assert_eq!(login.send(&told).status.code(), 403);
    assert_eq!(ask(target, &[("Authorization", &told)]).status.code(), 401);
}
