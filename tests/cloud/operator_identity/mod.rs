//! The operator's own identity over real HTTP: every source, its order, its renewal and its failures.

mod renewal;
mod service;

use std::time::Instant;

use cce_backup_watch::cloud::{
    credentials::{OperatorCredentials, OperatorIdentities},
    fault::FaultKind,
    region::{Endpoints, RegionEndpoint},
    target::Region,
};

use service::*;

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
    assert!(
        fault.message.starts_with("no credential is set in the environment (HUAWEICLOUD_SDK_AK"),
        "{fault}"
    );
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
    let log = crate::captured_log::so_far();
    assert!(log.contains("reqwest::") && log.contains("took the operator's own credential"));
    let leak = log.lines().find(|line| line.contains("CANARY"));
    assert_eq!(leak, None);
}
