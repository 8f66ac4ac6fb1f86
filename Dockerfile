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

FROM base AS built
COPY --from=installed /syncline ./
COPY tsconfig.base.json ./
COPY packages packages
COPY apps apps
RUN node_modules/.bin/tsc -b apps/ingress apps/worker apps/console \
  && for folder in packages/events packages/lanes packages/senders packages/catalog packages/runtime apps/ingress apps/worker apps/console; do \
       mkdir -p "/output/$folder" && cp -r "$folder/package.json" "$folder/dist" "/output/$folder/" || exit 1; \
     done \
  && cp -r packages/lanes/lua /output/packages/lanes/

FROM manifests AS production
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund --workspace apps/ingress --workspace apps/worker --workspace apps/console

FROM base AS app
ENV NODE_ENV=production BIND_HOST=0.0.0.0
COPY --from=production /syncline/node_modules node_modules
COPY --from=built /output ./
USER node

# Alive is enough: while Redis is away a restart would not help, and the ingress must go on answering 503.
FROM app AS ingress
ENV INGRESS_PORT=8080
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.INGRESS_PORT}/healthz`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "apps/ingress/dist/main.js"]

FROM app AS worker
ENV WORKER_PORT=8081
EXPOSE 8081
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.WORKER_PORT}/healthz`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "apps/worker/dist/main.js"]

FROM app AS console
ENV CONSOLE_PORT=8082
EXPOSE 8082
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.CONSOLE_PORT}/healthz`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "apps/console/dist/main.js"]
