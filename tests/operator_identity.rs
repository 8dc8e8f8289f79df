//! The operator's own identity over real HTTP: every source, its order, its renewal and its failures.

mod captured_log;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use cce_backup_watch::cloud::{
    credentials::{Environment, OperatorCredentials, OperatorIdentities, OperatorIdentity, SourceConfig},
    fault::FaultKind,
    region::{Endpoints, RegionEndpoint},
    target::Region,
};
use jiff::{SignedDuration, Timestamp};

/// One request as the service saw it.
#[derive(Clone, Debug)]
struct Asked {
    what: String,
    headers: HeaderMap,
    body: String,
}

/// Plays IAM, the pod identity agent and the metadata service alike.
#[derive(Clone)]
struct Service {
    url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    /// What to answer next; the last answer is repeated.
    answers: Arc<Mutex<HashMap<String, Answers>>>,
}

type Answers = Vec<(u16, String)>;

impl Service {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let service = Self { url, asked: Arc::default(), answers: Arc::default() };
        let app = Router::new().fallback(answer).with_state(service.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        service
    }

    fn will(&self, what: &str, answers: &[(u16, &str)]) {
        let answers = answers.iter().map(|(status, body)| (*status, (*body).to_owned())).collect();
        self.answers.lock().unwrap().insert(what.to_owned(), answers);
    }

    /// The requests since the last call.
    fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    fn whats(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.what).collect()
    }
}

async fn answer(
    State(service): State<Service>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let what = format!("{method} {}", uri.path());
    let body = String::from_utf8(body.to_vec()).unwrap();
    service.asked.lock().unwrap().push(Asked { what: what.clone(), headers, body });
    let (status, body) = match service.answers.lock().unwrap().get_mut(&what) {
        Some(answers) if answers.len() > 1 => answers.remove(0),
        Some(answers) => answers[0].clone(),
        None => (404, String::new()),
    };
    if body == "hang" {
        std::future::pending::<()>().await;
    }
    (StatusCode::from_u16(status).unwrap(), [("x-subject-token", "SUBJECT")], body).into_response()
}

const TOKEN: &str = "PUT /meta-data/latest/api/token";
const KEY: &str = "GET /openstack/latest/securitykey";
const ID_TOKEN: &str = "POST /v3.0/OS-AUTH/id-token/tokens";
const SECURITY_TOKENS: &str = "POST /v3.0/OS-CREDENTIAL/securitytokens";
const POD: &str = "POST /v1/credentials";

fn now() -> Timestamp {
    "2023-11-25T09:00:00Z".parse().unwrap()
}

fn after(minutes: i64) -> Timestamp {
    now() + SignedDuration::from_mins(minutes)
}

/// As IAM and the metadata service spell it, with an end so many minutes from now.
fn issued(key: &str, minutes: i64) -> String {
    let end = after(minutes);
    format!(
        r#"{{"credential":{{"access":"{key}","secret":"s-{key}","securitytoken":"t-{key}","expires_at":"{end}"}}}}"#
    )
}

/// As the pod identity agent spells it.
fn pod_issued(key: &str, minutes: i64) -> String {
    let end = after(minutes);
    format!(
        r#"{{"credentials":{{"accessKeyId":"{key}","secretAccessKey":"s","securityToken":"t","expiration":"{end}"}}}}"#
    )
}

/// A file of this test's own.
fn token_file(test: &str, token: &str) -> String {
    let path = std::env::temp_dir().join(format!("cbw-{test}-{}", std::process::id()));
    std::fs::write(&path, token).unwrap();
    path.to_str().unwrap().to_owned()
}

fn config(
    choice: OperatorCredentials,
    service: &Service,
    variables: &[(&'static str, String)],
) -> SourceConfig {
    let _ = rustls::crypto::ring::default_provider().install_default();
    captured_log::so_far();
    let variables: HashMap<_, _> = variables.iter().cloned().collect();
    SourceConfig {
        choice,
        environment: Environment::new(move |name| variables.get(name).cloned()),
        request_timeout: Duration::from_secs(20),
        iam: service.url.clone(),
        ..SourceConfig::default()
    }
}

fn identity(
    choice: OperatorCredentials,
    service: &Service,
    variables: &[(&'static str, String)],
) -> OperatorIdentity {
    OperatorIdentity::with_metadata_url(config(choice, service, variables), &service.url).unwrap()
}

async fn name(identity: &OperatorIdentity, minutes: i64) -> Result<String, FaultKind> {
    identity.credential(after(minutes)).await.map(|read| read.id.0).map_err(|fault| fault.kind)
}

#[tokio::test]
async fn pod_identity_sends_the_pods_token_and_reads_it_anew_each_time() {
    let service = Service::start().await;
    let file = token_file("pod", "first\n");
    let variables = [
        ("HC_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/v1/credentials", service.url)),
        ("HC_CONTAINER_AUTHORIZATION_TOKEN_FILE", file.clone()),
    ];
    let operator = identity(OperatorCredentials::PodIdentity, &service, &variables);
    service.will(POD, &[(200, &pod_issued("a", 60)), (200, &pod_issued("b", 120))]);
    assert_eq!(name(&operator, 0).await.unwrap(), "operator#1");
    assert_eq!(name(&operator, 29).await.unwrap(), "operator#1");
    std::fs::write(&file, "second").unwrap();
    assert_eq!(name(&operator, 30).await.unwrap(), "operator#2");
    let asked = service.asked();
    let sent: Vec<_> =
        asked.iter().map(|a| (a.headers["authorization"].to_str().unwrap(), a.body.as_str())).collect();
    assert_eq!(sent, [("first", "{}"), ("second", "{}")]);

    // The file goes away: the credential stays until its end.
    std::fs::remove_file(&file).unwrap();
    assert_eq!(name(&operator, 119).await.unwrap(), "operator#2");
    assert_eq!(name(&operator, 120).await, Err(FaultKind::SecretInvalid));
    assert_eq!(service.whats(), Vec::<String>::new());
}

#[tokio::test]
async fn oidc_trades_the_identity_token_in_two_steps() {
    let service = Service::start().await;
    let file = token_file("oidc", "eyJ.id.token");
    let variables = [
        ("HUAWEICLOUD_SDK_IDP_ID", "idp-1".to_owned()),
        ("HUAWEICLOUD_SDK_ID_TOKEN_FILE", file.clone()),
        ("HUAWEICLOUD_SDK_IAM_ENDPOINT", service.url.clone()),
    ];
    let operator = identity(OperatorCredentials::Oidc, &service, &variables);
    service.will(ID_TOKEN, &[(201, "{}")]);
    service.will(SECURITY_TOKENS, &[(201, &issued("a", 360))]);
    let credential = operator.credential(now()).await.unwrap().credential;
    assert_eq!(format!("{credential:?}"), "Credential { .. }");
    let asked = service.asked();
    let [first, second] = &asked[..] else { panic!("{asked:?}") };
    assert_eq!((first.what.as_str(), second.what.as_str()), (ID_TOKEN, SECURITY_TOKENS));
    assert_eq!(first.headers["x-idp-id"], "idp-1");
    assert_eq!(first.body, r#"{"auth":{"id_token":{"id":"eyJ.id.token"}}}"#);
    assert_eq!(second.headers["x-auth-token"], "SUBJECT");
    assert!(
        second.body.contains(r#""methods":["token"]"#) && second.body.contains("21600"),
        "{}",
        second.body
    );
    std::fs::remove_file(&file).unwrap();
}

#[tokio::test]
async fn an_identity_token_is_traded_at_the_iam_of_the_region_unless_one_is_named() {
    let file = token_file("regions", "eyJ.id.token");
    let (one, other, named) = (Service::start().await, Service::start().await, Service::start().await);
    for service in [&one, &other, &named] {
        service.will(ID_TOKEN, &[(201, "{}")]);
        service.will(SECURITY_TOKENS, &[(201, &issued("a", 360))]);
    }
    let federated =
        vec![("HUAWEICLOUD_SDK_IDP_ID", "idp-1".to_owned()), ("HUAWEICLOUD_SDK_ID_TOKEN_FILE", file.clone())];
    let fixed = [federated.clone(), vec![("HUAWEICLOUD_SDK_IAM_ENDPOINT", named.url.clone())]].concat();
    let keys = vec![("HUAWEICLOUD_SDK_AK", "static".to_owned()), ("HUAWEICLOUD_SDK_SK", "secret".to_owned())];
    let both = [federated.clone(), keys].concat();
    let regions = ["one-1", "other-1", "one-1"].map(|region| Region::parse(region).unwrap());
    let services = [("one", &one), ("other", &other), ("named", &named)];
    // Who was asked since the last call.
    let asked = || {
        let busy = services.iter().filter(|(_, service)| !service.asked().is_empty());
        busy.map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    };
    for (choice, variables, first, again) in [
        (OperatorCredentials::Oidc, &federated, ["one", "other", ""], "other"),
        (OperatorCredentials::Auto, &federated, ["one", "other", ""], "other"),
        (OperatorCredentials::Oidc, &fixed, ["named", "", ""], "named"),
        (OperatorCredentials::Auto, &both, ["", "", ""], ""),
    ] {
        let moved = [format!("one-1={}", one.url), format!("other-1={}", other.url)];
        let endpoints = Endpoints::new(moved.map(|flag| flag.parse::<RegionEndpoint>().unwrap())).unwrap();
        let operator = OperatorIdentities::new(config(choice, &named, variables), endpoints).unwrap();
        let mut ids = Vec::new();
        for (region, expected) in regions.iter().zip(first) {
            ids.push(operator.of(region).credential(now()).await.unwrap().id);
            assert_eq!(asked(), expected, "{choice:?}, {region}");
        }
        let regional = first[1] == "other";
        assert_eq!((ids[0] == ids[2], ids[0] != ids[1]), (true, regional), "{choice:?}: {ids:?}");

        // A refusal reaches the identity that handed the credential out, and no other.
        operator.refused(&ids[1], after(5));
        for region in &regions {
            operator.of(region).credential(after(5)).await.unwrap();
        }
        assert_eq!(asked(), again, "{choice:?}");
    }
    std::fs::remove_file(&file).unwrap();
}

#[tokio::test]
async fn the_metadata_services_token_is_used_where_there_is_one_and_renewed_once() {
    let service = Service::start().await;
    let key = issued("a", 360);
    for (token, keys, asked, works) in [
        (vec![(200, "tok")], vec![(200, key.as_str())], vec![TOKEN, KEY], true),
        (vec![(404, "")], vec![(200, &key)], vec![TOKEN, KEY], true),
        (vec![(405, "")], vec![(200, &key)], vec![TOKEN, KEY], true),
        (vec![(503, "")], vec![(200, &key)], vec![TOKEN, KEY], true),
        (vec![(200, "old"), (200, "tok")], vec![(401, ""), (200, &key)], vec![TOKEN, KEY, TOKEN, KEY], true),
        (vec![(200, "tok")], vec![(401, "")], vec![TOKEN, KEY, TOKEN, KEY], false),
        (vec![(403, "")], vec![(200, &key)], vec![TOKEN], false),
    ] {
        service.will(TOKEN, &token);
        service.will(KEY, &keys);
        let operator = identity(OperatorCredentials::Metadata, &service, &[]);
        let expected = if works { Ok("operator#1".to_owned()) } else { Err(FaultKind::AuthenticationFailed) };
        assert_eq!(name(&operator, 0).await, expected, "{token:?} {keys:?}");
        let seen = service.asked();
        assert_eq!(seen.iter().map(|a| a.what.as_str()).collect::<Vec<_>>(), asked);
        assert_eq!(seen[0].headers["x-metadata-token-ttl-seconds"], "21600");
        if token[0].0 == 200 {
            let last = token.last().unwrap().1;
            assert_eq!(seen.last().unwrap().headers["x-metadata-token"], last);
        } else if works {
            assert!(!seen[1].headers.contains_key("x-metadata-token"));
        }
    }
}

#[tokio::test]
async fn a_silent_metadata_service_costs_three_seconds_and_then_nothing_for_a_while() {
    let service = Service::start().await;
    service.will(TOKEN, &[(200, "hang")]);
    let operator = identity(OperatorCredentials::Auto, &service, &[]);
    let start = Instant::now();
    let fault = operator.credential(now()).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::CloudUnavailable);
    assert!(fault.message.starts_with("no credential is set in the environment, and "), "{fault}");
    assert!((2..15).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    for _ in 0..1_000 {
        assert_eq!(operator.credential(now()).await.unwrap_err(), fault);
    }
    assert_eq!(service.whats(), [TOKEN]);
}

#[tokio::test]
async fn auto_takes_the_first_source_that_is_set_up_and_never_passes_over_its_failure() {
    let service = Service::start().await;
    let file = token_file("auto", "token");
    service.will(TOKEN, &[(404, "")]);
    service.will(KEY, &[(200, &issued("a", 360))]);
    service.will(ID_TOKEN, &[(401, "")]);
    service.will(POD, &[(500, "")]);
    let environment =
        [("HUAWEICLOUD_SDK_AK", "ak".to_owned()), ("HUAWEICLOUD_SDK_SK", "sk".to_owned())].to_vec();
    let pod = [
        ("HC_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/v1/credentials", service.url)),
        ("HC_CONTAINER_AUTHORIZATION_TOKEN_FILE", file.clone()),
    ]
    .to_vec();
    let oidc = [("HUAWEICLOUD_SDK_IDP_ID", "i".to_owned()), ("HUAWEICLOUD_SDK_ID_TOKEN_FILE", file.clone())]
        .to_vec();
    let works = Ok("operator#1".to_owned());
    for (variables, expected, asked) in [
        (vec![], works.clone(), vec![TOKEN, KEY]),
        (oidc.clone(), Err(FaultKind::AuthenticationFailed), vec![ID_TOKEN]),
        ([&oidc[..], &pod].concat(), Err(FaultKind::CloudUnavailable), vec![POD]),
        ([&oidc[..], &pod, &environment].concat(), works, vec![]),
        ([&oidc[..], &pod, &environment[..1]].concat(), Err(FaultKind::SecretInvalid), vec![]),
    ] {
        let operator = identity(OperatorCredentials::Auto, &service, &variables);
        assert_eq!(name(&operator, 0).await, expected);
        assert_eq!(service.whats(), asked);
    }
    std::fs::remove_file(&file).unwrap();
}

#[tokio::test]
async fn a_chosen_source_that_is_not_set_up_says_what_is_missing_and_none_means_none() {
    let service = Service::start().await;
    for (choice, kind, missing) in [
        (OperatorCredentials::Environment, FaultKind::SecretInvalid, "HUAWEICLOUD_SDK_AK is not set"),
        (
            OperatorCredentials::PodIdentity,
            FaultKind::SecretInvalid,
            "HC_CONTAINER_CREDENTIALS_FULL_URI is not set",
        ),
        (OperatorCredentials::Oidc, FaultKind::SecretInvalid, "HUAWEICLOUD_SDK_IDP_ID is not set"),
        (
            OperatorCredentials::None,
            FaultKind::CredentialsNotAllowed,
            "the operator has no credential of its own",
        ),
    ] {
        let fault = identity(choice, &service, &[]).credential(now()).await.unwrap_err();
        assert_eq!(fault.kind, kind);
        assert!(fault.message.starts_with(missing), "{fault}");
    }
    assert_eq!(service.whats(), Vec::<String>::new());
    service.will(TOKEN, &[(404, "")]);
    let fault = identity(OperatorCredentials::Metadata, &service, &[]).credential(now()).await.unwrap_err();
    assert_eq!((fault.kind, fault.http_status), (FaultKind::CredentialsNotAllowed, Some(404)));
}

#[tokio::test]
async fn an_identity_provider_that_no_header_can_carry_is_not_blamed_on_iam() {
    let (service, file) = (Service::start().await, token_file("provider", "token"));
    let variables =
        [("HUAWEICLOUD_SDK_IDP_ID", "idp\n1".to_owned()), ("HUAWEICLOUD_SDK_ID_TOKEN_FILE", file.clone())];
    let operator = identity(OperatorCredentials::Oidc, &service, &variables);
    let fault = operator.credential(now()).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::SecretInvalid);
    assert!(fault.message.starts_with("HUAWEICLOUD_SDK_IDP_ID "), "{fault}");
    assert_eq!(service.whats(), Vec::<String>::new());
    std::fs::remove_file(&file).unwrap();
}

#[tokio::test]
async fn a_hundred_watches_share_one_fetch_and_a_renewal_stops_nobody() {
    let service = Service::start().await;
    service.will(TOKEN, &[(404, "")]);
    service.will(KEY, &[(200, &issued("a", 360)), (500, ""), (200, &issued("b", 720))]);
    let operator = identity(OperatorCredentials::Metadata, &service, &[]);
    let all = async |minutes| {
        let mut names = futures::future::join_all((0..100).map(|_| name(&operator, minutes))).await;
        names.sort_by_key(|name| format!("{name:?}"));
        names.dedup();
        (names, service.whats().len())
    };
    let (a, b) = (Ok("operator#1".to_owned()), Ok("operator#2".to_owned()));
    assert_eq!(all(0).await, (vec![a.clone()], 2));
    assert_eq!(all(319).await, (vec![a.clone()], 0));
    assert_eq!(all(320).await, (vec![a.clone()], 2), "the renewal failed once");
    assert_eq!(all(321).await, (vec![a, b.clone()], 2), "who came first has the new one");
    assert_eq!(all(322).await, (vec![b], 0));
}

#[tokio::test]
async fn a_revoked_credential_is_replaced_once_the_cloud_refuses_it() {
    let service = Service::start().await;
    service.will(TOKEN, &[(404, "")]);
    service.will(KEY, &[(200, &issued("a", 360)), (200, &issued("b", 720))]);
    let operator = identity(OperatorCredentials::Metadata, &service, &[]);
    let first = operator.credential(now()).await.unwrap().id;
    operator.refused(&first, after(5));
    let second = operator.credential(after(5)).await.unwrap().id;
    assert_ne!(first, second);
    operator.refused(&first, after(60));
    assert_eq!(operator.credential(after(60)).await.unwrap().id, second);
}

#[tokio::test]
async fn no_token_and_no_key_is_found_in_any_log_or_fault() {
    let service = Service::start().await;
    let file = token_file("canary", "CANARY-TOKEN");
    let variables = [
        ("HC_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/v1/credentials", service.url)),
        ("HC_CONTAINER_AUTHORIZATION_TOKEN_FILE", file.clone()),
        ("HUAWEICLOUD_SDK_IDP_ID", "idp-1".to_owned()),
        ("HUAWEICLOUD_SDK_ID_TOKEN_FILE", file.clone()),
    ];
    let good = issued("CANARY-KEY", 360);
    for (status, body) in
        [(200, good.as_str()), (200, "CANARY"), (401, "CANARY"), (500, &good), (302, "CANARY")]
    {
        for what in [TOKEN, KEY, ID_TOKEN, SECURITY_TOKENS, POD] {
            service.will(what, &[(status, body)]);
        }
        if status == 200 {
            service.will(TOKEN, &[(200, "CANARY-METADATA-TOKEN")]);
        }
        for choice in
            [OperatorCredentials::PodIdentity, OperatorCredentials::Oidc, OperatorCredentials::Metadata]
        {
            let operator = identity(choice, &service, &variables);
            // Watches run on several threads.
            let got = tokio::spawn(async move { operator.credential(now()).await }).await.unwrap();
            assert_eq!(got.is_ok(), body == good && status == 200, "{choice:?} {status} {got:?}");
            assert!(!format!("{got:?}").contains("CANARY"), "{got:?}");
        }
    }
    std::fs::remove_file(&file).unwrap();
    let log = captured_log::so_far();
    assert!(log.contains("reqwest::") && log.contains("took the operator's own credential"));
    let leak = log.lines().find(|line| line.contains("CANARY"));
    assert_eq!(leak, None);
}
