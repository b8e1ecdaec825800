import { FulguriteError } from "../gpu/error.ts";

/** What a client of the endpoint gets to see of a failure: the OpenAI error object and its HTTP status. */
export class GatewayError extends Error {
  readonly status: number;
  /** "invalid_request_error", "not_found_error", "server_error". */
  readonly type: string;
  /** Name of the request field at fault, or null. */
  readonly param: string | null;
  /** Stable, for example "unsupported_parameter" or "context_length_exceeded". */
  readonly code: string | null;

  constructor(
    status: number,
    message: string,
    options: { readonly param?: string | null; readonly code?: string | null } = {},
  ) {
    super(message);
    this.name = "GatewayError";
    this.status = status;
    this.type = status === 404 ? "not_found_error" : status >= 500 ? "server_error" : "invalid_request_error";
    this.param = options.param ?? null;
    this.code = options.code ?? null;
  }

  /** `{"error":{message,type,param,code}}`. */
  toBody(): string {
    const { message, type, param, code } = this;
    return JSON.stringify({ error: { message, type, param, code } });
  }
}

/** A 400 that names the field. */
export function invalid(param: string, message: string, code = "invalid_value"): GatewayError {
  return new GatewayError(400, message, { param, code });
}

/** Any thrown thing as a `GatewayError`: ours keep their status, errors of the model become 503. */
export function asGatewayError(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error;
  const code = error instanceof FulguriteError ? error.code : "model_error";
  const message = error instanceof Error ? error.message : String(error);
  return new GatewayError(503, `The policy could not answer: ${message}`, { code });
}
