const policyRoute =
  /\/(?:chat\/completions|completions|responses|embeddings|models(?:\/[^/]+)?|traces\/ingest)$/;

/**
 * Where an agent's request goes. "policy": its path ends in a route of the endpoint, on whatever host the SDK
 * believes it to be. "empty": LangChain's token ranks, which it asks for again and again until it gets an answer,
 * but can do without. Everything else is "denied".
 */
export function fetchRoute(url: string): "policy" | "empty" | "denied" {
  const path = url.replace(/[?#].*$/s, "").replace(/\/+$/, "");
  if (policyRoute.test(path)) return "policy";
  return /^https:\/\/tiktoken\.pages\.dev\//.test(path) ? "empty" : "denied";
}

/** What a denied request fails with; browsers' own words are less help. */
export const deniedMessage = (url: string): string =>
  `Failed to fetch ${url.slice(0, 200)}: agents reach the policy's routes only, for example /v1/chat/completions.`;
