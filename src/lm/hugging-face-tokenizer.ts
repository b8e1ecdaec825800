import { FulguriteError } from "../gpu/error.ts";
import type { ConversationMessage, Tokenizer } from "./tokenizer.ts";

export interface HuggingFaceTokenizerFiles {
  /** `tokenizer.json`, parsed. */
  readonly tokenizer: Readonly<Record<string, unknown>>;
  /** `tokenizer_config.json`, parsed: names the special tokens, and may have the chat template. */
  readonly config: Readonly<Record<string, unknown>>;
  /** `chat_template.jinja`, where it is a file of its own. */
  readonly chatTemplate?: string;
}

/**
 * The tokenizer that a Hugging Face model brings with it, by `@huggingface/tokenizers`, with its chat template by
 * `@huggingface/jinja`; both are loaded with the first call. What closes a turn is the template's affair: `separator` is
 * `eos`, and whether a longer conversation extends a shorter one exactly depends on the template. Without a template a
 * conversation is bos, then every turn's text and eos. Throws "lm/bad-tokenizer" where the files cannot be read or do not say
 * how a text ends, and "lm/bad-template" where the template fails.
 */
export async function huggingFaceTokenizer(files: HuggingFaceTokenizerFiles): Promise<Tokenizer> {
  const [{ Tokenizer: Implementation }, { Template }] = await Promise.all([
    import("@huggingface/tokenizers"),
    import("@huggingface/jinja"),
  ]);
  const { tokenizer: json, config } = files;
  const tokenizer = make();
  function make(): InstanceType<typeof Implementation> {
    try {
      return new Implementation(json, config);
    } catch (cause) {
      throw new FulguriteError(
        "lm/bad-tokenizer",
        `The tokenizer cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`,
        "Pass the model's tokenizer.json and tokenizer_config.json as they are.",
        { cause },
      );
    }
  }
  const model = (json["model"] ?? {}) as { vocab?: unknown };
  const added = (json["added_tokens"] ?? []) as readonly { id: number; special?: boolean }[];
  const vocabulary = Array.isArray(model.vocab)
    ? model.vocab.map((_, id) => id)
    : Object.values((model.vocab ?? {}) as Record<string, number>);
  const ids = new Set([...vocabulary, ...added.map(({ id }) => id)]);
  const textOf = (name: string): string | null => {
    const token = config[name] as string | { content?: string } | null | undefined;
    return typeof token === "string" ? token : (token?.content ?? null);
  };
  const idOf = (name: string): number | null => {
    const text = textOf(name);
    return text === null ? null : (tokenizer.token_to_id(text) ?? null);
  };
  const eos = idOf("eos_token");
  if (eos === null) {
    throw new FulguriteError(
      "lm/bad-tokenizer",
      "The tokenizer's files do not say which token ends a text.",
      'Pass the tokenizer_config.json that belongs to it, with an "eos_token".',
    );
  }
  const special = new Set(added.filter((token) => token.special === true).map(({ id }) => id));
  special.delete(eos);
  const encode = (text: string): Int32Array =>
    Int32Array.from(tokenizer.encode(text, { add_special_tokens: false }).ids);
  const source = files.chatTemplate ?? config["chat_template"];
  const template = typeof source === "string" ? new Template(source) : null;
  const bos = idOf("bos_token");

  const render = (messages: readonly ConversationMessage[]): string => {
    try {
      return template!.render({
        messages: messages.map(({ role, content }) => ({ role, content })),
        add_generation_prompt: true,
        bos_token: textOf("bos_token") ?? "",
        eos_token: textOf("eos_token") ?? "",
      });
    } catch (cause) {
      throw new FulguriteError(
        "lm/bad-template",
        `The model's chat template fails: ${cause instanceof Error ? cause.message : String(cause)}`,
        "Send the roles that it knows, in the order that it wants.",
        { cause },
      );
    }
  };
  return {
    vocabularySize: Math.max(...ids) + 1,
    pad: idOf("pad_token") ?? eos,
    bos: bos ?? eos,
    eos,
    separator: eos,
    answerIds: Int32Array.from([...ids].filter((id) => !special.has(id)).sort((a, b) => a - b)),
    encode,
    // The library refuses to decode nothing, and tidies spaces away unless told not to.
    decode: (tokens) =>
      tokens.length === 0
        ? ""
        : tokenizer.decode(Array.from(tokens), {
            skip_special_tokens: true,
            clean_up_tokenization_spaces: config["clean_up_tokenization_spaces"] === true,
          }),
    renderChat: (messages) =>
      template
        ? encode(render(messages))
        : Int32Array.from([
            ...(bos === null ? [] : [bos]),
            ...messages.flatMap(({ content }) => [...encode(content), eos]),
          ]),
  };
}
