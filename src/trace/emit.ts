import type { EmittedSpan } from "./emitted-span.ts";

/** What any emission can carry. */
export interface EmitOptions {
  /** Any texts, to find it by. */
  readonly tags?: readonly string[];
  /** What it is about: the span whose attribute has this value, `{ "gen_ai.response.id": "..." }`. */
  readonly links?: Readonly<Record<string, string>>;
}

/**
 * Something that takes time, seen from inside: what is emitted through it hangs below it. So does what is emitted, or asked of a
 * model, while its function runs; after an `await` only where no other operation is open beside it, because nobody can tell
 * then whose it is. Its own emitters always can.
 */
export interface Operation extends Emit {
  /** What it was given; a later one replaces it. */
  input(value: unknown): void;
  /** What it gave; default what the function returns. */
  output(value: unknown): void;
}

/**
 * Writes into the trace of the attempt. Needs no set-up and never throws: what cannot be sent is sent as text, what makes
 * no sense is a span with an error.
 */
export interface Emit {
  /** Any value under a name. */
  (name: string, value?: unknown): void;
  /** One number, or several by name, of which `primary` is the one that counts. */
  reward(
    value: number | boolean | Readonly<Record<string, number>>,
    options?: EmitOptions & { readonly primary?: string },
  ): void;
  message(text: string, options?: EmitOptions): void;
  /** Texts, numbers and booleans as they are, bytes as base64, anything else as JSON. */
  object(value: unknown, options?: EmitOptions): void;
  /** An error that was dealt with; the span's status stays "ok". */
  exception(error: unknown, options?: EmitOptions): void;
  /** Attributes of any shape; nested ones get dotted keys. */
  annotation(attributes: Readonly<Record<string, unknown>>, options?: EmitOptions): void;
  /** Calls `run` at once and gives what it gives; its error is recorded and thrown on. */
  operation<Result>(name: string, run: (operation: Operation) => Result, options?: EmitOptions): Result;
  /** The same function, each of its calls an operation with its arguments and result. */
  traced<Args extends readonly unknown[], Result>(
    run: (...args: Args) => Result,
    options?: EmitOptions & { readonly name?: string },
  ): (...args: Args) => Result;
}

/** Where the agent's code is. */
export interface EmitPlace {
  /** Number of the operation around what happens now; 0 for none. */
  operation: () => number;
}

/**
 * The emitters of one attempt. `named` takes what is emitted by name outside of operations, `send` all else; both may throw.
 * `place` is told how to ask where the agent is. Self-contained, because agents' workers get it as source; it captures what it
 * needs of the globals before an agent can change them.
 */
export function createEmit(
  send: (span: EmittedSpan) => void,
  named: (name: string, value: unknown) => void,
  place?: EmitPlace,
): Emit {
  const { String, Object, JSON, Array, Map, Promise } = globalThis;
  let operations = 0;
  /** Parents of the operations that go on, by number, in the order in which they began. */
  const open = new Map<number, number>();
  /** The operation whose code runs until the next turn; null where nobody can tell. */
  let known: number | null = null;

  const inside = (): number => {
    if (known !== null) return known;
    let at = 0;
    for (;;) {
      const below = [...open].filter(([, parent]) => parent === at);
      if (below.length !== 1) return at;
      at = below[0]![0];
    }
  };
  if (place) place.operation = inside;

  const asText = (value: unknown): string => {
    try {
      return (typeof value === "object" ? JSON.stringify(value) : undefined) ?? String(value);
    } catch {
      return "[object]";
    }
  };
  const quietly = (first: () => void, second: () => void): void => {
    try {
      first();
    } catch {
      try {
        second();
      } catch {
        // More than it may send: the host ends the attempt.
      }
    }
  };
  const thrown = (error: unknown): { type: string; message: string; stack: string } => {
    try {
      const { name, message, stack } = (error ?? {}) as Partial<Error>;
      return {
        type: String(name ?? typeof error).slice(0, 200),
        message: String(message ?? error).slice(0, 4000),
        stack: String(stack ?? "").slice(0, 8000),
      };
    } catch {
      return { type: "Error", message: "something that cannot be shown was thrown", stack: "" };
    }
  };
  const put = (
    type: EmittedSpan["type"],
    parent: number,
    name: unknown,
    value: unknown,
    options: (EmitOptions & { readonly primary?: string }) | undefined,
    number = 0,
  ): void => {
    const span = (content: unknown): EmittedSpan => ({
      type,
      number,
      parent,
      name: asText(name).slice(0, 200),
      value: content,
      tags: Array.isArray(options?.tags) ? options.tags.map((tag) => asText(tag).slice(0, 200)) : [],
      links: Object.entries(options?.links ?? {}).map(([key, to]) => [asText(key), asText(to)] as const),
      primary: options?.primary === undefined ? null : asText(options.primary),
    });
    quietly(
      () => {
        send(span(value));
      },
      () => {
        send(span(asText(value)));
      },
    );
  };

  const below = (own: number): Emit => {
    const around = (): number => (own > 0 ? own : inside());
    const emit = (name: string, value: unknown = null): void => {
      if (around() > 0) {
        put("object", around(), name, value, { tags: [name] });
        return;
      }
      const text = asText(name).slice(0, 200);
      quietly(
        () => {
          named(text, value);
        },
        () => {
          named(text, asText(value));
        },
      );
    };
    const operation = <Result>(
      name: string,
      run: (inner: Operation) => Result,
      options?: EmitOptions,
      given?: { readonly input: unknown },
    ): Result => {
      const number = ++operations;
      const parent = around();
      let output: unknown = undefined;
      let hasOutput = false;
      put("operation", parent, name, null, options, number);
      const inner = Object.assign(below(number), {
        input: (value: unknown) => {
          put("input", number, "input", value, undefined);
        },
        output: (value: unknown) => {
          output = value;
          hasOutput = true;
        },
      });
      if (given) inner.input(given.input);
      const end = (result: unknown): void => {
        open.delete(number);
        put("end", number, "end", hasOutput ? output : result, undefined);
      };
      const fail = (error: unknown): void => {
        open.delete(number);
        put("failed", number, "failed", thrown(error), undefined);
      };
      const outside = inside();
      // Before anything that `run` awaits goes on.
      if (known === null)
        quietly(
          () =>
            void Promise.resolve().then(() => {
              known = null;
            }),
          () => undefined,
        );
      open.set(number, parent);
      known = number;
      let result: Result;
      try {
        result = run(inner);
      } catch (error) {
        fail(error);
        throw error;
      } finally {
        known = outside;
      }
      const { then } = (result ?? {}) as { readonly then?: unknown };
      if (typeof then !== "function") {
        end(result);
        return result;
      }
      return (result as PromiseLike<unknown>).then(
        (value) => {
          end(value);
          return value;
        },
        (error: unknown) => {
          fail(error);
          throw error;
        },
      ) as Result;
    };
    return Object.assign(emit, {
      reward: (value: unknown, options?: EmitOptions & { readonly primary?: string }) => {
        put("reward", around(), "reward", value, options);
      },
      message: (text: unknown, options?: EmitOptions) => {
        put("message", around(), "message", text, options);
      },
      object: (value: unknown, options?: EmitOptions) => {
        put("object", around(), "object", value, options);
      },
      exception: (error: unknown, options?: EmitOptions) => {
        put("exception", around(), "exception", thrown(error), options);
      },
      annotation: (attributes: unknown, options?: EmitOptions) => {
        put("annotation", around(), "annotation", attributes, options);
      },
      operation: <Result>(name: string, run: (inner: Operation) => Result, options?: EmitOptions) =>
        operation(name, run, options),
      traced:
        <Args extends readonly unknown[], Result>(
          run: (...args: Args) => Result,
          options?: EmitOptions & { readonly name?: string },
        ) =>
        (...args: Args): Result =>
          operation(options?.name ?? run.name, () => run(...args), options, { input: { args } }),
    });
  };
  return below(0);
}
