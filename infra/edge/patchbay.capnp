# Patchbay in workerd: `npm run build && npm run build:edge`, then `npx workerd serve infra/edge/patchbay.capnp`, with the
# settings in the environment. What it may reach is said here, and nowhere else.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    ( name = "api", worker = .api ),
    ( name = "assets", disk = ( path = "web/dist/client" ) ),
    ( name = "public", network = ( allow = ["public"], tlsOptions = ( trustBrowserCas = true ) ) ),
    # Postgres, S3 and the runners, which may be within our own network.
    ( name = "internet",
      network = ( allow = ["public", "private"], tlsOptions = ( trustBrowserCas = true ) ) ),
  ],
  sockets = [ ( name = "http", address = "127.0.0.1:8787", http = (), service = "api" ) ],
);

const api :Workerd.Worker = (
  modules = [ ( name = "worker.js", esModule = embed "dist/worker.js" ) ],
  compatibilityDate = "2026-11-01",
  compatibilityFlags = ["enable_request_signal"],
  bindings = [
    ( name = "ASSETS", service = "assets" ),
    ( name = "PUBLIC", service = "public" ),
    ( name = "DATABASE_URL", fromEnvironment = "DATABASE_URL" ),
    ( name = "S3_ENDPOINT", fromEnvironment = "S3_ENDPOINT" ),
    ( name = "S3_REGION", fromEnvironment = "S3_REGION" ),
    ( name = "S3_BUCKET", fromEnvironment = "S3_BUCKET" ),
    ( name = "S3_ACCESS_KEY_ID", fromEnvironment = "S3_ACCESS_KEY_ID" ),
    ( name = "S3_SECRET_ACCESS_KEY", fromEnvironment = "S3_SECRET_ACCESS_KEY" ),
    ( name = "PATCHBAY_PUBLIC_URL", fromEnvironment = "PATCHBAY_PUBLIC_URL" ),
    ( name = "PATCHBAY_FORMER_SIGNING_KEYS", fromEnvironment = "PATCHBAY_FORMER_SIGNING_KEYS" ),
    ( name = "PATCHBAY_METRICS_TOKEN", fromEnvironment = "PATCHBAY_METRICS_TOKEN" ),
    ( name = "PATCHBAY_RUNNERS", fromEnvironment = "PATCHBAY_RUNNERS" ),
    ( name = "PATCHBAY_RUNNER_TOKEN_ALSO", fromEnvironment = "PATCHBAY_RUNNER_TOKEN_ALSO" ),
    ( name = "PATCHBAY_RUNNER_URL", fromEnvironment = "PATCHBAY_RUNNER_URL" ),
    ( name = "PATCHBAY_RUNNER_TOKEN", fromEnvironment = "PATCHBAY_RUNNER_TOKEN" ),
    ( name = "PATCHBAY_AUTH_SECRET", fromEnvironment = "PATCHBAY_AUTH_SECRET" ),
    ( name = "PATCHBAY_SIGNING_KEY", fromEnvironment = "PATCHBAY_SIGNING_KEY" ),
    ( name = "PATCHBAY_OIDC_ISSUERS", fromEnvironment = "PATCHBAY_OIDC_ISSUERS" ),
    ( name = "PATCHBAY_UPSTREAM", fromEnvironment = "PATCHBAY_UPSTREAM" ),
    ( name = "PATCHBAY_UPSTREAM_BASES", fromEnvironment = "PATCHBAY_UPSTREAM_BASES" ),
    ( name = "PATCHBAY_STORAGE_QUOTA", fromEnvironment = "PATCHBAY_STORAGE_QUOTA" ),
    ( name = "PATCHBAY_LIMIT_FACTOR", fromEnvironment = "PATCHBAY_LIMIT_FACTOR" ),
    ( name = "PATCHBAY_TRUST_PROXY", fromEnvironment = "PATCHBAY_TRUST_PROXY" ),
    ( name = "PATCHBAY_SIGN_UP", fromEnvironment = "PATCHBAY_SIGN_UP" ),
    ( name = "GITHUB_CLIENT_ID", fromEnvironment = "GITHUB_CLIENT_ID" ),
    ( name = "GITHUB_CLIENT_SECRET", fromEnvironment = "GITHUB_CLIENT_SECRET" ),
    ( name = "LOG_LEVEL", fromEnvironment = "LOG_LEVEL" ),
  ],
);
