# MinIO publishes no images any more: this builds the very version that `make test-minio` tests against.
FROM golang:1.26-bookworm AS build
ARG MINIO_VERSION=v0.0.0-20260212201848-7aac2a2c5b7c
RUN CGO_ENABLED=0 GOBIN=/out go install -trimpath "github.com/minio/minio@$MINIO_VERSION"

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates curl && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin minio \
    && install -d -o minio -g minio -m 0700 /data
COPY --from=build /out/minio /usr/local/bin/minio
USER 10001:10001
VOLUME /data
ENTRYPOINT ["minio"]
CMD ["server", "/data", "--address", ":9000"]
