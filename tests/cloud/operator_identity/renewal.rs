//! A credential is fetched once for all who wait for it, and anew when the cloud refuses it.

use cce_backup_watch::cloud::credentials::OperatorCredentials;

use super::service::*;

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
