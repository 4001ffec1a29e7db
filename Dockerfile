# SPDX-License-Identifier: Apache-2.0
#
# One image with all programs, so that operator, brokers and command line of one
# release always belong together. The manager is the default command; a broker runs
# /broker serve. hack/image (make image) packs the same without a Docker daemon.
#
#   docker build --build-arg VERSION=v0.1.0 --build-arg COMMIT=$(git rev-parse HEAD) -t oauth-broker .

FROM --platform=$BUILDPLATFORM golang:1.26 AS build
ARG TARGETOS
ARG TARGETARCH
ARG VERSION=dev
ARG COMMIT=unknown
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -buildvcs=false \
    -ldflags "-s -w -X github.com/oauthbroker/oauth-broker/internal/version.linked=${VERSION}@${COMMIT}" \
    -o /out/ ./cmd/manager ./cmd/broker ./cmd/oauth-broker

FROM gcr.io/distroless/static-debian12:nonroot
ARG VERSION=dev
ARG COMMIT=unknown
LABEL org.opencontainers.image.title="OAuth Broker" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${COMMIT}" \
    org.opencontainers.image.source="https://github.com/oauthbroker/oauth-broker" \
    org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /out/manager /out/broker /out/oauth-broker /
USER 65532:65532
ENTRYPOINT ["/manager"]
