import type { ConversationMessage } from "../lm/tokenizer.ts";

/** One turn of an example; `weight` 0 keeps an assistant's turn from being learned. */
export interface SupervisedMessage extends ConversationMessage {
  readonly weight?: 0 | 1;
}

/** Text to learn from: a prompt and its completion, or a conversation whose assistant is imitated. */
export type SupervisedExample =
  | { readonly prompt: string; readonly completion: string }
  | { readonly messages: readonly SupervisedMessage[] };

/** Two answers to a prompt, the first better than the second. */
export interface PreferenceExample {
  readonly prompt: string;
  readonly chosen: string;
  readonly rejected: string;
}
