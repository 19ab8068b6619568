# Valetkey: dependencies and the bundle first, then a runtime with neither a shell nor npm.
#
#   docker build -t valetkey .
#
# Both bases are pinned by digest. Behind a mirror, give its names and, if it needs one, an npmrc:
#
#   docker build -t valetkey --build-arg BUILD_BASE=… --build-arg BASE=… --secret id=npmrc,src=.npmrc .
#
# With the package that signs by PKCS#11 modules (docs/key-custody.md), which is compiled:
#
#   docker build -t valetkey --build-arg PKCS11=with .
ARG BUILD_BASE=docker.io/library/node:24-bookworm-slim@sha256:0e0ff40c39bc087845bfb27465a0df4ea419520094bc35842ff83dd8cbe6f9b6
ARG BASE=gcr.io/distroless/nodejs24-debian12:nonroot@sha256:14d42e2511532589a7c7e01a753667a74fcc96266e137e8125006b87b0c32d0a

FROM ${BUILD_BASE} AS dependencies
WORKDIR /app
# Before the sources, so that a change to them does not install anything again.
COPY package.json package-lock.json ./
# No package that is installed here has a native part or needs its scripts.
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc \
    ["npm", "ci", "--omit=dev", "--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund"]
# The runtime has no shell to make a folder with.
RUN ["node", "-e", "fs.mkdirSync('/writable/data', { recursive: true, mode: 0o700 })"]

FROM ${BUILD_BASE} AS pkcs11
# `with` or `without`.
ARG PKCS11=without
WORKDIR /pkcs11
COPY package.json tools/install-pkcs11.sh /tmp/
RUN ["node", "-e", "fs.mkdirSync('node_modules')"]
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc \
    ["node", "-e", "if (process.env.PKCS11 === 'with') child_process.execFileSync('/tmp/install-pkcs11.sh', { stdio: 'inherit' })"]

FROM dependencies AS bundle
COPY tools/build-packages.ts ./tools/
RUN ["node", "tools/build-packages.ts"]
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc \
    ["npm", "install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund"]
COPY src ./src
COPY tools ./tools
COPY tsconfig.json ./
ARG REVISION=unknown
RUN ["node", "tools/bundle.ts"]

# What V8 compiles is of use to the same version of Node alone.
FROM ${BASE} AS compiled
USER 0:0
WORKDIR /app
COPY package.json ./
COPY tools/compile-bundle.ts ./tools/
COPY --from=dependencies /app/node_modules ./node_modules
COPY --from=bundle /app/dist ./dist
RUN ["/nodejs/bin/node", "tools/compile-bundle.ts"]

FROM ${BASE}
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=unknown
LABEL org.opencontainers.image.title="valetkey" \
      org.opencontainers.image.description="A headless Salesforce token broker" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY --from=pkcs11 /pkcs11/node_modules ./node_modules
COPY package.json LICENSE ./
COPY src/valetkey.js ./src/
COPY --from=compiled /app/dist ./dist
COPY --from=dependencies --chown=65532:65532 /writable/ /
# A container has a network of its own: what may reach it is decided where its ports are published.
# Two arenas of malloc: with one for each thread, what one frees is of no use to the others.
ENV NODE_ENV=production \
    MALLOC_ARENA_MAX=2 \
    VALETKEY_HOST=0.0.0.0 \
    VALETKEY_DATA_DIR=/data
# By number, so that Kubernetes can see that it is not root.
USER 65532:65532
# All that is written; `/tmp` holds nothing but compiled code of what is not in the bundle. The root may be read-only.
VOLUME ["/data"]
EXPOSE 8080 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s --retries=3 \
    CMD ["/nodejs/bin/node", "/app/dist/healthcheck.js"]
# No debugger by SIGUSR1, no environment in a diagnostic report, and 16 MB for new objects.
ENTRYPOINT ["/nodejs/bin/node", "--disable-sigusr1", "--report-exclude-env", "--max-semi-space-size=8", "/app/src/valetkey.js"]
CMD ["serve"]
