# syntax=docker/dockerfile:1
# A static binary in an empty image. Built per platform on that platform's own compiler, so one command makes both:
#   docker buildx build --platform linux/amd64,linux/arm64 -t REGISTRY/target-allocator:TAG --push .
FROM rust:1.95-bookworm AS build
# the image's own toolchain: rust-toolchain.toml would fetch formatter and linter as well
ENV RUSTUP_TOOLCHAIN=$RUST_VERSION
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    cp "$(PROFILE=dist scripts/static)" /target-allocator

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="target-allocator" \
      org.opencontainers.image.description="Distributes Prometheus scrape targets over a fleet of OpenTelemetry Collectors" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /target-allocator /target-allocator
WORKDIR /
# numeric, so that runAsNonRoot can be checked; any other uid works too
USER 65532:65532
EXPOSE 8080 8443
ENTRYPOINT ["/target-allocator"]
