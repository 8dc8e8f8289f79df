# Packages a binary that was built before: hack/image.sh builds both. There is no shell and no package manager inside.
#
#   docker build --platform linux/amd64 target/image/context --file Dockerfile
#
# The context holds one directory for each architecture (amd64, arm64), and what they share.
FROM scratch
ARG TARGETARCH
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="cce-backup-watch" \
      org.opencontainers.image.description="Reports the control-plane backups of Huawei Cloud CCE clusters" \
      org.opencontainers.image.source="https://github.com/cce-backup-watch/cce-backup-watch" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# The authorities that Huawei Cloud's certificates are checked against.
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
# The kubelet passes the user alone; without this file a runtime would add the group root.
COPY passwd /etc/passwd
COPY LICENSE /LICENSE
COPY ${TARGETARCH}/cce-backup-watch /cce-backup-watch
# A number, since the kubelet cannot tell whether a name is root.
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/cce-backup-watch"]
