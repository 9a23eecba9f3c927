# One image for every role; the command chooses. Written with care, not built by CI: there is no Docker engine on its machines.
FROM node:20-bookworm AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc tsconfig.json tsconfig.build.json ./
COPY jobs jobs
COPY pipelines pipelines
COPY nodepool nodepool
COPY workers workers
COPY server server
COPY cli cli
COPY web web
RUN npm ci && npm run build && npm prune --omit=dev --ignore-scripts

FROM node:20-bookworm-slim
# git merges; bash, setpriv, flock, setsid and grep run the builds' supervisor.
RUN apt-get update && apt-get install -y --no-install-recommends bash git grep tini util-linux \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --create-home --shell /bin/bash stackgate-job
WORKDIR /opt/stackgate
COPY --from=build /src/package.json ./
COPY --from=build /src/node_modules node_modules
COPY --from=build /src/dist dist
ENV NODE_ENV=production STACKGATE_CONFIG=/etc/stackgate/stackgate.yaml
EXPOSE 8001
# tini reaps what builds leave behind. Root, so that builds can run as stackgate-job and never as Stackgate itself.
ENTRYPOINT ["tini", "--", "node", "/opt/stackgate/dist/cli/main.js"]
CMD ["start"]
