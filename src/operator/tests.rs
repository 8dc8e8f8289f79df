use super::*;

fn stop(told: bool) -> Signal {
    let stop = if told { async {}.boxed() } else { std::future::pending().boxed() };
    stop.shared()
}

#[tokio::test]
async fn a_controller_that_ends_unasked_ends_the_process() {
    let controllers = || vec![std::future::pending().boxed(), async {}.boxed()];
    assert!(matches!(until_stopped(controllers(), stop(false)).await, Err(Error::Ended("a controller"))));
}

#[tokio::test]
async fn told_to_stop_it_waits_for_every_controller() {
    let (done, waits) = tokio::sync::oneshot::channel::<()>();
    let late = async { waits.await.unwrap() }.boxed();
    let mut ended = std::pin::pin!(until_stopped(vec![late, async {}.boxed()], stop(true)));
    assert!(ended.as_mut().now_or_never().is_none());
    done.send(()).unwrap();
    assert!(ended.await.is_ok());
}
