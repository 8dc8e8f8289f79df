//! Decoding an answer takes, with the answer itself, at most four times its size, whatever its shape and nesting. Measured
//! by an allocator that counts, and not by a clock; the program has one test, so that nobody else allocates meanwhile.

use cce_backup_watch::cloud::{clusters, refusal, target::ClusterType, upgrades, wire};
use jiff::Timestamp;
use peak_alloc::PeakAlloc;
use reqwest::header::HeaderMap;

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

const MIB: usize = 1024 * 1024;
/// Below this the few kilobytes that decoding takes by itself count for more than the answer.
const SMALL: usize = 64 * 1024;

/// What a call takes beyond what there was before the answer, as a multiple of the answer.
#[allow(clippy::cast_precision_loss)] // a factor for people
fn factor(mut body: Vec<u8>, decode: impl FnOnce(&mut [u8])) -> f64 {
    body.shrink_to_fit();
    let before = ALLOCATED.current_usage() - body.len();
    ALLOCATED.reset_peak_usage();
    decode(&mut body);
    (ALLOCATED.peak_usage() - before) as f64 / body.len() as f64
}

/// The answers of about this size that cost most: the name of the shape, and the body.
fn shapes(size: usize) -> Vec<(&'static str, String)> {
    // `pieces` between the two, as often as they fit; `#` in a piece is a number.
    let many = |begin: &str, piece: &str, end: &str| {
        let mut body = begin.to_owned();
        let mut n = 0;
        while body.len() + piece.len() + 8 + end.len() < size {
            if n > 0 {
                body.push(',');
            }
            body.push_str(&piece.replace('#', &n.to_string()));
            n += 1;
        }
        body + end
    };
    let list = |piece: &str| many("{\"items\":[", piece, "]}");
    let id = "\"uid\":\"11111111-2222-3333-4444-5555#\"";
    let task = "{\"kind\":\"SnapshotTask\",\"apiVersion\":\"v3.1\",\"metadata\":{\"uid\":\"87d326f9-46b0-486e-a4ba-#\",\
                \"creationTimestamp\":\"2023-11-25 17:03:46.739012 +0800 CST\",\"updateTimestamp\":\"2023-11-25 17:03:46.7 +0800 CST\"},\
                \"spec\":{\"items\":[{\"id\":\"e#\",\"type\":\"master-backup\",\"status\":\"Success\",\"message\":\"\"}]},\
                \"status\":{\"phase\":\"Success\",\"progress\":\"100\",\"completionTime\":\"2023-11-25 17:03:46.739027 +0800 CST\"}}";
    let parts = vec!["{\"id\":\"a\"}"; 32].join(",");
    let deletes = "\u{7f}".repeat(128);
    let long = size - 64;
    vec![
        ("tasks as the cloud lists them", list(task)),
        ("an array of objects with an empty key", many("[", "{\"\":0}", "]")),
        ("entries with an empty key", list("{\"\":0}")),
        ("empty entries", list("{}")),
        ("numbers", list("0")),
        ("empty strings", list("\"\"")),
        ("fields", many("{\"items\":[],", "\"#\":0", "}")),
        ("tasks with nothing but a uid", list("{\"metadata\":{\"uid\":\"#\"}}")),
        ("tasks of one uid", list("{\"metadata\":{\"uid\":\"a\"}}")),
        ("tasks with a short phase", list("{\"metadata\":{\"uid\":\"#\"},\"status\":{\"phase\":\"a\"}}")),
        (
            "small parts of one task",
            many(
                "{\"items\":[{\"metadata\":{\"uid\":\"a\"},\"spec\":{\"items\":[",
                "{\"id\":\"a\"}",
                "]}}]}",
            ),
        ),
        (
            "small parts of many tasks",
            list(&format!("{{\"metadata\":{{\"uid\":\"#\"}},\"spec\":{{\"items\":[{parts}]}}}}")),
        ),
        (
            "characters that grow when they are cleaned",
            list(&format!(
                "{{\"metadata\":{{\"uid\":\"{}#\"}},\"spec\":{{\"items\":[{{\"id\":\"{deletes}\",\"message\":\"{deletes}{deletes}\"}}]}}}}",
                &deletes[8..]
            )),
        ),
        (
            "one long phase with an escape",
            format!("{{\"items\":[{{\"metadata\":{{\"uid\":\"\\n{}\"}}}}]}}", "x".repeat(long)),
        ),
        (
            "one long phase of escapes",
            format!("{{\"items\":[{{\"metadata\":{{\"uid\":\"{}\"}}}}]}}", "\\u0041".repeat(long / 6)),
        ),
        ("one long key with an escape", format!("{{\"\\n{}\":1}}", "x".repeat(long))),
        ("one long string that does not end", format!("{{\"kind\":\"\\n{}", "x".repeat(long))),
        ("nesting", format!("{{\"x\":{}{}}}", "[".repeat(long / 2), "]".repeat(long / 2))),
        ("nesting of objects", "{\"\":".repeat(size / 5)),
        ("nesting that does not end", "[".repeat(size)),
        ("many nested values", list(&format!("{}{}", "[".repeat(100), "]".repeat(100)))),
        ("error codes", many("{", "\"errorCode\":\"CCE.#\"", "}")),
        ("errors within an error", "{\"error\":".repeat(size / 9)),
        (
            "upgrades of empty steps",
            list(&format!(
                "{{\"metadata\":{{\"uid\":\"#\"}},\"status\":{{\"pointStatuses\":[{}]}}}}",
                vec!["{}"; 32].join(",")
            )),
        ),
        ("clusters with nothing but an id", list(&format!("{{\"metadata\":{{{id}}}}}"))),
        (
            "clusters of many tags",
            list(&format!("{{\"metadata\":{{{id}}},\"spec\":{{\"clusterTags\":[{}]}}}}", many_tags(200))),
        ),
        (
            "one cluster of tags",
            many(
                &format!("{{\"items\":[{{\"metadata\":{{{id}}},\"spec\":{{\"clusterTags\":["),
                "{\"key\":\"#\"}",
                "]}}]}",
            ),
        ),
    ]
}

fn many_tags(count: usize) -> String {
    (0..count).map(|n| format!("{{\"key\":\"{n}\"}}")).collect::<Vec<_>>().join(",")
}

#[test]
fn whatever_is_answered_takes_at_most_four_times_its_size() {
    let now = Timestamp::UNIX_EPOCH;
    let mut worst: Vec<(f64, String)> = Vec::new();
    let mut note = |what: String, factor: f64| worst.push((factor, what));
    for size in [SMALL, MIB / 4, MIB] {
        for (shape, body) in shapes(size) {
            let tasks = factor(body.clone().into_bytes(), |body| drop(wire::decode(body)));
            note(format!("tasks: {size} bytes of {shape}"), tasks);
            let listed = factor(body.clone().into_bytes(), |body| {
                drop(clusters::decode(body, ClusterType::Standard));
            });
            note(format!("clusters: {size} bytes of {shape}"), listed);
            let upgrades = factor(body.clone().into_bytes(), |body| drop(upgrades::decode(body)));
            note(format!("upgrades: {size} bytes of {shape}"), upgrades);
            // Of an error no more is read.
            if size == SMALL {
                let error =
                    factor(body.into_bytes(), |body| drop(refusal::fault(400, &HeaderMap::new(), body, now)));
                note(format!("an error: {size} bytes of {shape}"), error);
            }
        }
    }
    // Tasks of a few bytes each are too many to keep: the newest are there, and the others are counted.
    let (_, body) =
        shapes(MIB).into_iter().find(|(shape, _)| *shape == "tasks with nothing but a uid").unwrap();
    let mut body = body.into_bytes();
    let listed = body.split(|byte| *byte == b'}').count() / 2 - 1;
    let answer = wire::decode(&mut body).unwrap();
    assert_eq!(answer.tasks.len() + answer.dropped, listed);
    assert_eq!(answer.tasks.len(), 2_000);

    // As many clusters as an account may have, each with annotations, and one that is longer than all.
    let cluster = |n: usize, padding: usize| {
        format!(
            "{{\"metadata\":{{\"name\":\"c{n}\",\"uid\":\"{n:08x}-2222-3333-4444-555555555555\",\"annotations\":{{\"a\":\"{}\"}}}},\
             \"spec\":{{\"version\":\"v1.33\",\"clusterTags\":[{{\"key\":\"team\",\"value\":\"a\"}}]}},\"status\":{{\"phase\":\"Available\"}}}}",
            "\\\"".repeat(padding / 2)
        )
    };
    let clusters: Vec<_> = (0..15).map(|n| cluster(n, MIB - 4_096)).chain([cluster(15, MIB + 1)]).collect();
    let body = format!("{{\"kind\":\"Cluster\",\"items\":[{}]}}", clusters.join(","));
    drop(clusters);
    let listed = factor(body.into_bytes(), |body| {
        let list = clusters::decode(body, ClusterType::Standard).unwrap();
        assert_eq!((list.clusters.len(), list.left_out.len()), (15, 1));
        assert_eq!(list.left_out[0].name.as_deref(), Some("c15"));
        assert_eq!(list.clusters[0].tags["team"], "a");
    });
    note("clusters: sixteen megabytes of annotations".to_owned(), listed);

    worst.sort_by(|a, b| b.0.total_cmp(&a.0));
    for (factor, what) in worst.iter().take(12) {
        println!("{factor:.2} {what}");
    }
    assert!(worst[0].0 <= 4.0, "{:.2} times its size: {}", worst[0].0, worst[0].1);
}
