# Patchbay in workerd with somebody who calls its scheduled handler, as a cron trigger does: by any request.
using Workerd = import "/workerd/workerd.capnp";
using Patchbay = import "../../infra/edge/patchbay.capnp";

const config :Workerd.Config = (
  services = [
    ( name = "api", worker = Patchbay.api ),
    ( name = "assets", disk = ( path = "web/dist/client" ) ),
    ( name = "public", network = ( allow = ["public"] ) ),
    ( name = "internet", network = ( allow = ["public", "private"] ) ),
    ( name = "trigger", worker = .trigger ),
  ],
  sockets = [ ( name = "http", address = "127.0.0.1:8787", http = (), service = "trigger" ) ],
);

const trigger :Workerd.Worker = (
  modules = [
    ( name = "trigger.js",
      esModule =
        `export default {
        `  async fetch(request, { API }) {
        `    if (request.method === 'GET') return API.fetch(request);
        `    return Response.json(await API.scheduled({ cron: '* * * * *' }));
        `  },
        `};
    ),
  ],
  compatibilityDate = "2026-11-01",
  compatibilityFlags = ["service_binding_extra_handlers"],
  bindings = [ ( name = "API", service = "api" ) ],
);
