# One image for each app: docker build --target ingress . (or worker, or console).

FROM node:24-bookworm-slim AS base
WORKDIR /syncline

# The manifests alone, so that a change of sources does not install anew.
FROM base AS manifests
COPY package.json package-lock.json ./
COPY packages packages
COPY apps apps
RUN find packages apps -type f ! -name package.json -delete

FROM manifests AS installed
RUN npm ci --ignore-scripts --no-audit --no-fund

FROM installed AS built
COPY tsconfig.base.json ./
COPY scripts scripts
COPY packages packages
COPY apps apps
RUN npm run build --workspace apps/ingress --workspace apps/worker --workspace apps/console

# Each app is one file; beside it stand only the Lua steps that it sends to Redis.
FROM base AS app
ENV NODE_ENV=production BIND_HOST=0.0.0.0
USER node

# Alive is enough: while Redis is away a restart would not help, and the ingress must go on answering 503.
FROM app AS ingress
COPY --from=built /syncline/apps/ingress/dist/main.js /syncline/apps/ingress/dist/bundle.js /syncline/apps/ingress/dist/bundle.js.map apps/ingress/dist/
COPY --from=built /syncline/apps/ingress/dist/lua apps/ingress/dist/lua
ENV INGRESS_PORT=8080
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.INGRESS_PORT}/healthz`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "apps/ingress/dist/main.js"]

FROM app AS worker
COPY --from=built /syncline/apps/worker/dist/main.js /syncline/apps/worker/dist/import-module.js /syncline/apps/worker/dist/bundle.js /syncline/apps/worker/dist/bundle.js.map apps/worker/dist/
COPY --from=built /syncline/apps/worker/dist/lua apps/worker/dist/lua
ENV WORKER_PORT=8081
EXPOSE 8081
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.WORKER_PORT}/healthz`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "apps/worker/dist/main.js"]

FROM app AS console
COPY --from=built /syncline/apps/console/dist/main.js /syncline/apps/console/dist/bundle.js /syncline/apps/console/dist/bundle.js.map apps/console/dist/
COPY --from=built /syncline/apps/console/dist/lua apps/console/dist/lua
ENV CONSOLE_PORT=8082
EXPOSE 8082
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.CONSOLE_PORT}/healthz`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "apps/console/dist/main.js"]
