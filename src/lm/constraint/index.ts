export { parseGrammar, type Grammar } from "./grammar.ts";
export { jsonObjectGrammar, jsonSchemaGrammar } from "./json-schema.ts";
export { compileConstraint, tokenBytes, type TokenBytes } from "./token-constraint.ts";
