export { createGateway } from "./gateway.ts";
export type {
  Gateway,
  GatewayContext,
  GatewayOptions,
  GatewayRequest,
  GatewayResponse,
  GatewayTokenizer,
  SamplingOverrides,
} from "./gateway-types.ts";
export type { ModelCall, SamplingParameters } from "./model-call.ts";
export { seedsOfRun, type SeedContext } from "./seeds.ts";
