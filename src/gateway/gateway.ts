import { Completion } from "./completion.ts";
import { Constraints } from "./constraints.ts";
import { parseBody, parseChatRequest, parseTextRequest } from "./completion-request.ts";
import type { CompletionRoute } from "./completion-wire.ts";
import { GatewayError } from "./gateway-error.ts";
import type {
  Gateway,
  GatewayContext,
  GatewayOptions,
  GatewayRequest,
  GatewayResponse,
} from "./gateway-types.ts";
import { GenerationBatcher } from "./generation-batcher.ts";

/** The OpenAI-compatible endpoint over the policy that `options.engine` holds. */
export function createGateway(options: GatewayOptions): Gateway {
  const batcher = new GenerationBatcher(options.engine, options.defer);
  const constraints = new Constraints(options.tokenizer, options.engine.shape.vocabularySize);
  const model = options.model ?? "policy";
  const created = Math.floor(options.now() / 1000);
  const modelCard = { id: model, object: "model", created, owned_by: "fulgurite" };
  const callIndices = new WeakMap<GatewayContext, number>();

  function complete(
    route: CompletionRoute,
    request: GatewayRequest,
    context: GatewayContext,
    signal: AbortSignal,
  ): Promise<GatewayResponse> {
    const callIndex = callIndices.get(context) ?? 0;
    callIndices.set(context, callIndex + 1);
    const completion = new Completion(options, batcher, constraints, { route, model, context, callIndex });
    return completion.answer(() => {
      const body = parseBody(request.body);
      completion.body = body;
      return route === "chat.completions" ? parseChatRequest(body) : parseTextRequest(body);
    }, signal);
  }

  return {
    async handle(request, context, signal) {
      const method = request.method.toUpperCase();
      switch (`${method} ${routeOf(request.path)}`) {
        case "POST chat/completions":
          return complete("chat.completions", request, context, signal);
        case "POST completions":
          return complete("completions", request, context, signal);
        case "GET models":
          return json(200, JSON.stringify({ object: "list", data: [modelCard] }));
        case `GET models/${model}`:
          return json(200, JSON.stringify(modelCard));
        case "POST traces/ingest":
          return { status: 204, headers: {}, body: "" };
        default:
          return refuse(method, request.path);
      }
    },
    hold: () => batcher.hold(),
    release: () => {
      batcher.release();
    },
  };
}

/** True for a request that makes model calls, whatever becomes of it: those are numbered. */
export const isCompletion = ({ method, path }: Pick<GatewayRequest, "method" | "path">): boolean =>
  method.toUpperCase() === "POST" && ["chat/completions", "completions"].includes(routeOf(path));

/** What follows the last "v1/", or the whole path where there is none: "chat/completions". */
function routeOf(path: string): string {
  const clean = path.replace(/[?#].*$/s, "").replace(/\/+$/, "");
  const versioned = /(?:^|\/)v1\/(?!.*\/v1\/)(.+)$/s.exec(clean);
  return versioned?.[1] ?? clean.replace(/^[a-z]+:\/\/[^/]*/i, "").replace(/^\/+/, "");
}

function refuse(method: string, path: string): GatewayResponse {
  const route = routeOf(path);
  const known = ["chat/completions", "completions", "models"];
  const error = known.includes(route)
    ? new GatewayError(405, `/v1/${route} does not answer ${method}.`, { code: "method_not_allowed" })
    : new GatewayError(
        404,
        `This endpoint has no ${method} /v1/${route}; it answers /v1/chat/completions, /v1/completions and /v1/models.`,
        { code: "unknown_url" },
      );
  return json(error.status, error.toBody());
}

const json = (status: number, body: string): GatewayResponse => ({
  status,
  headers: { "content-type": "application/json" },
  body,
});
