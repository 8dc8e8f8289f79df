//! Which resources an operator works on: those that match its label selector.

use cbw_testkit::{
    operator::Operator,
    scene::{Scene, ready, says},
    trial::tests,
    wait::{LIMIT, holds},
};
use serde_json::{Value, json};

tests![
    only_watches_with_the_label_are_taken_on,
    a_watch_that_has_lost_its_label_and_has_it_again_is_taken_on_again
];

async fn only_watches_with_the_label_are_taken_on(scene: Scene) {
    scene.task("Success", 100);
    scene.watch("ours", json!({})).await;
    scene.watch("theirs", json!({})).await;
    let operator = Operator::start(&scene, &["--watch-label-selector", "team=platform"]).await;
    scene.change("ours", json!({ "metadata": { "labels": { "team": "platform" } } })).await;
    scene.shows("ours", "polled", |status| ready(status) == "True Polled").await;
    assert_eq!(says(&scene.status("theirs").await, "Ready"), "", "nobody has looked at it");

    // It is taken on as soon as it has the label.
    scene.change("theirs", json!({ "metadata": { "labels": { "team": "platform" } } })).await;
    scene.shows("theirs", "polled", |status| ready(status) == "True Polled").await;
    drop(operator);
}

async fn a_watch_that_has_lost_its_label_and_has_it_again_is_taken_on_again(scene: Scene) {
    let label = async |team: Value| {
        scene.change("prod", json!({ "metadata": { "labels": { "team": team } } })).await;
    };
    scene.task("Running", 10);
    scene.watch("prod", json!({})).await;
    label(json!("platform")).await;
    let operator = Operator::start(&scene, &["--watch-label-selector", "team=platform"]).await;
    scene.shows("prod", "10 %", |status| status.progress == Some(10)).await;

    label(Value::Null).await;
    let known = format!(r#"suspended{{namespace="{}",name="prod"}}"#, scene.namespace);
    holds("it has heard", LIMIT, async || operator.metric(&known).await.is_none()).await;
    scene.task("Running", 20);
    label(json!("platform")).await;
    scene.shows("prod", "20 %", |status| status.progress == Some(20)).await;
}
