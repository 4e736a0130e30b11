# syntax=docker/dockerfile:1
# A static binary in an empty image, with the notices of all that is in it. One command makes it for both platforms:
#   docker buildx build --platform linux/amd64,linux/arm64 -t REGISTRY/target-allocator:TAG --push .
# Both are compiled on the builder's own platform, the other one by a cross compiler: emulated, that would take an hour.
FROM --platform=$BUILDPLATFORM rust:1.95-bookworm AS toolchain
# the image's own toolchain: rust-toolchain.toml would fetch formatter and linter as well
ENV RUSTUP_TOOLCHAIN=$RUST_VERSION
WORKDIR /src
COPY scripts/need scripts/need
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked scripts/need sbom

FROM toolchain AS build
ARG TARGETARCH
COPY scripts/need scripts/triple scripts/
RUN scripts/need cross "$(scripts/triple "$TARGETARCH")"
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    TRIPLE=$(scripts/triple "$TARGETARCH") && export TRIPLE \
    && cp "$(PROFILE=dist scripts/static)" /target-allocator \
    && scripts/notices /notices

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="target-allocator" \
      org.opencontainers.image.description="Distributes Prometheus scrape targets over a fleet of OpenTelemetry Collectors" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /src/LICENSE /notices/THIRD-PARTY.txt /notices/rust-library.html /licenses/
COPY --from=build /notices/target-allocator.cdx.json /sbom/target-allocator.cdx.json
COPY --from=build /target-allocator /target-allocator
WORKDIR /
# numeric, so that runAsNonRoot can be checked; any other uid works too
USER 65532:65532
EXPOSE 8080 8443
ENTRYPOINT ["/target-allocator"]
