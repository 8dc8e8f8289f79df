//! What stays in a recording: the words of the API, and those with which any service explains a fault.

/// Fields whose value is one of the API's own words. Which words these are is what a recording is made for.
pub(super) const VOCABULARY: [&str; 15] = [
    "apiVersion",
    "clusterVersion",
    "code",
    "errorCode",
    "error_code",
    "kind",
    "phase",
    "progress",
    "reason",
    "stepPhase",
    "status",
    "targetVersion",
    "taskType",
    "type",
    "version",
];
/// Objects whose keys are a user's own.
pub(super) const USERS: [&str; 4] = ["annotations", "labels", "matchLabels", "tags"];
/// The words that stay in a text.
pub(super) const WORDS: &str = "a able about access account action after again agent all allow allowed already also an and another any api are \
    as at auth authentication available aksk backup backups bad be because been before being body but by call can cannot cce center \
    change check client clock cluster clusters code complete completed concurrent conflict connection contact control could create \
    created credential current data date deleted deleting denied disk do does done due during empty end endpoint error etcd exceed \
    exceeded exist existed exists expire expired fail failed failure field file for forbidden format found from frozen full gateway \
    get has have header hibernating hibernation html http id if in inner internal invalid is it item items job json key last later \
    limit list lock locked made many master max maximum message method missing more must name network no node not null number object \
    of on one only operation or other out parameter parameters path pending permission please policy progress project quota rate \
    read ready reason refused region reject rejected repeat request requests required resource resources restricted retry role \
    rollback running schema secret server service services signature signed size snapshot space started state status still storage \
    stop success successful support supported system task tasks temporarily than that the then there this throttled throttling time \
    timed timeout to token too try type unable unauthorized unavailable under unknown unsupported until update upgrade upgrading use \
    used user valid value verify version volume wait was were when which while will with without wrong you your";
