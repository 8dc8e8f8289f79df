//! A release in a registry on loopback, and in its folder the files of its page, signed by a made-up authority in the place of
//! Sigstore. There is no transparency log, so cosign is told to ignore it; what a log proves is not tested.

use std::{fs, mem, path::PathBuf};

use cbw_testkit::{
    program::{ROOT, Ran, Server, folder, run},
    registry,
};

use crate::page::{bash, script};

/// The version that is released.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The release's own names, after the registry.
pub const IMAGE: &str = "cce-backup-watch/cce-backup-watch";
const CHART: &str = "cce-backup-watch/charts/cce-backup-watch";

/// Sections of docs/verify.md.
pub const SIGNATURES: &str = "The signatures";
pub const OFFLINE: &str = "Without access to the Internet";

/// Makes the authority, which gives two workflows the certificates that Fulcio would give them: the address of the workflow is
/// the subject, and an extension says who vouches for it.
const AUTHORITY: &str = r#"
workflows=https://github.com/cce-backup-watch/cce-backup-watch/.github/workflows
certificate() { # NAME OPTION...
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -keyout $1.pem -out $1.crt "${@:2}"
}
certificate ca -subj '/CN=made up' -addext 'keyUsage = critical, keyCertSign'
cosign trusted-root create --fulcio url=https://authority.invalid,certificate-chain=ca.crt --out dist/trusted-root.json
cosign signing-config create --out signing-config.json
for workflow in release.yaml@refs/tags/v$VERSION ci.yaml@refs/heads/main; do
  name=${workflow%%.*}
  certificate $name -CA ca.crt -CAkey ca.pem -subj / -addext 'basicConstraints = CA:FALSE' \
    -addext 'keyUsage = critical, digitalSignature' -addext 'extendedKeyUsage = codeSigning' \
    -addext "subjectAltName = critical, URI:$workflows/$workflow" \
    -addext 1.3.6.1.4.1.57264.1.8=ASN1:UTF8String:https://token.actions.githubusercontent.com
  cosign import-key-pair --key $name.pem --output-key-prefix $name --yes
done
"#;

/// Pushes images and chart. What the workflow's builds hand on, the context of the Dockerfile with all architectures, is taken
/// out of the images, which are made of it already.
const PUSH: &str = r#"
for archive in $archives; do
  architecture=$(skopeo inspect --format '{{.Architecture}}' oci-archive:$archive)
  unpack image-$architecture oci-archive:$archive
  mkdir -p context/$architecture
  cp image-$architecture/LICENSE context
  cp image-$architecture/cce-backup-watch context/$architecture
  skopeo copy --dest-tls-verify=false oci-archive:$archive docker://$REGISTRY/$IMAGE:$VERSION-$architecture
done
[[ -n $archives ]] || for architecture in amd64 arm64; do
  mkdir -p context/$architecture
  cp "$ROOT"/LICENSE context
  echo stands in for a binary >context/$architecture/cce-backup-watch
  printf '{"architecture":"%s","os":"linux"}' $architecture >config.json
  oras push --plain-http --config config.json:application/vnd.oci.image.config.v1+json $REGISTRY/$IMAGE:$VERSION-$architecture
done
oras manifest index create --plain-http $REGISTRY/$IMAGE:$VERSION $(cd context; printf "$VERSION-%s " *64)
helm-4 package "$ROOT"/charts/cce-backup-watch --destination .
helm-4 push cce-backup-watch-$VERSION.tgz oci://$REGISTRY/${CHART%/*} --plain-http
"#;

/// For all scripts: signing with the certificate of a workflow, the files of the page, and the files of an image.
const FUNCTIONS: &str = r#"
digest() { oras resolve --plain-http $REGISTRY/$1:$VERSION; }
signing() { # NAME COMMAND...
  cosign "${@:2}" --yes --key $1.key --certificate $1.crt --signing-config signing-config.json --trusted-root dist/trusted-root.json
}
sign() { # NAME
  signing $1 sign --allow-http-registry $REGISTRY/$IMAGE@$(digest $IMAGE)
  signing $1 sign --allow-http-registry $REGISTRY/$CHART@$(digest $CHART)
}
files() {
  "$ROOT"/hack/release-files.sh context cce-backup-watch-$VERSION.tgz ghcr.io/$IMAGE@$(digest $IMAGE) dist
  (($(grep -c '\.tar\.gz$' dist/checksums.txt) == $(ls -d context/*/ | wc -l))) # each binary has an archive
  signing release sign-blob --bundle dist/checksums.txt.sigstore.json dist/checksums.txt
}
unpack() { # FOLDER SOURCE OPTION...
  skopeo copy "${@:3}" $2 dir:$1
  for layer in $(skopeo inspect --format '{{range .Layers}}{{.}} {{end}}' dir:$1); do
    tar --extract --file $1/${layer#sha256:} --directory $1
  done
}
"#;

/// For the commands of the page: the registries have no TLS and the signatures no log.
const PAGE: &str = r#"
cosign() {
  local no_log=(--insecure-ignore-tlog --insecure-ignore-sct)
  [[ $* == *--trusted-root* ]] || no_log+=(--trusted-root trusted-root.json)
  [[ $1 != verify ]] || no_log+=(--allow-http-registry)
  command cosign "$@" "${no_log[@]}"
}
oras() { command oras "$@" --from-plain-http --to-plain-http; }
helm() { command $HELM "$@" --plain-http; }
cd dist
"#;

/// Starts a registry: its address, and itself.
async fn registry(log: PathBuf) -> (String, Server) {
    let (port, server) = registry::start(log).await;
    (format!("127.0.0.1:{port}"), server)
}

/// What is released.
pub struct Release {
    /// What is made here. The files of the page are in `dist`.
    pub folder: PathBuf,
    /// Where it was pushed, and where it is mirrored.
    pub registry: String,
    pub mirror: String,
    server: Server,
}

impl Release {
    /// Pushes images and chart, which nobody has signed.
    pub async fn push(name: &str, images: &str) -> Self {
        let folder = folder().join(name);
        fs::create_dir_all(folder.join("dist")).unwrap();
        let (registry, server) = registry(folder.join("registry.log")).await;
        let release = Self { folder, mirror: registry.clone(), registry, server };
        release.runs(AUTHORITY).ended(0, "");
        let archives = images.split_whitespace().map(|archive| fs::canonicalize(archive).expect(archive));
        let archives: Vec<_> = archives.map(|archive| archive.display().to_string()).collect();
        release.runs(&format!("archives='{}'\n{PUSH}", archives.join(" "))).ended(0, "");
        release
    }

    /// Copies image and chart as the page says, after which the registry that they came from is away.
    pub async fn is_mirrored(&mut self) {
        let (mirror, server) = registry(self.folder.join("mirror.log")).await;
        self.mirror = mirror;
        self.follows(OFFLINE, &["oras cp"]).ended(0, "");
        drop(mem::replace(&mut self.server, server));
        self.registry = "away.invalid".into();
    }

    /// Runs a script in the folder. Nothing of this machine's user is read or written, and no service of Sigstore is asked.
    pub fn runs(&self, script: &str) -> Ran {
        let mut bash = bash(&["cosign", "oras", "helm-3", "helm-4"], &self.folder);
        bash.envs(["HOME", "DOCKER_CONFIG", "TUF_ROOT"].map(|name| (name, &self.folder)));
        bash.envs([
            ("HTTPS_PROXY", "http://127.0.0.1:9"),
            ("NO_PROXY", "127.0.0.1"),
            ("COSIGN_PASSWORD", ""),
        ]);
        bash.envs([("ROOT", ROOT), ("VERSION", VERSION), ("IMAGE", IMAGE), ("CHART", CHART)]);
        bash.envs([("REGISTRY", &self.registry), ("MIRROR", &self.mirror)]);
        run(bash.arg(format!("{FUNCTIONS}{script}")))
    }

    /// Runs the commands of a section of docs/verify.md that begin with any of these words, on what was released here.
    pub fn follows(&self, heading: &str, words: &[&str]) -> Ran {
        self.runs(&self.page(heading, words))
    }

    /// The same, as a script.
    pub fn page(&self, heading: &str, words: &[&str]) -> String {
        let identity = script("docs/verify.md", SIGNATURES, &["identity=", "issuer="]);
        let commands = script("docs/verify.md", heading, words).replace("ghcr.io", &self.registry);
        let commands = commands.replace("REGISTRY", &self.mirror);
        format!("{PAGE}{identity}\n{commands}").replace("VERSION", VERSION)
    }
}
